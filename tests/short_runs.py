"""Short runs on the tiny text, and listeners that disturb them."""

import json
import os
import signal
from pathlib import Path

import torch

from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.training.plan import Request, make_run
from nanogpt_cli.training.reporter import Reporter

SHAPE = {"block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16, "batch_size": 4}


SETTINGS = {**SHAPE, "max_iters": 12, "eval_interval": 4, "eval_iters": 2, "log_interval": 1,
            "sample_tokens": 4, "device": "cpu", "warmup_iters": 2}  # fmt: skip


def start(out="out/a", *, resume=False, preset="quick", **settings):
    request = Request(
        settings=settings if resume else {**SETTINGS, **settings},
        data="data/hamlet",
        out_dir=Path(out),
        init_from="resume" if resume else "scratch",
        preset=preset,
    )
    return make_run(request)


def weights(out, name="last.pt"):
    return read(Path(out) / name)["model"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def events(out, *kinds):
    lines = map(json.loads, (Path(out) / "metrics.jsonl").read_text().splitlines())
    return [e for e in lines if not kinds or e["event"] in kinds]


def timeless(out):
    """Give the log without what differs from run to run: times, and a line for each start."""
    rest = ("time", "tokens_per_sec")
    return [
        {k: v for k, v in e.items() if k not in rest} for e in events(out) if e["event"] != "run"
    ]


class Listener(Reporter):
    """Keeps the notes."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


class StopAt(Reporter):
    """Sends this process a signal when a step is done."""

    def __init__(self, step, number=signal.SIGINT):
        self.at, self.number = step, number

    def step(self, report):
        if report.step == self.at:
            os.kill(os.getpid(), self.number)


class Spoil(Reporter):
    """Changes the loss or a gradient of some steps, by hooks on the model that is trained."""

    def __init__(self, loss=None, grads=None):
        self.loss, self.grads = loss or {}, grads or {}
        self.at, self.notes = 1, []

    def start(self, run, model, device):
        self.at = run.start.step + 1 if run.resume else 1
        model.register_forward_hook(self._forward)
        weight = dict(model.named_parameters())["transformer.h.0.attn.c_attn.weight"]
        weight.register_hook(lambda grad: grad * self.grads.get(self.at, 1.0))

    def _forward(self, module, inputs, output):
        change = self.loss.get(self.at)
        return output + inputs[0].numel() * change if module.training and change else output

    def step(self, report):
        self.at = report.step + 1

    def note(self, text):
        self.notes.append(text)


CPU = torch.device("cpu")


NAN, INF = float("nan"), float("inf")
