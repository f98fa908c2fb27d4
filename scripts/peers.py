#!/usr/bin/env python3
"""Measures other frameworks for scripts/benchmarks.py: one JSON object {"metric": value, ...} on stdout.

    peers.py versions
    peers.py checkpoint FOLDER          GPT-2 124M with random weights, in Hugging Face's layout
    peers.py kernels torch|onnxruntime  products of F32 matrices, GFLOP/s, and matrix-vector products, GB/s
    peers.py generate f32|bf16          Hugging Face's generate on GPT-2 124M: decoding, prefill, 4 beams, tokens/s
    peers.py first FOLDER               a new process, from its start to the first token, seconds
    peers.py train gpt2|small BATCH TIME
    peers.py images                     vision transformers: training a tiny one, classifying by ViT-B/16, images/s

with --threads N before the word. Needs torch and transformers, and onnxruntime and onnx for its products.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time

from shapes import PRODUCTS, WEIGHTS

COLD = 256 << 20  # bytes of weights that no cache holds

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("words", nargs="+")
options = parser.parse_args()
job, *words = options.words

import torch  # noqa: E402

torch.set_num_threads(options.threads)
torch.manual_seed(1)


def seconds(call, budget, warm=2):
    """Median seconds of a call."""
    for _ in range(warm):
        call()
    times = []
    start = time.perf_counter()
    while not times or time.perf_counter() - start < budget:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def torch_product(x, ws):
    return lambda i: torch.mm(x, ws[i])


def onnx_product(x, ws):
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    names = [f"y{i}" for i in range(len(ws))]  # all in one graph: sessions would spin against each other
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w" + y], [y]) for y in names], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info(y, TensorProto.FLOAT, [x.shape[0], w.shape[1]]) for y, w in zip(names, ws)],
        [numpy_helper.from_array(w.numpy(), "w" + y) for y, w in zip(names, ws)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings)
    feed = {"x": x.numpy()}
    return lambda i: i or session.run(None, feed)


def kernels(kind):
    make = {"torch": torch_product, "onnxruntime": onnx_product}[kind]
    result = {}
    with torch.inference_mode():
        for m, k, n in PRODUCTS + [(1, k, n) for k, n in WEIGHTS]:
            for dtype in [torch.float32, torch.bfloat16] if m == 1 and kind == "torch" else [torch.float32]:
                size = k * n * dtype.itemsize
                copies = -(-COLD // size) if m == 1 else 1
                ws = [torch.randn(k, n).to(dtype) for _ in range(copies)]
                product = make(torch.randn(m, k).to(dtype), ws)
                del ws
                if m == 1:
                    s = seconds(lambda: [product(i) for i in range(copies)], 0.2, 1) / copies
                    name = "BF16" if dtype == torch.bfloat16 else "F32"
                    result[f"gemv {k}x{n} {name}"] = size / s / 1e9
                else:
                    result[f"matmul {m}x{k}x{n}"] = 2e-9 * m * k * n / seconds(lambda: product(0), 0.3)
    return result


def gpt2(dtype):
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config()).to(dtype).eval()


def decode(model, ids, new, beams):
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new, num_beams=beams,
                         do_sample=False, pad_token_id=50256, use_cache=True)
    assert out.shape[1] == ids.shape[1] + new


def generate(kind):
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[kind]
    model = gpt2(dtype)
    ids = torch.randint(50257, (1, 32))
    long = torch.randint(50257, (1, 512))
    result = {}
    with torch.inference_mode():
        for name, beams, new in (("decode", 1, 128), ("beams", 4, 64)):
            first = seconds(lambda: decode(model, ids, 1, beams), 0.5, 1)
            result[name] = new / (seconds(lambda: decode(model, ids, new + 1, beams), 8, 0) - first)
        result["prefill"] = 512 / seconds(lambda: model(long, use_cache=True, logits_to_keep=1), 3)
    return result


def first(folder):
    command = [sys.executable, __file__, "--threads", str(options.threads), "child", folder]
    return {"first": seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), 5, 1)}


def child(folder):
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        decode(model, torch.randint(50257, (1, 32)), 1, 1)
    return {}


def train(size, batch, steps):
    from torch import nn
    from torch.nn import functional as F

    layers, heads, width, context, vocabulary = {"gpt2": (12, 12, 768, 1024, 50257), "small": (6, 6, 384, 256, 65)}[size]

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

    import resource

    model = Gpt()
    ids = torch.randint(vocabulary, (batch, steps + 1))
    x, y = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)

    def step():
        loss = model(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    s = seconds(step, 8, 1)
    return {f"train {size}": batch * steps / s,
            f"memory {size}": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def images():
    from torch.nn import functional as F
    from transformers import ViTConfig, ViTForImageClassification

    model = ViTForImageClassification(ViTConfig(
        hidden_size=64, num_hidden_layers=6, num_attention_heads=4, intermediate_size=256, image_size=28, patch_size=4,
        num_channels=1, num_labels=10)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    x, y = torch.randn(64, 1, 28, 28), torch.randint(10, (64,))

    def step():
        F.cross_entropy(model(pixel_values=x).logits, y).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    result = {"train tiny, batch 64": 64 / seconds(step, 5, 5)}
    model = ViTForImageClassification(ViTConfig(num_labels=1000)).eval()
    with torch.inference_mode():
        for batch in (8, 1):
            pictures = torch.randn(batch, 3, 224, 224)
            result[f"ViT-B/16, batch {batch}"] = batch / seconds(lambda: model(pixel_values=pictures).logits, 5)
    return result


def versions():
    found = {"torch": torch.__version__}
    for name in ("transformers", "onnxruntime"):
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            pass
    return found


def checkpoint(folder):
    gpt2(torch.float32).save_pretrained(folder)
    return {}


JOBS = {"versions": versions, "checkpoint": checkpoint, "kernels": kernels, "generate": generate, "first": first,
        "child": child, "images": images, "train": lambda size, batch, steps: train(size, int(batch), int(steps))}
if job not in JOBS:
    parser.error(f"no job {job}")
print(json.dumps(JOBS[job](*words)))
