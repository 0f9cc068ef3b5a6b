"""What several test files share: tiny models and datasets, made here and never downloaded."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from nanogpt_cli import cli
from nanogpt_cli.cli import ui
from nanogpt_cli.config import ModelConfig
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.training import forecast

# tiny matrices: more threads only wait for each other, here and in the processes that tests start
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

TEXT = (
    "To be, or not to be, that is the question.\nWhether 'tis nobler in the mind to suffer\n" * 40
)


@pytest.fixture(autouse=True)
def _work_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(forecast, "PATIENCE", 0.1)  # seconds of each --dry-run
    for name in ("COLUMNS", "LINES"):  # a terminal has its own size
        monkeypatch.delenv(name, raising=False)
    torch.manual_seed(0)


@pytest.fixture
def tiny() -> Callable[..., GPT]:
    """Make a model with random weights that are large enough to matter."""

    def make(**settings: object) -> GPT:
        shape = {"vocab_size": 37, "block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16,
                 "arch": "gpt2", "pos_embd": "default"}  # fmt: skip
        model = make_model(ModelConfig(**{**shape, **settings}))  # type: ignore[arg-type]
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p) * 0.1)
        return model.eval()

    return make


@pytest.fixture
def text_data(tmp_path: Path) -> Path:
    """Prepare a small text with the char tokenizer; give the dataset's folder."""
    (tmp_path / "hamlet.txt").write_text(TEXT)
    prepare(PrepareOptions(("hamlet.txt",), Path("data/hamlet"), tokenizer="char"))
    return Path("data/hamlet")


@pytest.fixture
def nanogpt_data(tmp_path: Path) -> Path:
    """Write a data folder as nanoGPT's own scripts leave it: two .bin files and nothing else."""
    folder = tmp_path / "data" / "plain"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", 5000), ("val", 500)):
        rng.integers(0, 50257, count).astype(np.uint16).tofile(folder / f"{split}.bin")
    return folder


@pytest.fixture
def nanogpt(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Run a command line in this process; give exit code, stdout and stderr."""

    def run(*args: object) -> tuple[int, str, str]:
        ui.console.cache_clear()
        code = cli.run([str(a) for a in args])
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    ui.console.cache_clear()
