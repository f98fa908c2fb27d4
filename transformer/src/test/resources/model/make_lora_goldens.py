"""Makes golden/lora.json, models/gpt2-tiny-lora and models/bert-tiny-lora with torch, transformers (5.17) and peft (0.21).
Run in this folder."""
import json
import os

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

torch.manual_seed(11)
torch.set_num_threads(1)


def tensor(t):
    return {"dtype": "f32", "shape": list(t.shape), "data": [float(f"{x:.9g}") for x in t.detach().flatten().tolist()]}


def randomise(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.requires_grad:
                p.normal_(0.0, 0.2)


def save(model, folder):
    model.save_pretrained(folder)
    os.remove(f"{folder}/README.md")
    path = f"{folder}/adapter_config.json"
    config = json.load(open(path))
    config["base_model_name_or_path"] = config["base_model_name_or_path"].split("/")[-1]
    json.dump(config, open(path, "w"), indent=2, sort_keys=True)


def case(id, about, inputs, model, out, grads):
    out.loss.backward()
    params = dict(model.named_parameters())
    return {"id": id, "params": {}, "about": about, "input": inputs,
            "expected": {"logits": tensor(out.logits), "loss": out.loss.item(),
                         "grads": {n: tensor(params[f"base_model.model.{n}"
                                                    .replace("lora_A", "lora_A.default")
                                                    .replace("lora_B", "lora_B.default")].grad) for n in grads}},
            "tolerance": {"abs": 2e-4, "rel": 2e-4}}


gpt = AutoModelForCausalLM.from_pretrained("../models/gpt2-tiny").eval()
gpt = get_peft_model(gpt, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=6, target_modules=["c_attn", "c_proj", "c_fc"],
                                     fan_in_fan_out=True, bias="all", rank_pattern={"mlp.c_proj": 2},
                                     alpha_pattern={"0.attn.c_attn": 9}, use_rslora=True)).eval()
randomise(gpt)
save(gpt, "../models/gpt2-tiny-lora")
ids = torch.tensor([[5, 77, 300, 12, 9, 450, 31, 2]])
cases = [case("gpt2", "all linear layers, all biases, patterns, rank-stabilised", {"input_ids": ids.tolist()}, gpt,
              gpt(input_ids=ids, labels=ids),
              ["transformer.h.0.attn.c_attn.lora_A.weight", "transformer.h.0.attn.c_attn.lora_B.weight",
               "transformer.h.1.mlp.c_proj.lora_A.weight", "transformer.h.1.mlp.c_proj.lora_B.weight"])]

bert = AutoModelForSequenceClassification.from_pretrained("../models/bert-tiny").eval()
bert = get_peft_model(bert, LoraConfig(task_type="SEQ_CLS", r=3, lora_alpha=5, target_modules=["query", "value"])).eval()
randomise(bert)
save(bert, "../models/bert-tiny-lora")
ids = torch.tensor([[2, 7, 4, 9, 4, 3], [2, 4, 21, 3, 0, 0]])
mask = (ids != 0).long()
labels = torch.tensor([2, 0])
cases.append(case("bert", "query and value, the classifier whole", {"input_ids": ids.tolist(), "labels": labels.tolist()},
                  bert, bert(input_ids=ids, attention_mask=mask, labels=labels),
                  ["bert.encoder.layer.0.attention.self.query.lora_A.weight",
                   "bert.encoder.layer.1.attention.self.value.lora_B.weight"]))
with open("../golden/lora.json", "w") as f:
    json.dump({"schema": "golden/1", "group": "lora", "kind": "lora", "cases": cases}, f, separators=(",", ":"))
    f.write("\n")
