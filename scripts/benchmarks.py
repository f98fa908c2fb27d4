#!/usr/bin/env python3
"""Measures Quern beside other frameworks on this machine and writes the tables of docs/benchmarks.md.

    python3 scripts/benchmarks.py [--python PYTHON] [--quick] [--jobs REGEX] [--llama-bench FILE --gguf FOLDER]

PYTHON is one with torch and transformers, and onnxruntime and onnx for its rows (default: this one). What is missing is
said and left out. Rounds alternate between the contestants; figures are medians over the rounds, and the ratio is the
median of the ratios within each round. The other text of docs/benchmarks.md is kept. Takes about half an hour, with
--quick (one round) about eight minutes. A * marks figures of rounds in which other processes took more than a tenth of the
machine's processors.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from shapes import PRODUCTS, WEIGHTS

ROOT = pathlib.Path(__file__).resolve().parent.parent
QUERN = ROOT / "quern"
PEERS = ROOT / "scripts" / "peers.py"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SHIM = b"int mkl_serv_intel_cpu_true(void) { return 1; }\n"

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--python", default=sys.executable)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--quick", action="store_true", help="one round")
parser.add_argument("--jobs", default=".", help="only jobs that match: kernels, generate, first, train, images")
parser.add_argument("--out", default=DOCUMENT, type=pathlib.Path)
parser.add_argument("--llama-bench", help="llama.cpp's program")
parser.add_argument("--gguf", help="folder of gpt2-F32.gguf, gpt2-Q8_0.gguf and so on, for llama-bench")
options = parser.parse_args()
rounds = 1 if options.quick else options.rounds
threads = os.cpu_count()
tick = os.sysconf("SC_CLK_TCK")


def note(text):
    print(text, file=sys.stderr, flush=True)


def busy():
    """Seconds that all processors of the machine have worked, stolen time included."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / tick


def run(command, extra=None):
    """The JSON lines that a command prints, its wall seconds, and whether others disturbed it; None if it fails."""
    before, start, own = busy(), time.perf_counter(), os.times()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env={**os.environ, **(extra or {})})
    seconds, now = time.perf_counter() - start, os.times()
    children = now.children_user + now.children_system - own.children_user - own.children_system
    others = (busy() - before - children) / seconds / threads
    if done.returncode:
        note(f"failed: {' '.join(str(c) for c in command)}: {(done.stderr.strip().splitlines() or ['?'])[-1][:300]}")
        return None
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], seconds, others > 0.1


class Peer:
    """A Python with some environment."""

    def __init__(self, name, extra=None):
        self.name, self.extra = name, extra

    def __call__(self, *words, count=threads):
        answer = run([options.python, PEERS, "--threads", count, *words], self.extra)
        return answer and (answer[0][-1], answer[2])


def quern(*words, measure):
    answer = run([QUERN, *words])
    return answer and (measure(answer[0], answer[1]), answer[2])


def kernel_rates(lines, _):
    rates = {}
    for line in lines:
        if "roofs" in line:
            rates.update({"peak": line["peak_gflops"], "read": line["read_gb_s"]})
        elif line["op"] == "matmul":
            if line["shape"].endswith("NN"):
                rates["matmul " + line["shape"][:-3]] = line["gflops"]
        else:
            rates[f"gemv {line['shape'][2:-3]} {line['dtype']}"] = line["gb_s"]
    return rates


def generation_rates(kind):
    def rates(lines, _):
        found = {}
        for line in lines:
            if line["test"].startswith("pp"):
                found[f"prefill {kind}"] = line["tok_s_median"]
            elif " b" in line["test"]:
                found[f"beams {kind}"] = line["tok_s_median"]
            else:
                found[f"decode {kind}"] = line["tok_s_median"]
                found[f"heap {kind}"] = line["heap_bytes_per_token"]
        return found
    return rates


def training_rates(size):
    return lambda lines, _: {f"train {size}": lines[-1]["tok_s_median"], f"memory {size}": lines[-1]["rss_peak_mib"],
                             f"heap train {size}": lines[-1]["heap_bytes_per_step"]}


def image_rates(name):
    return lambda lines, _: {name: lines[-1]["img_s_median"]}


def renamed(result, **names):
    return result and ({names.get(k, k): v for k, v in result[0].items()}, result[1])


def llama(kind):
    """Medians of llama-bench for one file."""
    found = {}
    disturbed = False
    for words, name in ((["-p", "512", "-n", "0"], "prefill"), (["-p", "0", "-n", "128"], "decode")):
        done = subprocess.run([options.llama_bench, "-m", f"{options.gguf}/gpt2-{kind}.gguf", *words, "-t", str(threads),
                               "-r", "5", "-o", "json"], capture_output=True, text=True)
        if done.returncode:
            return None
        found[f"{name} {kind}"] = statistics.median(json.loads(done.stdout)[0]["samples_ts"])
    return found, disturbed


def contestants(folder):
    """Jobs: a title, and for each contestant a function that measures once."""
    versions = run([options.python, PEERS, "versions"])
    versions = versions[0][-1] if versions else {}
    if not versions:
        note(f"{options.python} has no torch: only Quern is measured; name another by --python")
    peers = [Peer("PyTorch")] if versions else []
    if versions and "AuthenticAMD" in open("/proc/cpuinfo").read():
        shim = pathlib.Path(folder) / "shim.so"
        made = subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", shim, "-"], input=SHIM)
        if made.returncode == 0:
            peers.append(Peer("PyTorch, 512-bit MKL", {"LD_PRELOAD": str(shim)}))
    elif versions:
        peers.append(Peer("PyTorch, 256-bit MKL", {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}))
    checkpoint = pathlib.Path(folder) / "gpt2"
    if "transformers" in versions and re.search(options.jobs, "generate first"):
        run([options.python, PEERS, "checkpoint", checkpoint])
    model = checkpoint if checkpoint.exists() else "gpt2"
    onnx = "onnxruntime" in versions
    jobs = []
    shapes = ",".join([f"{m}x{k}x{n}" for m, k, n in PRODUCTS] + [f"1x{k}x{n}" for k, n in WEIGHTS])
    for count in sorted({1, threads}):
        job = {"Quern": lambda count=count: quern("bench", "kernels", "--shape", shapes, "--quick", "--json", "--threads", count,
                                                  measure=kernel_rates)}
        for peer in peers:
            job[peer.name] = lambda peer=peer, count=count: peer("kernels", "torch", count=count)
        if onnx:
            job["ONNX Runtime"] = lambda count=count: peers[0]("kernels", "onnxruntime", count=count)
        jobs.append((f"kernels {count}", job))
    kinds = [("F32", "f32"), ("BF16", "bf16"), ("Q8_0", "q8_0"), ("Q4_0", "q4_0")]
    prefill = ["bench", "generate", "-m", model, "-p", 512, "-n", 0, "-r", 3, "--json"]
    decode = ["bench", "generate", "-m", model, "-p", 0, "-d", 32, "-r", 3, "--json"]
    job = {"Quern": lambda: merged([
        *(quern(*words, "--dtype", dtype, measure=generation_rates(kind))
          for kind, dtype in kinds for words in (prefill, decode + ["-n", 128])),
        quern(*decode, "-n", 64, "--beams", 4, measure=generation_rates("F32"))])}
    if "transformers" in versions:
        for peer in peers:
            job[peer.name.replace("PyTorch", "Hugging Face")] = lambda peer=peer: merged(
                renamed(peer("generate", kind.lower()), decode=f"decode {kind}", prefill=f"prefill {kind}",
                        beams=f"beams {kind}") for kind in ("F32", "BF16"))
    if options.llama_bench:
        job["llama.cpp"] = lambda: merged(llama(kind) for kind, _ in kinds)
    jobs.append(("generate", job))
    job = {"Quern": lambda: quern("generate", "-m", model, "--prompt-tokens", ",".join(map(str, range(100, 132))), "-n", 1,
                                  "--greedy", "--json", measure=lambda _, seconds: {"first token": seconds})}
    if "transformers" in versions:
        job["Hugging Face"] = lambda: renamed(peers[0]("first", checkpoint), first="first token")
    jobs.append(("first", job))
    for size, batch, steps in (("gpt2", 4, 128), ("small", 64, 256), ("small", 12, 256)):
        job = {"Quern": lambda size=size, batch=batch, steps=steps: quern(
            "bench", "train", "-m", size, "--batch", batch, "--time", steps, "-r", 5, "--json", measure=training_rates(size))}
        for peer in peers:
            job[peer.name] = lambda peer=peer, size=size, batch=batch, steps=steps: peer("train", size, batch, steps)
        jobs.append((f"train {size} {batch} x {steps}", job))
    job = {"Quern": lambda: merged(quern("bench", "images", *words, "--json", measure=image_rates(name)) for name, words in (
        ("train tiny, batch 64", ["--train", "--batch", 64, "-r", 40]), ("ViT-B/16, batch 8", ["-m", "base", "--batch", 8]),
        ("ViT-B/16, batch 1", ["-m", "base", "--batch", 1])))}
    if "transformers" in versions:
        for peer in peers:
            job[peer.name] = lambda peer=peer: peer("images")
    jobs.append(("images", job))
    return [(name, job) for name, job in jobs if re.search(options.jobs, name)], versions


def merged(results):
    """One result of several; those that failed are left out."""
    results = [r for r in results if r]
    found = {}
    for values, _ in results:
        found.update(values)
    return (found, any(d for _, d in results)) if results else None


def unit(metric):
    if metric.startswith("matmul"):
        return "GFLOP/s"
    if metric.startswith("gemv"):
        return "GB/s"
    if metric.startswith("memory"):
        return "MiB"
    if metric.startswith("heap"):
        return "bytes"
    if "batch" in metric:
        return "images/s"
    return {"peak": "GFLOP/s", "read": "GB/s", "first token": "s"}.get(metric, "tokens/s")


def table(job, names, figures):
    """figures: contestant -> metric -> list of (value, disturbed), one for each round."""
    metrics = list(dict.fromkeys(m for name in names for m in figures[name]))
    used = [n for n in names if figures[n]]
    lines = ["| | unit | " + " | ".join(used) + " | " + " | ".join(f"Quern / {n}" for n in used[1:]) + " |",
             "|---|---|" + "---:|" * (2 * len(used) - 1)]
    for metric in metrics:
        cells = []
        for name in used:
            values = figures[name].get(metric, [])
            cells.append("" if not values else f"{statistics.median(v for v, _ in values):.4g}"
                         + ("*" if any(d for _, d in values) else ""))
        ratios = []
        for name in used[1:]:
            pairs = list(zip(figures["Quern"].get(metric, []), figures[name].get(metric, [])))
            ratios.append(f"{statistics.median(a[0] / b[0] for a, b in pairs):.2f}" if pairs else "")
        lines.append("| " + " | ".join([metric, unit(metric)] + cells + ratios) + " |")
    return "\n".join(lines)


def machine():
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    memory = int(re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read())[1]) // (1 << 20)
    return f"{threads} cores of {model[1] if model else 'an unknown processor'}, {memory} GiB, {os.uname().sysname} {os.uname().release}"


def heading(versions):
    """The machine, what was measured, and how to read the tables."""
    facts = json.loads(subprocess.run([QUERN, "doctor", "--json"], check=True, capture_output=True, text=True).stdout)
    return (f"## {datetime.date.today()}: {machine()}\n\n"
            f"JDK {facts['java']['version']}; kernels: {facts['devices']['cpu']}; "
            + ("peers: " + ", ".join(f"{k} {v}" for k, v in versions.items()) if versions else "no peers were found")
            + f". {rounds} round{'s' * (rounds > 1)}, by `python3 scripts/benchmarks.py{'' if rounds == 3 else f' --rounds {rounds}'}`."
            + " Ratios above 1 mean that Quern's figure is the larger one. A * marks figures while other processes took over"
            + " a tenth of the machine.")


def write(head, sections):
    """Puts the tables measured so far between the marks."""
    text = options.out.read_text() if options.out.exists() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    if BEGIN not in text:
        text += f"\n{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN)
    temporary = options.out.with_suffix(".tmp")
    temporary.write_text(before + BEGIN + "\n" + "\n\n".join([head] + sections) + "\n" + END + rest.split(END)[1])
    temporary.replace(options.out)


def main():
    subprocess.run([QUERN, "--version"], check=True, stdout=subprocess.DEVNULL)  # builds what is missing
    with tempfile.TemporaryDirectory() as folder:
        jobs, versions = contestants(folder)
        head = heading(versions)
        sections = []
        for name, job in jobs:
            figures = {n: {} for n in job}
            for i in range(rounds):
                for contestant, measure in job.items():
                    note(f"{name}, round {i + 1} of {rounds}: {contestant}")
                    result = measure()
                    if result:
                        for metric, value in result[0].items():
                            figures[contestant].setdefault(metric, []).append((value, result[1]))
            sections.append(f"### {title(name)}\n\n{table(name, list(job), figures)}")
            write(head, sections)
    note(f"wrote {options.out}")


TITLES = {"kernels": "Matrix products and matrix-vector products, threads:", "generate": "GPT-2 124M: generation",
          "first": "GPT-2 124M: from the start of the process to the first token", "train": "Training,",
          "images": "Vision transformers"}


def title(job):
    """The heading of a job's table: what the job is and, of several of its kind, which."""
    kind, _, which = job.partition(" ")
    return f"{TITLES[kind]} {which}".strip()


main()
