"""Makes added_tokens.json and bpe_trainer.json here with Hugging Face tokenizers (0.23.2). Run in this folder."""
import json
import random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

SPECIALS = ["<mask>", "<m>", "<mask>s", "tok en", " sp", "the", "xyz", "<|a|>", "\u4e2d", "\n\n", "\u017ft", "_w_", "\u200d"]


def added(rng, id_, content, normalizer):
    special = rng.random() < 0.5
    return {"id": id_, "content": content, "single_word": rng.random() < 0.3, "lstrip": rng.random() < 0.3,
            "rstrip": rng.random() < 0.3, "normalized": not (special and normalizer) and rng.random() < 0.4,
            "special": special}


def text(rng):
    def piece():
        kind = rng.random()
        if kind < 0.25:
            return rng.choice(" \n\t  \r\u00a0\u3000\u2028\x85\x1c\x0b")
        if kind < 0.5:
            return rng.choice("abcXYZtheings'")
        if kind < 0.6:
            return rng.choice("0123\u0663\u00bd\u00b2\u2163")
        if kind < 0.7:
            return rng.choice("<|>_-.,!?()\u00e9\u4e2d\u00df\u0130\u017f\ufb01\u00b5")
        if kind < 0.75:
            return rng.choice(["'s", "'re", "'ll", "'ve", "'m", "'d", "'t", "'S"])
        if kind < 0.9:
            return rng.choice(SPECIALS)
        return rng.choice("\U0001f600\U0001f389\U0001f468\u200d\ufe0f\u0301\u0338\u030a\U00010400")
    return "".join(piece() for _ in range(rng.choice([0, 2, 10, 30])))


def added_tokens():
    base = json.load(open("gpt2-tiny/tokenizer.json", encoding="utf-8"))
    template = {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "B", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                           {"SpecialToken": {"id": "E", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"B": {"id": "B", "ids": [3, 4], "tokens": ["x", "y"]},
                                   "E": {"id": "E", "ids": [0], "tokens": ["z"]}}}
    roberta = {"type": "RobertaProcessing", "sep": ["x", 5], "cls": ["y", 6], "trim_offsets": True,
               "add_prefix_space": False}
    rng = random.Random(7)
    variants = []
    for i in range(24):
        normalizer = rng.choice([None, None, "NFC", "NFD", "NFKC", "NFKD"])
        tokens = [added(rng, 0, "<|endoftext|>", normalizer)]
        for content in rng.sample(SPECIALS, rng.randint(1, 8)):
            tokens.append(added(rng, 511 + len(tokens), content, normalizer))
        changes = {"added_tokens": tokens, "normalizer": normalizer and {"type": normalizer},
                   "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": rng.random() < 0.4,
                                     "trim_offsets": True, "use_regex": rng.random() < 0.8},
                   "post_processor": rng.choice([None, base["post_processor"], template, roberta,
                                                 {"type": "Sequence", "processors": [base["post_processor"], template]}])}
        ignore_merges = rng.random() < 0.2
        variant = json.loads(json.dumps(base)) | changes
        variant["model"]["ignore_merges"] = ignore_merges
        tokenizer = Tokenizer.from_str(json.dumps(variant))
        cases = []
        for _ in range(8):
            t = text(rng)
            ids = tokenizer.encode(t).ids
            cases.append({"text": t, "ids": ids, "ids_without_special": tokenizer.encode(t, add_special_tokens=False).ids,
                          "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                          "decoded_without_special": tokenizer.decode(ids, skip_special_tokens=True)})
        variants.append({"changes": changes, "ignore_merges": ignore_merges, "cases": cases})
    return variants


def bpe_trainer():
    corpus = [c["input"]["text"] for c in json.load(open("tokenizer_gpt2.json"))["cases"]]
    runs = []
    for size, frequency, prefix in [(300, 2, False), (500, 2, True), (700, 1, False)]:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        tokenizer.train_from_iterator([t.replace("<|endoftext|>", "") for t in corpus], trainers.BpeTrainer(
            vocab_size=size, min_frequency=frequency, special_tokens=["<|endoftext|>"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        trained = json.loads(tokenizer.to_str())
        runs.append({"vocab_size": size, "min_frequency": frequency, "add_prefix_space": prefix,
                     "merges": trained["model"]["merges"]})
    return runs


for name, content in (("added_tokens", added_tokens()), ("bpe_trainer", bpe_trainer())):
    with open(name + ".json", "w") as out:
        json.dump(content, out, separators=(",", ":"))
        out.write("\n")
