"""Makes golden/deit.json and models/deit-tiny with torch and transformers (5.17). Run in this folder."""
import json

import torch
from safetensors.torch import load_file
from transformers import DeiTConfig, DeiTForImageClassification, DeiTForImageClassificationWithTeacher

torch.manual_seed(3)
torch.set_num_threads(1)
config = DeiTConfig(image_size=12, patch_size=4, num_channels=3, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                    intermediate_size=32, num_labels=3, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def tensor(t):
    return {"dtype": "f32", "shape": list(t.shape), "data": [float(f"{x:.9g}") for x in t.detach().flatten().tolist()]}


pixels = torch.randn(2, 3, 12, 12)
larger = torch.randn(1, 3, 20, 16)
labels = torch.tensor([2, 0])
cases = []
for id, kind in (("teacher", DeiTForImageClassificationWithTeacher), ("plain", DeiTForImageClassification)):
    model = kind(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.normal_(1.0 if "layernorm" in name and name.endswith("weight") else 0.0, 0.2)
    model.save_pretrained(f"deit-tiny-{id}")
    stored = load_file(f"deit-tiny-{id}/model.safetensors")  # has other names than the model in memory
    names = {n: next(k for k, t in stored.items() if torch.equal(t, p)) for n, p in model.named_parameters()}
    out = model(pixels, output_hidden_states=True)
    loss = torch.nn.functional.cross_entropy(out.logits, labels)
    loss.backward()
    cases.append({"id": id, "params": {}, "about": "logits, states, loss of the logits, gradients",
                  "input": {"pixel_values": tensor(pixels), "larger": tensor(larger), "labels": labels.tolist()},
                  "expected": {"logits": tensor(out.logits), "state": tensor(out.hidden_states[1]), "loss": loss.item(),
                               "interpolated": tensor(model(larger, interpolate_pos_encoding=True).logits),
                               "grads": {names[n]: tensor(p.grad) for n, p in model.named_parameters() if p.grad is not None}},
                  "tolerance": {"abs": 2e-5, "rel": 1e-4}})
with open("../golden/deit.json", "w") as f:
    json.dump({"schema": "golden/1", "group": "deit", "kind": "vit", "cases": cases}, f, separators=(",", ":"))
    f.write("\n")
