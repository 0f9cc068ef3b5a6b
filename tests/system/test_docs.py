"""The tutorial can be followed, and files, JSON and the package are as the pages describe them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from old_checkpoints import nanogpt_content
from pages import ROOT, blocks, commands, follow, names_in_column, names_in_row, page

FORMATS = "docs/formats.md"
TRAIN = ["--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--batch-size=2",
         "--max-iters=2", "--log-interval=1", "--sample-tokens=2", "--device=cpu"]  # fmt: skip


@pytest.mark.long
def test_the_tutorial_can_be_followed(capsys, monkeypatch):
    [script] = blocks("docs/tutorial.md", "python")
    subprocess.run([sys.executable, "-c", script], check=True)
    assert Path("cafe.txt").read_text().startswith(blocks("docs/tutorial.md", "text")[0])
    Path("book.txt").write_text("It was the best of times, it was the worst of times.\n" * 3000)
    typed = list(commands("docs/tutorial.md"))
    for command in typed:
        follow(command, monkeypatch, capsys)
    assert len(typed) >= 15


def test_every_key_is_documented(nanogpt):
    def printed(*words):
        code, out, err = nanogpt(*words)
        assert code == 0, err
        return json.loads(out)

    def documented(command, document, *more):
        keys = set(document).union(*(document[name][0] for name in more))
        assert keys <= names_in_row(FORMATS, f"`{command} --json`")

    Path("a.txt").write_text("To be, or not to be.\n" * 100)
    documented("prepare", printed("prepare", "a.txt", "--tokenizer", "char", "--json"))
    documented("train --dry-run", printed("train", *TRAIN, "--dry-run", "--json"))
    assert nanogpt("train", *TRAIN)[0] == 0
    documented("chat -p TEXT", printed("chat", "-p", "To", "--json"))
    documented("eval", printed("eval", "--json"), "models")
    documented("plot-log", printed("plot-log", "--json"), "runs")
    documented("export", printed("export", "--to", "safetensors", "--json"))
    for path in ("a", "data/a", "a-rope.safetensors", "out/a-rope/last.pt"):
        documented("info", printed("info", path, "--json"))
    torch.save(nanogpt_content(), "old.pt")
    documented("migrate-ckpt", printed("migrate-ckpt", "old.pt", "--json"))

    meta = json.loads(Path("data/a/meta.json").read_text())
    assert set(meta) == names_in_column(FORMATS, "key of `meta.json`")
    last = torch.load("out/a-rope/last.pt", weights_only=True)
    assert set(last) == names_in_column(FORMATS, "key")
    assert set(last["training"]) <= names_in_row(FORMATS, "`training`")
    for line in Path("out/a-rope/metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        assert set(event) - {"event"} <= names_in_row(FORMATS, f"`{event['event']}`"), line


def test_files_of_the_architecture_are_there():
    [tree] = re.findall(
        r"```text\nnanogpt_cli/\n(.*?)^data/", page("docs/architecture.md"), re.S | re.M
    )
    assert (names := set(re.findall(r"\b\w+\.py\b", tree)))
    assert names <= {path.name for path in (ROOT / "nanogpt_cli").rglob("*.py")}
    folders = set(re.findall(r"^ +(\w+)/", tree, re.M))
    assert folders <= {path.name for path in (ROOT / "nanogpt_cli").rglob("*") if path.is_dir()}


def test_the_settings_file_of_the_page_is_read(nanogpt):
    [settings] = blocks(FORMATS, "toml")
    Path("book.txt").write_text("To be, or not to be.\n" * 100)
    Path("settings.toml").write_text(settings)
    assert nanogpt("prepare", "book.txt", "--tokenizer", "char")[0] == 0
    code, out, err = nanogpt("train", "settings.toml", "--dry-run", "--json", "--block-size=16")
    assert code == 0, err
    assert json.loads(out)["seconds"] == 600
