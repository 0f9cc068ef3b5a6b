"""What is written goes through no link, and no name disturbs the screen or a picture."""

import json
import os
from pathlib import Path

import pytest
import torch
from old_checkpoints import CHARACTERS, char_folder
from small_files import LOG, checkpoint, saved, well_behaved

from nanogpt_cli.errors import MachineError
from nanogpt_cli.logs.metrics import MetricsLog


def precious(*links):
    """Create links to a file that must not change; return a check of that."""
    Path("precious").mkdir(exist_ok=True)
    Path("precious/file").write_text("precious")
    for link in map(Path, links):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(Path("precious/file").resolve())
    before = Path("precious/file").stat()

    def untouched():
        after = Path("precious/file").stat()
        assert Path("precious/file").read_text() == "precious"
        assert (after.st_mtime_ns, after.st_nlink) == (before.st_mtime_ns, before.st_nlink)
        return True

    return untouched


def temporary(path):
    """Return the name of the temporary file for ``path`` in this process."""
    path = Path(path)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp-nanogpt")


TINY = ["--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--batch-size=4",
        "--eval-iters=1", "--sample-tokens=4", "--device=cpu", "--dtype=float32"]  # fmt: skip


def test_what_is_written_replaces_a_link_and_leaves_its_target_alone(tiny, nanogpt, text_data):
    checkpoint(tiny)
    Path("out/x").mkdir(parents=True)
    Path("out/x/metrics.jsonl").write_text(LOG)
    for target, line in (
        ("loss.svg", ["plot-log", "x", "-o", "loss.svg", "--force"]),
        ("new.jsonl", ["plot-log", "x", "--to-jsonl", "new.jsonl", "--force"]),
        ("new.pt", ["migrate-ckpt", "good.pt", "-o", "new.pt", "--force"]),
    ):
        untouched = precious(target, temporary(target))
        assert nanogpt(*line)[0] == 0
        assert untouched()
        assert not Path(target).is_symlink()
        assert not temporary(target).is_symlink()
    names = ["train.bin", "val.bin", "meta.json", "meta.pkl"]
    untouched = precious(*(Path("data/linked", name) for name in names))
    assert (
        nanogpt("prepare", "hamlet.txt", "--out", "data/linked", "--force", "--tokenizer=byte")[0]
        == 0
    )
    assert untouched()
    assert not any(path.is_symlink() for path in Path("data/linked").iterdir())


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["ckpt.pt", "last.pt"], 0),
        (
            [".ckpt.pt.{}.tmp-nanogpt", ".last.pt.{}.tmp-nanogpt", ".metrics.jsonl.{}.tmp-nanogpt"],
            0,
        ),
        (["metrics.jsonl"], 0),
        ([".lock"], 5),
    ],
)
def test_a_run_writes_through_no_link_in_its_folder(nanogpt, text_data, names, code):
    untouched = precious(*(Path("out/t", name.format(os.getpid())) for name in names))
    got = nanogpt("train", *TINY, "--max-iters=1", "--out-dir=out/t", "--force")
    assert untouched()
    assert got[0] == code, got
    well_behaved(got, (code,))


def test_a_log_is_not_appended_to_a_link():
    untouched = precious("metrics.jsonl")
    with pytest.raises(MachineError) as caught:
        MetricsLog(Path("metrics.jsonl"))
    assert "link" in caught.value.hint
    assert untouched()


NASTY = "a\x1b]0;t\x07\x1b[31m\n[/red]<script>&'\"\u202e\x9b"


def test_names_are_harmless_on_the_screen(tiny, nanogpt, text_data, monkeypatch):
    monkeypatch.setattr("nanogpt_cli.cli.train_view.show_forecast", lambda run: {})
    content = checkpoint(tiny)
    run = Path("out", NASTY.replace("/", ""))
    run.mkdir(parents=True)
    torch.save(content, run / "ckpt.pt")
    (run / "metrics.jsonl").write_text(LOG.replace("To be", json.dumps(NASTY)[1:-1]))
    char_folder(CHARACTERS)
    Path("broken.toml").write_text(f"n_layer = {json.dumps(NASTY)}")
    Path("bad.pt").write_bytes(saved({**content, "model": {NASTY: torch.ones(2)}}))
    Path("unknown.pt").write_bytes(saved({**content, "model_config": {NASTY: 1}}))
    words = {"kind": NASTY, "special_tokens": {}}
    Path("words.pt").write_bytes(saved({**content, "tokenizer": words}))
    words = {"kind": "byte", "special_tokens": {NASTY: 256}}
    Path("special.pt").write_bytes(saved({**content, "tokenizer": words}))
    Path(run, "text.jsonl").write_text(json.dumps({NASTY: NASTY}))
    for code, line in (
        (0, ["chat", run, "-p", NASTY, "--max-tokens=9"]),
        (0, ["eval", run, "--data", "data/old"]),
        (0, ["plot-log", run]),
        (0, ["plot-log", run, "-o", run / "loss.html"]),
        (0, ["migrate-ckpt", run / "ckpt.pt"]),
        (0, ["prepare", "hamlet.txt", "--out", run / "data", "--tokenizer", "char"]),
        (0, ["train", "--data-dir", run / "data", "--out-dir", run / "out", "--dry-run"]),
        (
            2,
            [
                "train",
                "--data-dir",
                "data/old",
                "--init-from",
                run / "x.pt",
                "--config",
                "broken.toml",
            ],
        ),
        (4, ["chat", "bad.pt", "-p", "x"]),
        (4, ["chat", "unknown.pt", "-p", "x"]),
        (4, ["chat", "words.pt", "-p", "x"]),
        (4, ["chat", "special.pt", "-p", "x"]),
        (4, ["chat", NASTY, "-p", "x"]),
        (3, ["prepare", run / "text.jsonl"]),
        (2, ["prepare", "hamlet.txt", "--tokenizer", NASTY]),
    ):
        assert well_behaved(nanogpt(*line), (code,)) == code


def test_a_name_is_no_markup_in_a_picture(nanogpt):
    from xml.etree import ElementTree

    run = Path("out", NASTY.replace("/", ""))
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text(LOG)
    assert nanogpt("plot-log", run, "-o", "loss.svg")[0] == 0
    assert nanogpt("plot-log", run, "-o", "loss.html")[0] == 0
    tags = {element.tag.split("}")[1] for element in ElementTree.parse("loss.svg").iter()}
    assert "script" not in tags
    page = Path("loss.html").read_text()
    assert "[red]<script" not in page + Path("loss.svg").read_text()
    assert page.count("<script") == 2  # the data and the program
    assert "&lt;script&gt;" in page
    assert "[red]\\u003cscript>" in page
