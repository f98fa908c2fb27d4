"""Makes golden/bert_mlm.json and models/bert-mlm-tiny with torch and transformers (5.17). Run in this folder."""
import json

import torch
from transformers import BertConfig, BertForMaskedLM

torch.manual_seed(5)
torch.set_num_threads(1)
config = BertConfig(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                    max_position_embeddings=12, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
model = BertForMaskedLM(config).eval()
with torch.no_grad():
    for name, p in model.named_parameters():
        p.normal_(1.0 if "LayerNorm.weight" in name else 0.0, 0.2)
model.save_pretrained("../models/bert-mlm-tiny")

ids = torch.tensor([[2, 7, 4, 9, 4, 3], [2, 4, 21, 3, 0, 0]])
mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
labels = torch.tensor([[-100, -100, 12, -100, 30, -100], [-100, 8, -100, -100, -100, -100]])
out = model(input_ids=ids, attention_mask=mask, labels=labels)
out.loss.backward()


def tensor(t):
    return {"dtype": "f32", "shape": list(t.shape), "data": [float(f"{x:.9g}") for x in t.detach().flatten().tolist()]}


case = {"id": "masked", "params": {}, "about": "logits, loss over the labels that are not -100, gradients",
        "input": {"input_ids": ids.tolist(), "attention_mask": mask.tolist(), "labels": labels.tolist()},
        "expected": {"logits": tensor(out.logits), "loss": out.loss.item(),
                     "grads": {n: tensor(p.grad) for n, p in model.named_parameters()}},
        "tolerance": {"abs": 1e-5, "rel": 1e-4}}
with open("../golden/bert_mlm.json", "w") as f:
    json.dump({"schema": "golden/1", "group": "bert_mlm", "kind": "bert", "model": "models/bert-mlm-tiny", "cases": [case]},
              f, separators=(",", ":"))
    f.write("\n")
