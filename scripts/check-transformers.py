#!/usr/bin/env python3
"""Checks that Python's transformers loads a model folder written by Quern, and computes the same.

    python3 scripts/check-transformers.py MODEL_DIR

needs Python with torch and transformers. It loads the folder, fails on any missing or unexpected tensor, compares the
logits of every position with those of `quern logits`, and 20 greedy tokens with those of `quern generate`.
With `--adapter DIR`, the model has that LoRA adapter, loaded by peft.
`--logits FILE.npy` compares logits computed before instead, and skips the rest. Exit code 0 if all agree.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy
import torch
import transformers

LAUNCHER = pathlib.Path(__file__).resolve().parent.parent / "quern"
TOLERANCE = 1e-4


def quern(launcher, *arguments):
    return subprocess.run([str(launcher), *arguments], check=True, capture_output=True, text=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the folder")
    parser.add_argument("--adapter", help="a LoRA adapter on top of it, which peft loads")
    parser.add_argument("--quern", default=LAUNCHER, help="the launcher")
    parser.add_argument("--tokens", help="prompt, token ids joined by commas; by default some of the vocabulary")
    parser.add_argument("--logits", help="a .npy file [T, V] of logits for these tokens")
    options = parser.parse_args()

    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        options.model, dtype=torch.float32, output_loading_info=True)
    bad = {key: sorted(info[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if info.get(key)}
    if bad:
        sys.exit(f"transformers finds that the weights do not fit: {bad}")
    more = ["--adapter", options.adapter] if options.adapter else []
    if options.adapter:
        import peft

        with warnings.catch_warnings():
            warnings.simplefilter("error")  # peft only warns of missing keys
            model = peft.PeftModel.from_pretrained(model, options.adapter)
    model.eval()
    print(f"loaded as {type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters")

    vocabulary = model.config.vocab_size
    count = min(16, model.config.max_position_embeddings - 20)
    ids = [int(i) for i in options.tokens.split(",")] if options.tokens else \
        [(37 * i + 11) % vocabulary for i in range(count)]
    joined = ",".join(map(str, ids))
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        file = options.logits
        if not file:
            file = str(pathlib.Path(folder) / "logits.npy")
            quern(options.quern, "logits", "-m", options.model, *more, "--prompt-tokens", joined, "--out", file, "-q")
        got = numpy.load(file)
    if got.shape != expected.shape:
        sys.exit(f"logits are {got.shape}, transformers' are {expected.shape}")
    distance = float(numpy.abs(got - expected).max())
    print(f"largest difference of {got.size} logits: {distance:.2e} (at most {TOLERANCE:.0e} is allowed)")
    if not distance <= TOLERANCE:
        sys.exit("the logits differ")
    if options.logits:
        return

    with torch.no_grad():
        want = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                              max_new_tokens=20, do_sample=False, num_beams=1, pad_token_id=0)
    line = quern(options.quern, "generate", "-m", options.model, *more, "--prompt-tokens", joined, "-n", "20", "--greedy",
                 "--json", "-q")
    tokens = json.loads(line.strip().splitlines()[-1])["tokens"]
    if tokens != want[0, len(ids):].tolist():
        sys.exit(f"greedy decoding gives {tokens}, transformers gives {want[0, len(ids):].tolist()}")
    print(f"{len(tokens)} greedy tokens are the same")


if __name__ == "__main__":
    main()
