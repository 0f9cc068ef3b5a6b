"""``nanogpt info`` recognises everything that the program reads and writes."""

import json
from pathlib import Path

import pytest
import torch
from exported import checkpoint
from old_checkpoints import CHARACTERS, char_folder, nanogpt_content

from nanogpt_cli.checkpoint.export import export

LOG = (
    '{"event": "run", "step": 0}\n{"event": "train", "step": 10, "time": 1.5, "loss": 3.25}\n'
    '{"event": "eval", "step": 20, "time": 3.0, "train_loss": 3.0, "val_loss": 3.1}\n'
    '{"event": "end", "step": 20, "time": 3.0, "reason": "done"}\n'
)


def test_models_of_every_format(tiny, nanogpt):
    made, model = checkpoint(tiny)
    kinds = {"a.pt": "checkpoint"}
    for to, kind in (
        ("hf", "Hugging Face folder"),
        ("safetensors", "safetensors"),
        ("gguf", "GGUF"),
        ("html", "page of nanogpt export"),
    ):
        kinds[str(export(Path("a.pt"), to).output)] = kind
    for path, kind in kinds.items():
        code, out, err = nanogpt("info", path, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert (found["kind"], found["whole"], found["problem"]) == (kind, True, None)
        if kind not in ("GGUF", "page of nanogpt export"):
            assert found["parameters"] == model.parameter_count()
            assert (found["step"], found["val_loss"]) == (3, 1.5)
            assert found["data"]["folder"] == "data/old"
            assert found["tokenizer"] == "byte"
        if kind != "GGUF":
            assert found["model"]["n_embd"] == made.config.n_embd
    code, out, err = nanogpt("info", "a.pt")
    assert code == 0, err
    assert "parameters" in out
    assert "trained on" in out
    assert out.splitlines()[-1].split() == ["whole", "yes"]


def test_runs_datasets_and_logs(tiny, nanogpt, text_data):
    Path("out/x").mkdir(parents=True)
    checkpoint(tiny, Path("out/x/ckpt.pt"))
    Path("out/x/metrics.jsonl").write_text(LOG)
    Path("console.txt").write_text(
        "step 0: train loss 4.28, val loss 4.28\niter 0: loss 4.2, time 1ms\n"
    )
    char_folder(CHARACTERS)
    torch.save(nanogpt_content(), "old.pt")
    for name, kind, fact in (
        ("x", "run", {"files": ["ckpt.pt", "metrics.jsonl"]}),
        ("hamlet", "dataset", {"tokenizer": "char"}),
        ("data/old", "dataset of nanoGPT", {"tokenizer": "char"}),
        ("data/hamlet/val.bin", "tokens of a dataset", {"tokenizer": "char"}),
        ("out/x/metrics.jsonl", "log", {}),
        ("console.txt", "log", {}),
        ("old.pt", "checkpoint", {"origin": "nanoGPT, or a relative of it"}),
    ):
        code, out, err = nanogpt("info", name, "--json")
        assert code == 0, (err, out)
        found = json.loads(out)
        assert found["kind"] == kind
        assert found.items() >= fact.items()
        if name in ("x", "out/x/metrics.jsonl"):
            assert found["log"]["best_val_loss"] == 3.1
            assert found["log"]["reason"] == "done"
        assert nanogpt("info", name)[0] == 0


@pytest.mark.parametrize(
    ("name", "content", "code", "problem"),
    [
        ("data/hamlet/train.bin", None, 3, "its hash differs"),
        ("a.pt", b"PK\x03\x04" + b"x" * 99, 4, "a.pt is corrupt"),
        ("a.gguf", b"GGUF" + b"x" * 99, 4, "a.gguf is corrupt"),
        ("a.html", b"<!doctype html>\n<!-- nanogpt: a language model", 4, "the page is cut"),
        ("a.safetensors", b"x" * 99, 4, "cannot read a model from a.safetensors"),
        ("a.txt", b"hello", 3, "no losses found"),
    ],
)  # fmt: skip
def test_what_is_not_whole_says_why(nanogpt, text_data, name, content, code, problem):
    path = Path(name)
    if content is None:  # the last token becomes another one of the vocabulary
        data = path.read_bytes()
        content = data[:-2] + bytes([data[-2] ^ 1, 0])
        name = "data/hamlet"
    path.write_bytes(content)
    found, out, err = nanogpt("info", name, "--json")
    assert found == code, err
    assert json.loads(out)["whole"] is False
    assert problem in json.loads(out)["problem"]
    assert err.startswith("error: ")
    assert nanogpt("info", name)[1].splitlines()[-1].split() == ["whole", "no"]


def test_what_is_nothing_is_an_error(nanogpt):
    code, _, err = nanogpt("info", "nowhere")
    assert code == 4
    assert "there is no file or folder nowhere" in err
    Path("empty").mkdir()
    code, _, err = nanogpt("info", "empty")
    assert code == 3
    assert "neither a run, a dataset nor a model" in err
