"""Writes gpt2_variants.json: logits that transformers computes for GPT-2s with settings which no other reference covers.
The weights are a formula, so they are not stored: element i of the parameter that is number k in order of its name is
0.4 sin(1.7 k + 0.61 i), plus 1 for the weights of norms. Run it with torch and transformers: python3 make_goldens.py"""
import json
import pathlib

import torch
from transformers import GPT2Config, GPT2LMHeadModel

SIZES = {"vocab_size": 11, "n_positions": 8, "n_embd": 12, "n_layer": 3, "n_head": 3}
VARIANTS = [
    {"activation_function": "relu", "scale_attn_by_inverse_layer_idx": True, "tie_word_embeddings": False},
    {"activation_function": "silu", "scale_attn_weights": False, "layer_norm_epsilon": 0.01},
    {"activation_function": "gelu", "n_inner": 20},
    {"activation_function": "gelu_pytorch_tanh", "scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True},
]
IDS = [3, 1, 4, 1, 5, 9, 2]

cases = []
for variant in VARIANTS:
    model = GPT2LMHeadModel(GPT2Config(**SIZES, **variant)).double().eval()
    with torch.no_grad():
        for k, (name, p) in enumerate(sorted(model.named_parameters())):
            p.copy_(0.4 * torch.sin(1.7 * k + 0.61 * torch.arange(p.numel(), dtype=torch.float64)).reshape(p.shape))
            if "ln_" in name and name.endswith("weight"):
                p.add_(1)
        logits = model.float()(torch.tensor([IDS])).logits[0]
    cases.append({"config": {**SIZES, **variant}, "ids": IDS,
                  "logits": [[float(f"{x:.9g}") for x in row] for row in logits.tolist()]})
path = pathlib.Path(__file__).with_name("gpt2_variants.json")
path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
