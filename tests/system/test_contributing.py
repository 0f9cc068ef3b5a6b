"""The examples of CONTRIBUTING.md work as they are written, registered from outside."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import torch

from nanogpt_cli import registry

PAGE = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
SMALL = ["--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--batch-size=4",
         "--max-iters=2", "--sample-tokens=0", "--device=cpu"]  # fmt: skip


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Register the example with some heading in the registry that its line names."""
    registered = []

    def register(heading: str) -> None:
        section = PAGE.partition(f"### {heading}\n")[2].partition("\n### ")[0]
        [code] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        text = section.replace("\n", " ")
        name, attribute, kind = re.findall(r'`"(\w+)": "[\w.]+:(\w+)",` in `(\w+)`', text)[0]
        module = f"example_{name}"
        path = tmp_path / f"{module}.py"
        path.write_text(code)
        spec = importlib.util.spec_from_file_location(module, path)
        monkeypatch.setitem(sys.modules, module, importlib.util.module_from_spec(spec))
        spec.loader.exec_module(sys.modules[module])
        getattr(registry, kind).register(name, f"{module}:{attribute}")
        registered.append((getattr(registry, kind), name))

    yield register
    for kind, name in registered:
        kind.unregister(name)


def test_a_text_format(example, nanogpt):
    example("A text format")
    lines = "%\n".join(f"Saying\nnumber {i}.\n" for i in range(99))
    for name, flags in (("a.fortune", ()), ("a.txt", ("--format", "fortune")), ("a.txt", ())):
        Path(name).write_text(lines)
        code, out, err = nanogpt(
            "prepare", name, "--tokenizer", "byte", "--force", "--json", *flags
        )
        assert code == 0, err
        assert json.loads(out)["documents"] == 99


def test_a_tokenizer(example, nanogpt):
    example("A tokenizer")
    Path("plain.txt").write_text("To be, or not to be.\n" * 200)
    code, out, err = nanogpt("prepare", "plain.txt", "--tokenizer", "ascii", "--json")
    assert code == 0, err
    assert json.loads(out)["vocab_size"] == 128
    assert nanogpt("train", *SMALL, "--out-dir=out/t")[0] == 0
    assert nanogpt("chat", "t", "-p", "To be", "--max-tokens=3")[0] == 0


@pytest.mark.parametrize("arch", ["gpt2", "modern"])
def test_a_position_embedding(example, nanogpt, text_data, arch):
    example("A position embedding")
    flags = ("--pos-embd=alibi", f"--arch={arch}", "--out-dir=out/t")
    code, _, err = nanogpt("train", *SMALL, *flags)
    assert code == 0, err
    assert nanogpt("chat", "t", "-p", "To be", "--max-tokens=30")[0] == 0


def test_a_metric_and_a_checkpoint_format(example, nanogpt, text_data):
    example("A metric")
    example("A checkpoint format")
    assert nanogpt("train", *SMALL, "--out-dir=out/t")[0] == 0
    content = torch.load("out/t/ckpt.pt", weights_only=True)
    numbers = {name: tensor.tolist() for name, tensor in content["model"].items()}
    Path("m.json").write_text(json.dumps(content | {"model": numbers}))
    code, out, err = nanogpt("eval", "t", "m.json", "--data", "data/hamlet", "--json")
    assert code == 0, err
    first, second = json.loads(out)["models"]
    assert first["val_loss"] == pytest.approx(second["val_loss"])
    assert first["bits_per_token"] == pytest.approx(first["val_loss"] / 0.6931472)
    Path("bad.json").write_bytes(b"x" * 100)
    assert nanogpt("eval", "bad.json")[0] == 4


def test_a_command(example, nanogpt, text_data, capsys):
    from nanogpt_cli.checkpoint.load import load
    from nanogpt_cli.cli.terminal import Terminal
    from nanogpt_cli.config import SampleConfig
    from nanogpt_cli.inference.session import Session

    example("A /command")
    assert nanogpt("train", *SMALL, "--out-dir=out/t")[0] == 0
    terminal = Terminal(Session(load(Path("out/t/ckpt.pt"), "cpu", None), SampleConfig()))
    terminal.enter("/info")
    terminal.enter("/help")
    err = capsys.readouterr().err
    assert "M parameters, 0 turns" in err
    assert "/info" in err.partition("/help")[2]


def test_a_tracker(example, nanogpt, text_data):
    example("A tracker")
    code, _, err = nanogpt("train", *SMALL, "--out-dir=out/t", "--log-to=losses")
    assert code == 0, err
    lines = Path("out/t/losses.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1", "2"]
