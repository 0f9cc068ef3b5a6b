"""A dataset appears whole or not at all, whatever fails or kills (numbers: the fault matrix's)."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import OUT, PROSE, leftovers, meta, run, write

from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.publish import temporary_folder
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import DataError, MachineError, UsageError
from nanogpt_cli.runs import find_dataset
from nanogpt_cli.tokenizer.load import load_tokenizer


def test_9_a_killed_run_leaves_nothing_that_is_accepted() -> None:
    write("a.txt", PROSE * 50)
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from nanogpt_cli.cli import run\n"
        "Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "run(['prepare', 'a.txt', '--out', 'data/out', '--tokenizer', 'byte'])\n"
    )
    root = Path(__file__).resolve().parents[2]
    died = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert died.returncode == -signal.SIGKILL
    assert not OUT.exists()
    assert len([p for p in leftovers() if p.endswith(".tmp-nanogpt")]) == 1
    run("a.txt", tokenizer="byte")
    assert leftovers() == []


@pytest.mark.parametrize(
    ("call", "stop"), [("replace", 0), ("replace", 1), ("replace", 2), ("rmdir", 0)]
)
@pytest.mark.parametrize("replaced", [True, False])
def test_9_a_replacement_cut_short_is_the_new_dataset(
    replaced: bool, call: str, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if replaced:
        run(write("a.txt", PROSE), tokenizer="byte")
    else:
        write("data/out/input.txt", PROSE)
    write("b.txt", PROSE * 2)
    real, left = getattr(Path, call), stop

    def die(*args: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Path, call, die)
        with pytest.raises(KeyboardInterrupt):
            run("b.txt", tokenizer="char", force=True)
    assert leftovers() == []
    assert find_dataset() == find_dataset("out") == OUT
    opened = open_dataset(OUT)
    assert opened.tokenizer.to_dict() == load_tokenizer(OUT).to_dict()
    assert opened.tokenizer.decode([*opened.train, *opened.val]) == PROSE * 2
    with pytest.raises(UsageError, match="already holds a dataset"):
        run("b.txt", tokenizer="char")
    there = {path.name for path in OUT.iterdir()} - {".lock", "input.txt"}
    assert there == {"meta.json", "train.bin", "val.bin"}
    assert open_dataset(OUT).fingerprint == opened.fingerprint


def test_33_leftovers_go_where_nobody_works_on_them() -> None:
    """A number in a name says nothing: it may be that of a process in another container."""
    stale = [f"data/.out.{number}.tmp-nanogpt" for number in (os.getpid(), os.getppid(), 1)]
    for name in stale:
        write(f"{name}/train.bin", PROSE)
    write("data/.old.tmp-nanogpt.lock", "")
    with pytest.raises(DataError, match="no prepared dataset"):
        find_dataset()
    with temporary_folder(Path("data/other")) as held:
        write(f"{held}/train.bin", PROSE)
        run(write("a.txt", PROSE), tokenizer="byte")
        assert leftovers() == [str(held), f"{held}.lock"]
    assert leftovers() == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such namespaces")
def test_33_a_container_leaves_what_another_one_works_on() -> None:
    """In its namespace, the process that holds the folder does not exist."""
    container = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    try:
        subprocess.run([*container, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine does not let us make a namespace")
    sweep = "from pathlib import Path; from nanogpt_cli.files import sweep; sweep(Path('data'))"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    write("data/.killed.tmp-nanogpt/train.bin", PROSE)
    with temporary_folder(Path("data/out")) as held:
        subprocess.run([*container, sys.executable, "-c", sweep], check=True, env=environment)
        assert leftovers() == [str(held), f"{held}.lock"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_10_a_full_disk(call: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "rename")), fail)
    with pytest.raises(MachineError, match=r"data/out"):
        run(write("a.txt", PROSE), tokenizer="byte")
    assert not OUT.exists()
    assert leftovers() == []


def test_10_the_system_limits_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    write("a.txt", PROSE * 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(MachineError):
            run("a.txt", tokenizer="byte")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not OUT.exists()
    assert leftovers() == []


def test_11_an_existing_dataset_is_kept_without_force() -> None:
    run(write("a.txt", PROSE), tokenizer="byte")
    before = {path: path.read_bytes() for path in OUT.iterdir()}
    with pytest.raises(UsageError, match="data/out") as error:
        run(write("b.txt", PROSE * 2), tokenizer="char")
    assert "--force" in error.value.hint
    with pytest.raises(DataError):
        run(write("c.txt", ""), tokenizer="char", force=True)
    assert {path: path.read_bytes() for path in OUT.iterdir()} == before


def test_force_leaves_other_files_alone() -> None:
    write("data/out/input.txt", PROSE)
    write("data/out/sub/thesis.doc", "precious")
    run("data/out/input.txt", tokenizer="char")
    write("data/out/meta.pkl", b"stale")
    run("data/out/input.txt", tokenizer="byte", force=True)
    assert sorted(p.name for p in OUT.iterdir()) == [
        ".lock", "input.txt", "meta.json", "sub", "train.bin", "val.bin",
    ]  # fmt: skip
    assert Path("data/out/sub/thesis.doc").read_text() == "precious"
    assert meta()["tokenizer"]["kind"] == "byte"


def test_out_is_no_folder() -> None:
    write("data/out", "x")
    with pytest.raises(UsageError, match="is a file"):
        run(write("a.txt", PROSE))
    OUT.unlink()
    for target in ("out", "nowhere"):  # a link to itself, and one to nothing
        OUT.symlink_to(target)
        with pytest.raises(UsageError, match="a link that leads nowhere"):
            run("a.txt")
        OUT.unlink()


@pytest.mark.parametrize("name", [".new-dataset", ".lock", ".mine.tmp-nanogpt"])
def test_out_has_a_name_of_nanogpts_own(name: str) -> None:
    with pytest.raises(UsageError, match="nanogpt's own files"):
        prepare(PrepareOptions((write("a.txt", PROSE),), Path("data", name)))


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("target", ["../../victim", "nowhere", "../../victim/meta.json"])
def test_a_link_in_place_of_the_new_files_is_not_followed(target: str, force: bool) -> None:
    prepare(PrepareOptions((write("a.txt", PROSE),), Path("victim"), tokenizer="byte"))
    before = {path: path.read_bytes() for path in Path("victim").iterdir()}
    OUT.mkdir(parents=True)
    (OUT / ".new-dataset").symlink_to(target)
    with pytest.raises(UsageError, match=r"\.new-dataset is not a folder"):
        run("a.txt", tokenizer="byte", force=force)
    assert {path: path.read_bytes() for path in Path("victim").iterdir()} == before
    with pytest.raises(DataError, match="missing"):
        open_dataset(OUT)


def test_replaced_files_keep_their_modes_and_new_ones_have_the_usual() -> None:
    run(write("a.txt", PROSE), tokenizer="byte")
    Path("usual").touch()
    modes = {path.name: path.stat().st_mode for path in OUT.iterdir()}
    assert set(modes.values()) == {Path("usual").stat().st_mode}
    (OUT / "train.bin").chmod(0o600)
    (OUT / "meta.json").chmod(0o640)
    run("a.txt", tokenizer="char", force=True)
    assert (OUT / "train.bin").stat().st_mode & 0o777 == 0o600
    assert (OUT / "meta.json").stat().st_mode & 0o777 == 0o640
    assert (OUT / "val.bin").stat().st_mode == modes["val.bin"]
