"""Makes added_tokens.json, bpe_trainer.json and wordpiece.json here with Hugging Face tokenizers (0.23.2). Run in this folder."""
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


def wordpiece():
    """Normalizers, templates, pairs and truncation on bert-tiny's vocabulary; and what becomes of every character."""
    base = json.load(open("../models/bert-tiny/tokenizer.json", encoding="utf-8"))
    rng = random.Random(11)
    words = [w for w in base["model"]["vocab"] if w.isalpha()]
    processors = [base["post_processor"],
                  {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
                  {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2], "trim_offsets": True,
                   "add_prefix_space": False},
                  {"type": "Sequence", "processors": [base["post_processor"]]}, None]

    def sentence():
        parts = rng.choices(words, k=rng.choice([0, 1, 3, 8, 15]))
        return " ".join(p if rng.random() < 0.7 else p.title() if rng.random() < 0.5 else text(rng) for p in parts)

    variants = []
    for i in range(16):
        normalizer = {"type": "BertNormalizer", "clean_text": rng.random() < 0.7,
                      "handle_chinese_chars": rng.random() < 0.7,
                      "strip_accents": rng.choice([None, True, False]), "lowercase": rng.random() < 0.6}
        changes = {"normalizer": normalizer, "post_processor": processors[i % len(processors)],
                   "decoder": rng.choice([base["decoder"], {"type": "WordPiece", "prefix": "##", "cleanup": False}, None])}
        variant = json.loads(json.dumps(base)) | changes
        most = rng.choice([100, 100, 4])
        variant["model"]["max_input_chars_per_word"] = most
        tokenizer = Tokenizer.from_str(json.dumps(variant))
        cases = []
        for _ in range(10):
            first, second = sentence(), rng.choice([None, sentence()])
            length = rng.choice([None, 5, 8, 13])
            if length:
                tokenizer.enable_truncation(length)
            else:
                tokenizer.no_truncation()
            got = tokenizer.encode(first, second)
            cases.append({"text": first, "pair": second, "max_length": length, "ids": got.ids, "type_ids": got.type_ids,
                          "decoded": tokenizer.decode(got.ids, skip_special_tokens=False),
                          "decoded_without_special": tokenizer.decode(got.ids, skip_special_tokens=True)})
        variants.append({"changes": changes, "max_input_chars_per_word": most, "cases": cases})

    # Every character between two letters: removed, white space, split off (punctuation, ideographs), or part of the word.
    # Runs of equal fates: [first code point, fate].
    normal = Tokenizer.from_str(json.dumps(base | {"normalizer": base["normalizer"] | {"strip_accents": False,
                                                                                      "lowercase": False}}))
    runs = []
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        cleaned = normal.normalizer.normalize_str("a" + chr(c) + "b")
        pieces = normal.pre_tokenizer.pre_tokenize_str(cleaned)
        fate = "gone" if cleaned == "ab" else {2: "space", 3: "split", 1: "word"}[len(pieces)]
        if not runs or runs[-1][1] != fate:
            runs.append([c, fate])
    stripping = Tokenizer.from_str(json.dumps(base | {"normalizer": {
        "type": "BertNormalizer", "clean_text": False, "handle_chinese_chars": False, "strip_accents": True,
        "lowercase": False}}))
    marks = []
    for c in range(0x110000):
        if not 0xD800 <= c < 0xE000:
            gone = stripping.normalizer.normalize_str("a" + chr(c) + "b") == "ab"
            if not marks or marks[-1][1] != gone:
                marks.append([c, gone])
    return {"variants": variants, "characters": runs, "accents": marks}


for name, content in (("added_tokens", added_tokens()), ("bpe_trainer", bpe_trainer()), ("wordpiece", wordpiece())):
    with open(name + ".json", "w") as out:
        json.dump(content, out, separators=(",", ":"))
        out.write("\n")
