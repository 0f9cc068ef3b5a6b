"""``nanogpt export`` on the command line and from Python: names, what is in the way, refusals."""

import json
from pathlib import Path

import pytest
import torch
from exported import checkpoint

import nanogpt_cli as api
from nanogpt_cli.checkpoint.export import model_name
from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.errors import UsageError


@pytest.fixture
def run(tiny):
    """Make a run of a tiny GPT-2."""
    Path("out/mine").mkdir(parents=True)
    return checkpoint(tiny, Path("out/mine/ckpt.pt"))


def test_every_format_by_its_run_and_by_default(run, nanogpt):
    for to, output in (
        ("html", "mine.html"),
        ("hf", "mine-hf"),
        ("gguf", "mine.gguf"),
        ("safetensors", "mine.safetensors"),
        ("nanogpt", "mine-nanogpt"),
    ):
        code, out, err = nanogpt("export", "mine", "--to", to, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert (found["output"], found["format"]) == (output, to)
        assert found["source"] == "out/mine/ckpt.pt"
        files = [p for p in Path(output).rglob("*") if p.is_file()] or [Path(output)]
        assert found["bytes"] == sum(file.stat().st_size for file in files)
        assert all(f"note: {note}" in err for note in found["notes"])
        before = {file: file.read_bytes() for file in files}
        code, _, err = nanogpt("export", "--to", to)
        assert code == 2, to
        assert "already exists" in err
        assert "--force" in err
        assert {file: file.read_bytes() for file in files} == before
        if to in ("html", "hf"):
            code, out, err = nanogpt("export", "--to", to, "--force")
            assert code == 0, err
            assert out.startswith(f"wrote {output} (")
    assert not list(Path().rglob(".*tmp*"))


def test_usage(run, nanogpt):
    for words, said in (
        (("export",), "--to is missing"),
        (("export", "--to", "ggfu"), "did you mean gguf?"),
        (("export", "--to", "torch"), "copy ckpt.pt"),
        (("export", "--to", "gguf", "--dtype", "q4"), "unknown --dtype q4"),
    ):
        code, _, err = nanogpt(*words)
        assert code == 2
        assert said in err
    assert sorted(path.name for path in Path().iterdir()) == ["out"]


def test_nothing_else_is_replaced(run, nanogpt):
    Path("notes.html").write_text("mine")
    Path("folder").mkdir()
    Path("folder/letter.txt").write_text("dear")
    for to, output, force, said in (
        ("html", "notes.html", (), "already exists and holds something else"),
        ("html", "folder", ("--force",), "not a regular file"),
        ("hf", "folder", ("--force",), "not empty"),
        ("hf", "notes.html", ("--force",), "is a file"),
        ("safetensors", "out/mine/ckpt.pt", ("--force",), "is the source itself"),
        ("nanogpt", "out/mine", ("--force",), "is the source itself"),
    ):
        code, _, err = nanogpt("export", "--to", to, "-o", output, *force)
        assert code == 2, (output, err)
        assert said in err
    assert Path("notes.html").read_text() == "mine"
    assert [path.name for path in Path("folder").iterdir()] == ["letter.txt"]


def test_an_older_export_with_a_module_leaves_none_behind(tiny, nanogpt):
    checkpoint(tiny, Path("a.pt"), pos_embd="relative")
    assert nanogpt("export", "a.pt", "--to", "hf")[0] == 0
    assert Path("a-hf/modeling_nanogpt.py").is_file()
    checkpoint(tiny, Path("a.pt"))
    assert nanogpt("export", "a.pt", "--to", "hf", "--force")[0] == 0
    assert not Path("a-hf/modeling_nanogpt.py").exists()


def test_nanogpt_resumes_from_its_checkpoint(run):
    before, model = run
    result = api.export("mine", to="nanogpt", out="there")
    content = read(Path("there/ckpt.pt"))
    assert {"model", "optimizer", "model_args", "iter_num", "best_val_loss", "config"} == set(
        content
    )
    assert content["iter_num"] == before.step
    groups = content["optimizer"]["param_groups"]
    sizes = [p.dim() for p in model.parameters()]
    assert [len(group["params"]) for group in groups] == [
        sum(size >= 2 for size in sizes), sum(size < 2 for size in sizes)
    ]  # fmt: skip
    fresh = [torch.nn.Parameter(p.clone()) for p in model.parameters()]
    again = torch.optim.AdamW(
        [
            {"params": [p for p in fresh if p.dim() >= 2]},
            {"params": [p for p in fresh if p.dim() < 2]},
        ]
    )
    again.load_state_dict(content["optimizer"])
    assert all(torch.equal(content["model"][name], tensor) for name, tensor in before.model.items())
    assert "--block_size=24" in result.notes[0]


def test_what_nanogpt_has_not_is_refused(tiny):
    for settings, said in (
        ({"arch": "modern"}, "arrangement modern"),
        ({"pos_embd": "rope"}, "--pos-embd rope"),
        ({"gelu": "tanh"}, "GELU by tanh"),
    ):
        checkpoint(tiny, **settings)
        with pytest.raises(UsageError, match=said):
            api.export("a.pt", to="nanogpt")


def test_a_model_without_a_tokenizer_is_refused(tiny, nanogpt):
    made, _ = checkpoint(tiny)
    content = made.to_content() | {"tokenizer": None}
    torch.save(content, "bare.pt")
    code, _, err = nanogpt("export", "bare.pt", "--to", "html")
    assert code == 4
    assert "--data-dir" in err


def test_models_are_called_after_their_runs():
    for path, name in (
        ("out/mine/ckpt.pt", "mine"),
        ("x/last.pt", "x"),
        ("old/big.pt", "big"),
        ("hf/model.safetensors", "hf"),
    ):
        assert model_name(Path(path)) == name


def test_training_starts_from_folders_of_transformers(tiny, nanogpt, text_data):
    from nanogpt_cli.data.store import open_dataset

    tokenizer = open_dataset(text_data).tokenizer
    for arch in ("gpt2", "modern"):
        checkpoint(
            tiny, tokenizer=tokenizer.to_dict(), chat=None, arch=arch, pos_embd="rope",
            vocab_size=tokenizer.vocab_size,
        )  # fmt: skip
        api.export("a.pt", to="hf", out=arch)
        code, out, err = nanogpt(
            "train", "--init-from", arch, "--max-iters=1", "--batch-size=2", "--sample-tokens=0",
            f"--out-dir=out/{arch}", "--device=cpu", "--eval-tokens=48", "--json",
        )  # fmt: skip
        assert code == 0, err
        assert json.loads(out)["step"] == 1
