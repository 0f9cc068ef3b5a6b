"""`nanogpt migrate-ckpt`, driven as a user would; no checkpoint is ever harmed."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from old_checkpoints import (
    CHARACTERS,
    RELATIVE,
    char_folder,
    compiled,
    nanogpt_content,
    save,
    with_masks,
)

from nanogpt_cli import cli, files
from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.proof import same_content
from nanogpt_cli.checkpoint.weights import build_model

ADDING = f"Adding {RELATIVE} to checkpoint."


@pytest.fixture
def migrate_ckpt(capsys):
    def run(*args: str) -> tuple[int, str, str]:
        code = cli.run(["migrate-ckpt", *map(str, args)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def refuses(migrate_ckpt):
    """Run a command line that must fail with this code and leave every file as it was."""

    def run(code: int, *args: str) -> str:
        before = snapshot()
        got, out, err = migrate_ckpt(*args)
        assert (got, out) == (code, "")
        assert "error:" in err
        assert "hint:" in err
        assert "Traceback" not in err
        assert snapshot() == before
        return " ".join(err.split())

    return run


def snapshot() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def names() -> set[str]:
    return {str(path) for path in Path().rglob("*.pt*")} | {str(p) for p in Path().rglob(".*")}


@pytest.fixture
def old() -> bytes:
    """Write a checkpoint of nanoGPT at ckpt.pt; return its bytes."""
    return save(nanogpt_content()).read_bytes()


def test_the_old_file_is_kept_and_the_new_one_takes_its_name(migrate_ckpt, old):
    code, out, _ = migrate_ckpt("ckpt.pt")
    assert code == 0
    assert ADDING in out.splitlines()
    assert "largest difference of logits, old and new: 0" in out.splitlines()
    assert names() == {"ckpt.pt", "ckpt_original.pt"}
    assert Path("ckpt_original.pt").read_bytes() == old
    new = load_checkpoint(Path("ckpt.pt"))
    assert new.config.pos_embd == "relative"
    assert new.config.absolute_table
    assert not new.model[RELATIVE].any()
    assert new.step == 5


def test_the_table_shows_what_happened_to_each_entry(migrate_ckpt):
    char_folder(CHARACTERS)
    content = compiled(with_masks(nanogpt_content()))
    del content["model"]["_orig_mod.lm_head.weight"]
    save(content)
    _, out, _ = migrate_ckpt("ckpt.pt")
    lines = [line.split()[:2] for line in out.splitlines()]
    for row in (
        ["renamed", "_orig_mod.transformer.wte.weight"],
        ["renamed", "iter_num"],
        ["dropped", "transformer.h.1.attn.bias"],
        ["dropped", "training"],
        ["added", "lm_head.weight"],
        ["added", "tokenizer"],
        ["added", RELATIVE],
    ):
        assert row in lines
    assert any(line.startswith("kept") and "tensors" in line for line in out.splitlines())
    assert [line for line in out.splitlines() if line.startswith("Adding")] == [
        "Adding lm_head.weight to checkpoint.",
        ADDING,
    ]


def test_json_is_the_only_thing_on_stdout(migrate_ckpt, old):
    char_folder(CHARACTERS)
    code, out, err = migrate_ckpt("ckpt.pt", "--json")
    document = json.loads(out)
    assert code == 0
    assert set(document) == {
        "source", "output", "status", "migrations", "changes", "kept", "pos_embd", "tokenizer",
        "largest_difference",
    }  # fmt: skip
    assert (document["source"], document["output"]) == ("ckpt.pt", "ckpt.pt")
    assert document["status"] == "migrated"
    assert document["largest_difference"] == 0
    assert document["pos_embd"] == "relative"
    assert document["tokenizer"] == "char"
    assert document["migrations"] == [
        "name_the_config", "stamp", "attach_tokenizer", "add_relative_table",
    ]  # fmt: skip
    assert {"kind": "added", "name": RELATIVE} in [
        {k: change[k] for k in ("kind", "name")} for change in document["changes"]
    ]
    assert ADDING in err.splitlines()


def test_json_says_that_there_was_nothing_to_do(migrate_ckpt, old):
    migrate_ckpt("ckpt.pt")
    _, out, _ = migrate_ckpt("ckpt.pt", "--json")
    document = json.loads(out)
    assert document["status"] == "up to date"
    assert document["changes"] == []
    assert "largest_difference" not in document


# --- names ----------------------------------------------------------------------------------------


def test_ckpt_original_becomes_ckpt_beside_it(migrate_ckpt, old):
    Path("run").mkdir()
    Path("ckpt.pt").rename("run/ckpt_original.pt")
    assert migrate_ckpt("run/ckpt_original.pt")[0] == 0
    assert names() == {"run/ckpt.pt", "run/ckpt_original.pt"}
    assert Path("run/ckpt_original.pt").read_bytes() == old
    assert load_checkpoint(Path("run/ckpt.pt")).config.pos_embd == "relative"


def test_any_other_name_goes_the_same_way(migrate_ckpt, old):
    Path("ckpt.pt").rename("my model.v1.pt")
    assert migrate_ckpt("my model.v1.pt")[0] == 0
    assert names() == {"my model.v1.pt", "my model.v1_original.pt"}
    assert Path("my model.v1_original.pt").read_bytes() == old


def test_running_it_again_is_harmless_both_ways(migrate_ckpt, old):
    migrate_ckpt("ckpt.pt")
    after = snapshot()
    for name in ("ckpt.pt", "ckpt_original.pt", "ckpt.pt"):
        code, out, _ = migrate_ckpt(name)
        assert code == 0
        assert "ckpt.pt is up to date" in out
        assert snapshot() == after


def test_an_output_can_be_named(migrate_ckpt, old):
    for _ in range(2):
        assert migrate_ckpt("ckpt.pt", "-o", "new/there.pt")[0] == 0
        assert names() == {"ckpt.pt", "new/there.pt"}
        assert Path("ckpt.pt").read_bytes() == old


def test_an_output_is_written_also_where_nothing_has_to_change(migrate_ckpt, old):
    migrate_ckpt("ckpt.pt")
    assert migrate_ckpt("ckpt.pt", "-o", "copy.pt")[0] == 0
    same = same_content(*(load_checkpoint(Path(p)) for p in ("ckpt.pt", "copy.pt")))
    assert same


@pytest.mark.parametrize("output", ["ckpt.pt", "./ckpt.pt", "link.pt", "hard.pt"])
def test_an_output_that_is_the_source_is_refused(refuses, old, output):
    Path("link.pt").symlink_to("ckpt.pt")
    Path("hard.pt").hardlink_to("ckpt.pt")
    refuses(2, "ckpt.pt", "-o", output)
    refuses(2, "ckpt.pt", "--force", "-o", output)


@pytest.mark.parametrize("content", [b"a letter", None])
def test_existing_files_are_never_harmed(refuses, migrate_ckpt, old, content):
    other = content or save(nanogpt_content(), "other.pt").read_bytes()
    for name in ("ckpt_original.pt", "new.pt"):
        Path(name).write_bytes(other)
    refuses(2, "ckpt.pt")
    assert "--force" in refuses(2, "ckpt.pt", "-o", "new.pt")
    assert migrate_ckpt("ckpt.pt", "-o", "new.pt", "--force")[0] == 0
    assert load_checkpoint(Path("new.pt")).config.pos_embd == "relative"
    assert Path("ckpt.pt").read_bytes() == old


def test_a_model_trained_since_is_not_replaced(refuses, migrate_ckpt, old):
    migrate_ckpt("ckpt.pt")
    content = torch.load("ckpt.pt", weights_only=True)
    content["model"][RELATIVE] += 1
    save(content)
    refuses(2, "ckpt_original.pt")


def test_an_output_that_is_a_folder_is_refused(refuses, old):
    Path("folder").mkdir()
    refuses(2, "ckpt.pt", "-o", "folder")


# --- which positions ------------------------------------------------------------------------------


def test_keep_leaves_the_positions_and_the_optimizer(migrate_ckpt, old):
    code, out, _ = migrate_ckpt("ckpt.pt", "--pos-embd", "keep")
    assert code == 0
    assert "Adding" not in out
    new = load_checkpoint(Path("ckpt.pt"))
    assert new.config.pos_embd == "default"
    assert new.training is not None
    assert migrate_ckpt("ckpt.pt", "--pos_embd=keep")[1].count("up to date") == 1


def test_rope_keeps_rope(migrate_ckpt):
    content = nanogpt_content(pos_embd="rope")
    content["config"]["pos_embd"] = "rope"
    save(content)
    code, out, _ = migrate_ckpt("ckpt.pt")
    assert code == 0
    assert "Adding" not in out
    assert load_checkpoint(Path("ckpt.pt")).config.pos_embd == "rope"


def test_the_old_function_is_the_new_one(migrate_ckpt, old):
    before = build_model(load_checkpoint(Path("ckpt.pt")))
    migrate_ckpt("ckpt.pt")
    after = build_model(load_checkpoint(Path("ckpt.pt")))
    ids = torch.arange(32).view(2, 16)
    with torch.no_grad():
        assert torch.equal(before(ids), after(ids))


# --- tokenizers -----------------------------------------------------------------------------------


def test_without_a_tokenizer_it_says_so_and_data_dir_helps(migrate_ckpt, old):
    code, _, err = migrate_ckpt("ckpt.pt", "-o", "a.pt")
    assert code == 0
    assert "--data-dir" in err
    folder = char_folder(CHARACTERS, Path("elsewhere"))
    code, _, err = migrate_ckpt("a.pt", "--data-dir", folder)
    assert code == 0
    assert load_checkpoint(Path("a.pt")).tokenizer["characters"] == CHARACTERS
    assert not err


def test_a_tokenizer_that_does_not_fit_is_refused(refuses, old):
    char_folder(CHARACTERS + "Z")
    refuses(4, "ckpt.pt")


# --- faults ---------------------------------------------------------------------------------------


def test_unusable_checkpoints_are_refused(refuses):
    content = nanogpt_content()
    missing, extra, nan = (content | {"model": dict(content["model"])} for _ in range(3))
    del missing["model"]["transformer.ln_f.weight"]
    extra["model"]["transformer.extra"] = torch.ones(1)
    nan["model"]["transformer.ln_f.weight"] = torch.full((16,), torch.nan)
    newer = content | {"format": "nanogpt", "version": 9}
    for bad, message in (
        (missing, "transformer.ln_f.weight"),
        (extra, "transformer.extra"),
        (nan, "transformer.ln_f.weight"),
        (newer, "made by a newer nanogpt"),
        (content["model"], "its settings"),
    ):
        save(bad)
        assert message in refuses(4, "ckpt.pt")
    Path("ckpt.pt").write_bytes(b"text")
    refuses(4, "ckpt.pt")
    refuses(4, "none.pt")
    refuses(4, ".")


@pytest.mark.parametrize("name", ["ckpt.pt", "ckpt_original.pt"])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(errno.ENOSPC, "full"), RuntimeError])
def test_a_save_that_fails_leaves_the_folder_as_it_was(migrate_ckpt, monkeypatch, old, name, fault):
    Path("ckpt.pt").rename("x")
    Path("x").rename(name)

    def half_a_save(content, file):
        file.write(b"PK half")
        raise fault

    monkeypatch.setattr(torch, "save", half_a_save)
    assert migrate_ckpt(name)[0] == (130 if fault is KeyboardInterrupt else 5)
    assert names() == {name}
    assert Path(name).read_bytes() == old


def test_an_interrupt_after_the_rename_keeps_both_files(migrate_ckpt, monkeypatch, old):
    def interrupt(folder):
        assert folder == Path()
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "sync_folder", interrupt)
    assert migrate_ckpt("ckpt.pt")[0] == 130
    assert Path("ckpt_original.pt").read_bytes() == old
    assert load_checkpoint(Path("ckpt.pt")).config.pos_embd == "relative"


@pytest.mark.parametrize("copied", [True, False])
def test_after_a_kill_between_the_two_steps_it_continues(migrate_ckpt, old, copied):
    if copied:
        Path("ckpt_original.pt").write_bytes(old)
    else:
        Path("ckpt_original.pt").hardlink_to("ckpt.pt")
    assert migrate_ckpt("ckpt.pt")[0] == 0
    assert Path("ckpt_original.pt").read_bytes() == old
    assert load_checkpoint(Path("ckpt.pt")).config.pos_embd == "relative"


@pytest.fixture
def no_links(monkeypatch):
    def link(*_args, **_kwargs):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


def test_a_file_system_without_links_gets_a_copy(migrate_ckpt, no_links, old):
    assert migrate_ckpt("ckpt.pt")[0] == 0
    assert names() == {"ckpt.pt", "ckpt_original.pt"}
    assert Path("ckpt_original.pt").read_bytes() == old


def test_a_save_that_fails_after_a_copy_takes_it_back(migrate_ckpt, no_links, monkeypatch, old):
    def full(content, file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", full)
    assert migrate_ckpt("ckpt.pt")[0] == 5
    assert names() == {"ckpt.pt"}
    assert Path("ckpt.pt").read_bytes() == old
