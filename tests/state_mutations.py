"""Saved states that were changed, each resumed in this process: what hostile ones could do.

``python state_mutations.py FIRST LAST`` runs the cases of these numbers in the current folder,
which has a run of two steps in out/adamw and out/muon. A case says its number before it begins, so
that a crash of the interpreter has a name.
"""

import contextlib
import copy
import io
import json
import math
import random
import shutil
import sys
from pathlib import Path

import torch

from nanogpt_cli import cli
from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.cli import ui

NUMBERS = (
    -1, 0, 1, 3, 2**31, 2**53, 2**62, 2**63, 2**70, -(2**63), 10**290, -0.5, -1e308, 1e-320, 1e200,
    math.nan, math.inf, -math.inf,
)  # fmt: skip


def deep(count):
    """Nest lists."""
    value = []
    for _ in range(count):
        value = [value]
    return value


def values(rng):
    """Draw a value of any kind that a file can hold."""
    return rng.choice(
        (
            *NUMBERS, None, True, "", "x", "a\0b", "x" * 5000, "\x1b[31m", "9" * 5000, [], {}, (),
            [[1, 2.0, 3.0]] * 40, {"a": [None]}, {0: {}}, deep(90), deep(600),
            torch.ones(()), torch.ones(3), torch.tensor(math.nan), torch.ones(2, 2).long(),
            torch.empty(0), torch.ones(1).expand(4, 4), torch.ones(1).expand(10**6),
        )
    )  # fmt: skip


TENSORS = {
    "one element": lambda t: torch.full((), 0.5).expand(t.shape),
    "one row": lambda t: t.reshape(-1)[0].expand(t.shape) if t.numel() else t,
    "a lesser type": torch.Tensor.half,
    "a larger type": torch.Tensor.double,
    "integers": torch.Tensor.long,
    "truths": torch.Tensor.bool,
    "a part": lambda t: t[:1] if t.dim() else t,
    "a dimension more": lambda t: t[..., None],
    "flat": lambda t: t.reshape(-1),
    "transposed": lambda t: t.t() if t.dim() == 2 else t,
    "nothing": lambda t: t.new_zeros(0),
    "nan": lambda t: torch.full_like(t, math.nan),
    "infinite": lambda t: torch.full_like(t, math.inf),
    "huge": lambda t: torch.full_like(t, 3e38),
    "negative": lambda t: -1 - t,
}
"""What changes a tensor: its type, its shape or its values."""

LAYOUTS = {
    "columns first": lambda t: t.t().contiguous().t() if t.dim() == 2 else t,
    "every second": lambda t: torch.stack([t, t], -1)[..., 0],
    "within another": lambda t: (
        torch.cat([t.reshape(-1)] * 3)[t.numel() : -t.numel()].view(t.shape) if t.numel() else t
    ),
    "odd strides": lambda t: t.contiguous()[None].as_strided(
        (1, *t.shape), (999, *t.contiguous().stride())
    )[0],
}
"""What leaves the values of a tensor as they are."""


def tensors_of(tree):
    """List the places of tensors in nested dictionaries and lists."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, value in list(items):
        if isinstance(value, torch.Tensor):
            found.append((tree, key))
        elif isinstance(value, dict | list):
            found += tensors_of(value)
    return found


def places_of(tree):
    """List every place in nested dictionaries and lists, but not those inside of a tensor."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, value in list(items):
        found.append((tree, key))
        if isinstance(value, dict | list):
            found += places_of(value)
    return found


def mutate(content, rng):
    """Change a state; return what was done, and whether the run must end as if it had not been."""
    kind = rng.choice(("layout", "tensor", "value", "value", "counter", "missing", "shared"))
    parts = [content["training"]] * 4 + [content["model"], content]
    tensors = tensors_of(rng.choice(parts)) or tensors_of(content)
    match kind:
        case "layout":
            name = rng.choice(sorted(LAYOUTS))
            for holder, key in tensors if rng.random() < 0.5 else [rng.choice(tensors)]:
                holder[key] = LAYOUTS[name](holder[key])
            return f"layout: {name}", True
        case "tensor":
            name = rng.choice(sorted(TENSORS))
            for holder, key in tensors if rng.random() < 0.3 else [rng.choice(tensors)]:
                holder[key] = TENSORS[name](holder[key])
            return f"tensor: {name}", False
        case "shared":
            (a, k), (b, m) = rng.choice(tensors), rng.choice(tensors)
            a[k] = b[m] if rng.random() < 0.5 else b[m].view(b[m].shape)
            return f"shared: {k} {m}", False
        case "counter":
            holder = rng.choice((content, content["training"]))
            key = rng.choice([k for k, v in holder.items() if isinstance(v, int | float)])
            holder[key] = rng.choice(NUMBERS)
            return f"counter: {key} {holder[key]!r}"[:200], False
    holder, key = rng.choice(places_of(rng.choice(parts)))
    if kind == "missing":
        del holder[key]
    else:
        holder[key] = values(rng)
    return f"{kind}: {key}"[:200], False


def resume(out):
    """Resume a run in this process; return the exit code and what was said."""
    ui.console.cache_clear()
    said = io.StringIO()
    line = ["train", "--init-from=resume", f"--out-dir={out}", "--max-iters=4", "--sample-tokens=0",
            "--eval-iters=1", "--compile=False", "--device=cpu"]  # fmt: skip
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = cli.run(line)
    return code, said.getvalue()


def place(content, source, out):
    """Write a state and its log into a new folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    torch.save(content, out / "last.pt")
    shutil.copy(source / "metrics.jsonl", out)


def same(a, b):
    """Whether two models are the same, bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def main(first, last):
    """Resume the cases of these numbers, and print how many ended in which way."""
    torch.set_num_threads(1)
    bases = {
        name: torch.load(f"out/{name}/last.pt", weights_only=True) for name in ("adamw", "muon")
    }
    out, whole, codes = Path(f"out/case-{first}"), {}, {}
    for name, content in bases.items():
        place(content, Path("out", name), out)
        code, said = resume(out)
        assert code == 0, said
        whole[name] = read(out / "last.pt")["model"]
    for number in range(first, last):
        print(f"case {number}", file=sys.__stderr__, flush=True)
        rng = random.Random(number)
        name = rng.choice(sorted(bases))
        content = copy.deepcopy(bases[name])
        changes = [mutate(content, rng) for _ in range(rng.choice((1, 1, 2)))]
        if number == 0:  # which a fused kernel would write past the memory of
            name, content, changes = "adamw", copy.deepcopy(bases["adamw"]), [("one", False)]
            for entries in content["training"]["optimizers"][0]["state"].values():
                entries["exp_avg"] = TENSORS["one element"](entries["exp_avg"])
        done, exact = zip(*changes, strict=True)
        with contextlib.suppress(RecursionError):
            place(content, Path("out", name), out)
        code, said = resume(out)
        told = (number, name, done, code, said[-1500:])
        assert code in (0, 2, 3, 4, 5, 6), told
        assert "Traceback" not in said, told
        assert len(said) < 20_000, told
        if code:
            starts = [line.split(" ")[0] for line in said.splitlines()]
            assert (starts.count("error:"), starts.count("hint:")) == (1, 1), told
        else:
            assert all(t.isfinite().all() for t in read(out / "last.pt")["model"].values()), told
        if all(exact):
            assert code == 0, told
            assert same(read(out / "last.pt")["model"], whole[name]), told
        codes[code] = codes.get(code, 0) + 1
    print(json.dumps(codes))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
