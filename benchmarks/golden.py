"""Record what the program computes, to show that a restructuring changed none of it.

    python benchmarks/golden.py record before.json
    python benchmarks/golden.py compare before.json

Only the command line is used, so the script runs against any version: with PYTHONPATH set to
another checkout it records that one. It covers the weights, optimizer states and losses of short
runs (each position embedding, optimizer and block, with dropout and gradient accumulation), a
resumed run, decoded text, datasets, migrated checkpoints and JSON documents. Results depend on the
processor and on torch, so a record only holds on the machine that made it. Takes three minutes.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import torch

DEMO = Path(__file__).resolve().parents[1] / "data" / "demo_corpus.txt"
SHAPE = ["--n-layer", "2", "--n-head", "2", "--n-embd", "32", "--block-size", "32"]
STEPS = ["--batch-size", "4", "--gradient-accumulation-steps", "2", "--dropout", "0.1"]
EVALUATIONS = ["--eval-interval", "6", "--eval-iters", "2", "--sample-tokens", "8"]
REST = ["--ngram-rows", "512", "--log-interval", "1", "--save-every", "0", "--warmup-iters", "2"]
TINY = [*SHAPE, *STEPS, *EVALUATIONS, *REST]
VOLATILE = {"time", "seconds", "tokens_per_sec", "machine", "versions", "peak_memory_bytes"}


def main() -> None:
    """Record, or compare with a record and exit with 1 where something differs."""
    action, path = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        os.chdir(folder)
        found = record()
    if action == "record":
        path.write_text(json.dumps(found, indent=1, sort_keys=True))
        return
    before = json.loads(path.read_text())
    found = json.loads(json.dumps(found))
    differences = [name for name in before | found if before.get(name) != found.get(name)]
    for name in differences:
        print(f"{name}:\n  before {_short(before.get(name))}\n  now    {_short(found.get(name))}")
    print(f"{len(before) - len(differences)} of {len(before)} records are the same")
    sys.exit(bool(differences))


def record() -> dict[str, Any]:
    """Return what was computed, by name."""
    found: dict[str, Any] = {}
    _prepare(found)
    for pos_embd, optimizer, arch in product(
        ("default", "rope", "relative"), ("adamw", "muon"), ("gpt2", "modern")
    ):
        for dtype in ("float32", "bfloat16"):
            name = f"{pos_embd}-{optimizer}-{arch}-{dtype}"
            flags = ["--pos-embd", pos_embd, "--optimizer", optimizer, "--arch", arch]
            data = "text" if optimizer == "adamw" else "chat"
            _train(found, name, data, *flags, "--dtype", dtype, "--max-iters", "12")
    _resume(found)
    _train(
        found, "preset", "text", "--preset", "shakespeare-char-cpu", "--max-iters", "6", tiny=False
    )
    _train(found, "quick", "text", "--max-iters", "6", "--eval-iters", "1", tiny=False)
    for name, options in (
        ("default-adamw-gpt2-float32", []),
        ("rope-muon-modern-float32", []),
        ("relative-muon-gpt2-bfloat16", ["--temperature", "0", "--top-p", "0.9"]),
        ("relative-adamw-modern-float32", ["--repeat-penalty", "1.3"]),
    ):
        said = "The sun is out and I feel fine, but my dog is ill. " * 2
        reply = _json("chat", name, "-p", said, "--seed", "3", "--max-tokens", "80", *options)
        found[f"chat {name}"] = reply
        found[f"eval {name}"] = _json("eval", name)
    _migrate(found)
    found["plot-log"] = _json("plot-log", "rope-muon-modern-float32", "preset")
    plan = _json("train", "--data-dir", "text", "--dry-run", *TINY)
    found["plan"] = {
        k: plan[k]
        for k in ("parameters", "tokens_per_step", "tokens_per_weight", "vocab_size")
        if k in plan
    }
    return found


def _prepare(found: dict[str, Any]) -> None:
    """Prepare datasets of every format and tokenizer; the runs use two of them."""
    chat = DEMO.read_text()[:150_000]
    text = chat.replace("<human>", "").replace("<bot>", "").replace("<endOfText>", "")
    pairs = [line.removesuffix("<endOfText>").split(">", 1)[-1] for line in chat.splitlines()][:200]
    Path("chat.txt").write_text(chat)
    Path("text.txt").write_text(text)
    rows = zip(pairs[::2], pairs[1::2], strict=False)
    lines = [json.dumps({"prompt": a, "completion": b}) for a, b in rows if a and b]
    Path("pairs.jsonl").write_text("\n".join(lines))
    Path("pairs.csv").write_text(
        "question,answer\n"
        + "".join(f'"{a}","{b}"\n' for a, b in zip(pairs[::2], pairs[1::2], strict=False))
    )
    Path("folder").mkdir()
    for part in range(9):
        Path(f"folder/{part}.md").write_text(text[part * 5000 : part * 5000 + 4000])
    for name, source, tokenizer in (
        ("text", "text.txt", "char"),
        ("chat", "chat.txt", "bpe:512"),
        ("gpt2", "text.txt", "gpt2"),
        ("bytes", "folder", "byte"),
        ("jsonl", "pairs.jsonl", "bpe:300"),
        ("csv", "pairs.csv", "char"),
    ):
        found[f"prepare {name}"] = _json(
            "prepare", source, "--tokenizer", tokenizer, "--out", f"data/{name}"
        )
        found[f"data {name}"] = {
            file: _hash(Path("data", name, file).read_bytes())
            for file in ("train.bin", "val.bin", "meta.json")
        }


def _train(found: dict[str, Any], name: str, data: str, *flags: str, tiny: bool = True) -> None:
    """Train a short run and record its log and its checkpoints."""
    _run(
        "train",
        "--data-dir",
        data,
        "--device",
        "cpu",
        *(TINY if tiny else []),
        *flags,
        "--out-dir",
        f"out/{name}",
    )
    _record_run(found, name)


def _resume(found: dict[str, Any]) -> None:
    """Stop a run halfway, resume it, and record how it ends."""
    _train(
        found, "resumed", "chat", "--max-iters", "6", "--lr-decay-iters", "12", "--dtype", "float32"
    )
    _run("train", "--init-from", "resume", "--out-dir", "out/resumed", "--max-iters", "12")
    _record_run(found, "resumed")
    _run("train", "--init-from", "resumed", "--data-dir", "chat", "--out-dir", "out/tuned",
         "--device", "cpu",
         "--max-iters", "4", "--learning-rate", "0.002", "--batch-size", "2", "--dtype", "float32",
         "--optimizer", "muon", "--warmup-iters", "2", "--eval-iters", "4")  # fmt: skip
    _record_run(found, "tuned")


def _record_run(found: dict[str, Any], name: str) -> None:
    folder = Path("out", name)
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for kind in ("train", "eval", "sample", "checkpoint", "end"):
        found[f"run {name}: {kind}"] = [
            _stable(event) for event in events if event["event"] == kind
        ]
    for file in ("ckpt.pt", "last.pt"):
        content = torch.load(folder / file, weights_only=True)
        found[f"run {name}: {file} weights"] = _hash_tensors(content["model"])
        if file == "last.pt":
            found[f"run {name}: optimizer"] = _hash_tensors(content["training"]["optimizers"])


def _migrate(found: dict[str, Any]) -> None:
    """Write a checkpoint as nanoGPT does and migrate it."""
    content = torch.load("out/default-adamw-gpt2-float32/ckpt.pt", weights_only=True)
    names = ("block_size", "n_layer", "n_head", "n_embd", "bias", "vocab_size", "dropout")
    old = {
        "model": {f"_orig_mod.{name}": tensor for name, tensor in content["model"].items()},
        "model_args": {name: content["model_config"][name] for name in names},
        "iter_num": 12, "best_val_loss": torch.tensor(2.5), "config": {"dataset": "text"},
    }  # fmt: skip
    Path("old").mkdir()
    torch.save(old, "old/ckpt_original.pt")
    for pos_embd in ("relative", "keep"):
        document = _json("migrate-ckpt", "old/ckpt_original.pt", "--pos-embd", pos_embd,
                         "-o", f"old/{pos_embd}.pt", "--data-dir", "data/text")  # fmt: skip
        found[f"migrate {pos_embd}"] = document
        migrated = torch.load(f"old/{pos_embd}.pt", weights_only=True)
        found[f"migrated weights {pos_embd}"] = _hash_tensors(migrated["model"])


def _run(*arguments: str) -> str:
    command = [sys.executable, "-m", "nanogpt_cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _json(*arguments: str) -> Any:
    return _stable(json.loads(_run(*arguments, "--json")))


def _stable(value: Any) -> Any:
    """Leave out what differs from one call to the next."""
    if isinstance(value, dict):
        return {k: _stable(v) for k, v in value.items() if k not in VOLATILE}
    return [_stable(v) for v in value] if isinstance(value, list) else value


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _hash_tensors(value: Any) -> str:
    """Hash tensors within dicts and lists, in the order of their names."""
    digest = hashlib.sha256()

    def add(inner: Any, name: str) -> None:
        if isinstance(inner, dict):
            for key in sorted(inner, key=str):
                add(inner[key], f"{name}.{key}")
        elif isinstance(inner, list | tuple):
            for number, item in enumerate(inner):
                add(item, f"{name}.{number}")
        elif isinstance(inner, torch.Tensor):
            digest.update(f"{name} {inner.dtype} {tuple(inner.shape)}".encode())
            digest.update(inner.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes())

    add(value, "")
    return digest.hexdigest()[:16]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 300 else f"{text[:300]} ..."


if __name__ == "__main__":
    main()
