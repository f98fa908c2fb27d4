#!/usr/bin/env python3
"""Measures PyTorch and transformers for scripts/gpu-check.sh, in the rows and shapes of Quern's GpuBench: a JSON object a line.

    gpu-peers.py [--tiny] [--parts gemm,memory,attention,train,decode]

With --tiny shapes are small and a processor will do: that tries the script, and its times mean nothing.
"""
import argparse
import json
import statistics
import time

import torch
from torch.nn import functional as F

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--tiny", action="store_true")
parser.add_argument("--parts", default="gemm,memory,attention,train,decode")
options = parser.parse_args()
tiny = options.tiny
device = "cuda" if torch.cuda.is_available() else "cpu"
names = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
torch.manual_seed(1)


def emit(**line):
    print(json.dumps(line), flush=True)


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(call):
    """Started many times and waited for once, the median of five rounds, as GpuBench does."""
    for _ in range(3):
        call()
    wait()
    before = time.perf_counter()
    call()
    wait()
    once = time.perf_counter() - before
    runs = 1 if tiny else max(1, min(2000, int(0.05 / once)))
    rounds = []
    for _ in range(1 if tiny else 5):
        before = time.perf_counter()
        for _ in range(runs):
            call()
        wait()
        rounds.append((time.perf_counter() - before) / runs)
    return statistics.median(rounds)


def row(part, name, dtype, call, flops=0, gigabytes=0):
    try:
        s = seconds(call)
        emit(part=part, name=name, dtype=dtype, impl="torch", ms=1e3 * s, tflops=flops / 1e12 / s, gb_s=gigabytes / s)
    except RuntimeError as e:
        emit(part=part, name=name, dtype=dtype, impl="torch", error=str(e)[:300])


def numbers(dtype, *shape):
    return torch.randn(*shape, device=device, dtype=torch.float32).to(dtype)


def gemm():
    shapes = [(64, 64, 64), (33, 65, 17)] if tiny else [
        (1024, 1024, 1024), (4096, 4096, 4096), (8192, 8192, 8192), (8192, 768, 2304), (8192, 768, 50257), (1, 768, 50257)]
    for kind in ("BF16", "F16", "F32", "TF32"):
        dtype = {"BF16": torch.bfloat16, "F16": torch.float16}.get(kind, torch.float32)
        torch.backends.cuda.matmul.allow_tf32 = kind == "TF32"
        for m, k, n in shapes:
            for transposed in (False, True):
                x = numbers(dtype, m, k)
                w = numbers(dtype, n, k).t() if transposed else numbers(dtype, k, n)
                row("tf32" if kind == "TF32" else "gemm", f"{m}x{k}x{n} {'NT' if transposed else 'NN'}", kind,
                    lambda: torch.matmul(x, w), 2 * m * k * n)
    torch.backends.cuda.matmul.allow_tf32 = False


def grad(output, inputs, like):
    """A backward pass alone, again and again."""
    return lambda: torch.autograd.grad(output, inputs, like, retain_graph=True)


def memory():
    rows, wide, vocabulary, tokens = (8, 96, 101, 8) if tiny else (65536, 768, 50257, 8192)
    params = 1000 if tiny else 124_439_808
    x = numbers(torch.float32, rows, 4 * wide)
    y = torch.empty_like(x)
    row("memory", "copy", "F32", lambda: y.copy_(x), 0, 2 * x.numel() * 4 / 1e9)
    with_grad = lambda t: t.requires_grad_()
    for dtype in (torch.float32, torch.bfloat16):
        d, size = names[dtype], dtype.itemsize * rows * wide / 1e9
        a, b = numbers(dtype, rows, wide), numbers(dtype, rows, wide)
        w, bias = with_grad(numbers(dtype, wide)), with_grad(numbers(dtype, wide))
        row("memory", "add", d, lambda: a + b, 0, 3 * size)
        row("memory", "gelu_tanh", d, lambda: F.gelu(a, approximate="tanh"), 0, 2 * size)
        with torch.no_grad():
            row("memory", "layer_norm", d, lambda: F.layer_norm(a, (wide,), w, bias), 0, 2 * size)
            row("memory", "rms_norm", d, lambda: F.rms_norm(a, (wide,), w, 1e-5), 0, 2 * size)
        z = with_grad(a.clone())
        row("memory", "layer_norm_grad", d, grad(F.layer_norm(z, (wide,), w, bias), [z, w, bias], b), 0, 3 * size)
        s = numbers(dtype, rows // 4, 4 * wide)
        row("memory", "softmax", d, lambda: s.softmax(-1), 0, 2 * size)
        logits, targets = with_grad(numbers(dtype, tokens, vocabulary)), torch.randint(vocabulary, (tokens,), device=device)
        size = dtype.itemsize * tokens * vocabulary / 1e9
        with torch.no_grad():
            row("memory", "cross_entropy", d, lambda: F.cross_entropy(logits, targets), 0, size)
        row("memory", "cross_entropy_grad", d, grad(F.cross_entropy(logits, targets), [logits], None), 0, 2 * size)
    p = torch.nn.Parameter(numbers(torch.float32, params))
    p.grad = numbers(torch.float32, params)
    optimizer = torch.optim.AdamW([p], lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=device == "cuda")
    row("memory", "adamw", "F32", optimizer.step, 0, 7 * params * 4 / 1e9)


def attention():
    for dtype in (torch.bfloat16, torch.float32):
        for b, t, h, c in [(1, 32, 2, 16)] if tiny else [(8, 1024, 12, 64), (4, 4096, 16, 128)]:
            name = f"{b}x{t}x{h}x{c}"
            q, k, v = (numbers(dtype, b, h, t, c).requires_grad_() for _ in range(3))
            flops = 2 * b * h * t * t * c
            with torch.no_grad():
                row("attention", "forward " + name, names[dtype],
                    lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True), flops)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            row("attention", "backward " + name, names[dtype], grad(y, [q, k, v], torch.randn_like(y)), 2.5 * flops)


def train():
    from torch import nn

    layers, heads, width, context, vocabulary = (2, 2, 32, 64, 101) if tiny else (12, 12, 768, 1024, 50257)
    batch, length = (2, 8) if tiny else (8, 1024)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            b, t, w = x.shape
            q, k, v = (z.view(b, t, heads, w // heads).transpose(1, 2) for z in self.qkv(self.norm1(x)).split(w, 2))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, w))
            return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm = nn.LayerNorm(width)

        def forward(self, ids, targets):
            x = self.tokens(ids) + self.places.weight[: ids.shape[1]]
            for block in self.blocks:
                x = block(x)
            logits = F.linear(self.norm(x), self.tokens.weight)
            return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    ids = torch.randint(vocabulary, (batch, length + 1), device=device)
    x, y = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    for name, kind, compiled in [("eager", "F32", False), ("eager", "TF32", False), ("eager", "BF16", False),
                                 ("torch.compile", "BF16", True)]:
        if tiny and compiled:
            continue
        torch.backends.cuda.matmul.allow_tf32 = kind != "F32"
        plain = Gpt().to(device)
        model = torch.compile(plain) if compiled else plain
        optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1,
                                      fused=device == "cuda")

        def step():
            with torch.autocast(device, torch.bfloat16, enabled=kind == "BF16"):
                loss = model(x, y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        for _ in range(3):
            step()
        wait()
        before = time.perf_counter()
        steps = 1 if tiny else 10
        for _ in range(steps):
            step()
        wait()
        emit(part="train", impl="torch " + name, model="gpt2", batch=batch, time=length, dtype=kind,
             tok_s=steps * batch * length / (time.perf_counter() - before))
    torch.backends.cuda.matmul.allow_tf32 = False


class Decoder:
    """GPT-2 124M with random weights and a cache of fixed size, so that a step can be a CUDA graph."""

    def __init__(self, dtype):
        self.layers, self.heads, self.width, self.context, self.vocabulary = (
            (2, 2, 32, 64, 101) if tiny else (12, 12, 768, 1024, 50257))
        w, init = self.width, lambda *shape: (torch.randn(*shape, device=device) * 0.02).to(dtype)
        self.tokens, self.places = init(self.vocabulary, w), init(self.context, w)
        self.blocks = [[init(3 * w, w), init(w, w), init(4 * w, w), init(w, 4 * w)] for _ in range(self.layers)]
        self.keys = [init(1, self.heads, self.context, w // self.heads) for _ in self.blocks]
        self.values = [init(1, self.heads, self.context, w // self.heads) for _ in self.blocks]
        self.token = torch.zeros(1, dtype=torch.long, device=device)
        self.place = torch.zeros(1, dtype=torch.long, device=device)
        self.all_places = torch.arange(self.context, device=device)

    def step(self):
        w, h = self.width, self.heads
        x = self.tokens[self.token] + self.places[self.place]
        mask = (self.all_places <= self.place)[None, None, None, :]
        for (qkv, out, up, down), keys, values in zip(self.blocks, self.keys, self.values):
            q, k, v = (z.view(1, h, 1, w // h) for z in F.linear(F.layer_norm(x, (w,)), qkv).split(w, 1))
            keys.index_copy_(2, self.place, k)
            values.index_copy_(2, self.place, v)
            y = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
            x = x + F.linear(y.reshape(1, w), out)
            x = x + F.linear(F.gelu(F.linear(F.layer_norm(x, (w,)), up), approximate="tanh"), down)
        self.token.copy_(F.linear(F.layer_norm(x, (w,)), self.tokens).argmax(-1))
        self.place += 1


def decode():
    new = 4 if tiny else 128
    for dtype in (torch.float32, torch.bfloat16):
        with torch.inference_mode():
            d = Decoder(dtype)

            def measure(step, impl):
                for _ in range(3):
                    step()
                rates = []
                for _ in range(1 if tiny else 5):
                    d.place.zero_()
                    wait()
                    before = time.perf_counter()
                    for _ in range(new):
                        step()
                        d.token.item()  # the text is wanted token by token
                    rates.append(new / (time.perf_counter() - before))
                emit(part="decode", impl=impl, test=f"tg{new}", dtype=names[dtype], tok_s=statistics.median(rates))

            measure(d.step, "torch eager, static cache")
            if device == "cuda":
                side = torch.cuda.Stream()
                with torch.cuda.stream(side):
                    d.place.zero_()
                    d.step()
                wait()
                graph = torch.cuda.CUDAGraph()
                d.place.zero_()
                with torch.cuda.graph(graph):
                    d.step()
                measure(graph.replay, "torch CUDA graph, static cache")
    generate(new)


def generate(new):
    try:
        from transformers import GPT2Config, GPT2LMHeadModel
    except ImportError:
        emit(part="decode", skipped="transformers is not installed")
        return
    config = GPT2Config(n_layer=2, n_head=2, n_embd=32, vocab_size=101, n_positions=64) if tiny else GPT2Config()
    for dtype in (torch.float32, torch.bfloat16):
        model = GPT2LMHeadModel(config).to(device, dtype).eval()
        ids = torch.randint(config.vocab_size, (1, 4), device=device)

        def run(count):
            wait()
            before = time.perf_counter()
            model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, min_new_tokens=count,
                           do_sample=False, pad_token_id=0, eos_token_id=None)
            wait()
            return time.perf_counter() - before

        with torch.inference_mode():
            run(2)
            rate = new / (run(new + 1) - run(1))
        emit(part="decode", impl="transformers generate", test=f"tg{new}", dtype=names[dtype], tok_s=rate)


emit(part="peers", torch=torch.__version__, device=torch.cuda.get_device_name() if device == "cuda" else "cpu")
for part in options.parts.split(","):
    try:
        {"gemm": gemm, "memory": memory, "attention": attention, "train": train, "decode": decode}[part]()
    except Exception as e:  # one peer that fails does not end the others
        emit(part=part, impl="torch", error=f"{type(e).__name__}: {e}"[:300])
    if device == "cuda":
        torch.cuda.empty_cache()
