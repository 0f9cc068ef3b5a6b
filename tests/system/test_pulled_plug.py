"""Each system call of what must be written whole is made to fail, or the process killed at it.

A child is forked for each case and does the writing, under strace where a call is to fail. Then
the old or the new state is there, whole, as befits the place of the call; no temporary file stays
behind a failure, and none behind a kill once the command has run again. Likewise for full disks.
"""

import contextlib
import ctypes
import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from old_checkpoints import nanogpt_content, save

from nanogpt_cli import cli, files
from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.cli import ui
from nanogpt_cli.data.prepare import PrepareOptions
from nanogpt_cli.data.prepare import prepare as prepare_dataset
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.errors import NanoGPTError
from nanogpt_cli.logs import metrics

resource = pytest.importorskip("resource")

DISK, PRISTINE = Path("kept-whole"), Path("pristine")
RUN, DATA = DISK / "run", DISK / "data"
BEGIN, END = "/the-plug-is-in", "/the-plug-is-out"
KILLED = -signal.SIGKILL
Content = Callable[[], Any]


@dataclass
class Write:
    """Something that is written under DISK, and what can be read there before and after."""

    act: Callable[[], int | None]
    content: Content
    next_start: Callable[[], object]
    old: Any = None
    new: Any = None

    def __post_init__(self) -> None:
        """Write it once, which also loads all that a child would load again and again."""
        DISK.mkdir(exist_ok=True)
        shutil.copytree(DISK, PRISTINE)
        self.old = self.content()
        assert self.act() in (0, None)
        self.new = self.content()
        assert self.new != self.old

    def restore(self) -> None:
        """Restore the old state of DISK."""
        shutil.rmtree(DISK)
        shutil.copytree(PRISTINE, DISK)

    def state(self) -> str:
        """Name what is there; what is neither old nor new is named by itself."""
        content = self.content()
        return "old" if content == self.old else "new" if content == self.new else repr(content)


def unfinished() -> list[str]:
    return [str(path) for path in DISK.rglob(f"*{files.TEMPORARY}*")]


# --- what is written --------------------------------------------------------------------------


def a_checkpoint() -> Write:
    content = nanogpt_content(vocab_size=11, n_layer=1)
    save(content, DISK / "x.pt")
    old = load_checkpoint(DISK / "x.pt")
    (DISK / "x.pt").unlink()
    old.save(RUN / "ckpt.pt")
    new = Checkpoint(old.config, {k: v + 1 for k, v in old.model.items()}, step=6)
    return Write(lambda: new.save(RUN / "ckpt.pt"), _models(RUN), lambda: files.sweep(RUN))


def a_first_checkpoint() -> Write:
    first = a_checkpoint()
    shutil.rmtree(DISK)
    shutil.rmtree(PRISTINE)
    return Write(first.act, first.content, first.next_start)


def a_migrated_checkpoint() -> Write:
    save(nanogpt_content(vocab_size=11, n_layer=1), RUN / "ckpt.pt")
    migrate_ckpt = ["migrate-ckpt", str(RUN / "ckpt.pt"), "--json"]
    return Write(lambda: _quietly(migrate_ckpt), _models(RUN), lambda: files.sweep(RUN))


def _models(folder: Path) -> Content:
    def content() -> list[Any]:
        return [
            (
                path.name,
                loaded.config,
                loaded.step,
                {k: v.tolist() for k, v in loaded.model.items()},
            )
            for path in sorted(folder.glob("*.pt"))
            for loaded in [load_checkpoint(path)]
        ]

    return content


def a_log_cut_back() -> Write:
    RUN.mkdir(parents=True)
    path = RUN / "metrics.jsonl"
    with metrics.MetricsLog(path) as log:
        for step in range(400):
            log.write("train", step=step, loss=1 / (step + 1))
    return Write(
        lambda: metrics.truncate(path, 300) and None, _events(path), lambda: files.sweep(RUN)
    )


def _events(path: Path) -> Content:
    return lambda: [tuple(event.items()) for event in metrics.read(path).events]


def a_picture() -> Write:
    a_log_cut_back()
    shutil.rmtree(PRISTINE)
    picture = RUN / "loss.png"
    picture.write_bytes(b"an old picture")
    plot_log = ["plot-log", str(RUN / "metrics.jsonl"), "-o", str(picture), "--force"]
    return Write(lambda: _quietly(plot_log), picture.read_bytes, lambda: files.sweep(RUN))


def _quietly(args: list[str]) -> int:
    with contextlib.redirect_stdout(io.StringIO()):
        return cli.run([*args, "--quiet"])


def a_new_dataset() -> Write:
    return _dataset("byte")


def a_replaced_dataset() -> Write:
    Path("old.txt").write_text("All the world's a stage.\n" * 90)
    prepare_dataset(PrepareOptions(("old.txt",), DATA, tokenizer="char"))
    (DATA / "notes.txt").write_text("another program's file")
    return _dataset("byte")


def a_replaced_dataset_of_nanogpt() -> Write:
    replaced = a_replaced_dataset()
    replaced.restore()
    shutil.rmtree(PRISTINE)
    (DATA / "meta.json").unlink()
    itos = "(dp0\nVitos\np1\n(dp2\nI0\nVa\nsI1\nVb\ns" + "".join(
        f"I{i}\nV{chr(ord('a') + i)}\ns" for i in range(2, 20)
    )
    (DATA / "meta.pkl").write_text(itos + "s.")
    return Write(replaced.act, replaced.content, replaced.next_start)


def _dataset(kind: str) -> Write:
    Path("new.txt").write_text("And all the men and women merely players.\n" * 100)
    options = PrepareOptions(("new.txt",), DATA, tokenizer=kind, force=True)

    def prepare() -> None:
        prepare_dataset(options)

    def content() -> Any:
        if not DATA.exists():
            return None
        data = open_dataset(DATA)
        return data.train.tolist(), data.val.tolist(), data.tokenizer.to_dict(), data.fingerprint

    return Write(prepare, content, prepare)


# --- a child that writes ----------------------------------------------------------------------


def in_a_child(act: Callable[[], object]) -> int:
    """Fork a child that does only this; return its process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, all idle
        child = os.fork()
    if child:
        return child
    try:
        act()
        os._exit(0)
    except BaseException:
        Path("said").write_text(traceback.format_exc())
    os._exit(1)


def told(write: Write) -> tuple[int, str]:
    """Write, and return the exit code and what the user was shown."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        try:
            code = write.act() or 0
        except NanoGPTError as error:
            ui.show_error(error)
            code = error.exit_code
    return code, err.getvalue()


def was_told(code: int, said: str) -> bool:
    """Whether a failure was reported as all are."""
    return code == 5 and said.startswith("error: ") and "hint: " in said


# --- system calls -----------------------------------------------------------------------------

CHANGES = {"write", "pwrite64", "ftruncate", "fsync", "fdatasync", "close", "link", "rename",
           "mkdir", "unlink", "rmdir"}  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A system call on DISK: the ``number``-th of its name."""

    name: str
    number: int
    line: str
    late: bool
    """Whether it comes after the rename that makes the new state."""

    def faults(self) -> Iterator[str]:
        """Yield what may happen at this call."""
        yield "signal=SIGKILL"
        yield "error=EIO"
        if self.name in CHANGES or "O_CREAT" in self.line:
            yield "error=ENOSPC"
        if self.name in {"openat", "mkdir", "rename", "unlink", "rmdir", "newfstatat"}:
            yield "error=EACCES"

    def must_be_told(self, fault: str) -> bool:
        """Whether a failure of this call must be reported."""
        if self.name == "openat":  # to list leftovers, or to sync a folder that is not to be read
            return "O_DIRECTORY" not in self.line and (
                "EACCES" not in fault or "O_CREAT" in self.line
            )
        if self.name == "close":
            return files.TEMPORARY in self.line and f"{files.TEMPORARY}.lock" not in self.line
        return self.name in CHANGES - {"mkdir", "unlink"}  # of what is there, of what may be


def traced(write: Write, *tampering: str) -> tuple[int, str, list[str]]:
    """Write under strace; return the exit code, what was said, and the system calls."""
    for stale in ("said", "calls"):
        Path(stale).unlink(missing_ok=True)
    ready, ready_end = os.pipe()
    go, go_end = os.pipe()

    def act() -> None:
        ctypes.CDLL(None).prctl(0x59616D61, -1, 0, 0, 0)  # PR_SET_PTRACER: anyone
        os.write(ready_end, b"!")
        select.select([go], [], [])  # and no read, which would count
        os.access(BEGIN, 0)
        result = told(write)
        os.access(END, 0)
        Path("said").write_text(json.dumps(result))

    child = in_a_child(act)
    try:
        os.read(ready, 1)
        tracer = subprocess.Popen(
            ["strace", "-f", "-y", "-o", "calls", "-e", "trace=%file,%desc", *tampering,
             "-p", str(child)],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert tracer.stderr is not None
        greeting = tracer.stderr.readline()
    finally:
        os.write(go_end, b"!")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for end in (ready, ready_end, go, go_end):
            os.close(end)
    tracer.communicate(timeout=60)
    if "attached" not in greeting:
        pytest.skip(f"strace may not trace here: {greeting.strip()}")
    lines = [
        line for line in Path("calls").read_text().splitlines() if line.startswith(f"{child} ")
    ]
    said = Path("said").read_text() if Path("said").exists() else ""
    if status == 0:
        code, said = json.loads(said)
        return code, said, lines
    return status, said, lines


def calls_of(write: Write) -> list[Call]:
    """Watch a write that nothing disturbs, and list its system calls on DISK."""
    code, said, lines = traced(write)
    assert (code, write.state()) == (0, "new"), said
    counts: dict[str, int] = {}
    found, inside, late = [], False, False
    for line in lines:
        match = re.match(r"\d+ +(\w+)\(", line)
        if not match:
            continue
        name = match[1]
        counts[name] = counts.get(name, 0) + 1
        inside = (inside or BEGIN in line) and END not in line
        if inside and str(DISK) in line:
            found.append(Call(name, counts[name], line, late))
            late = late or name.startswith("rename")
    assert late
    return found


def check_each_call(write: Write, *, every: bool) -> int:
    """Let each call fail or be the last one, or both in turn. Return the number of cases."""
    write.restore()
    cases = [
        (call, fault)
        for at, call in enumerate(calls_of(write))
        for number, fault in enumerate(call.faults())
        if every or number == at % 2
    ]
    for call, fault in cases:
        write.restore()
        code, said, lines = traced(write, "-e", f"inject={call.name}:{fault}:when={call.number}")
        case = f"{fault} at {call.line}\nleft with {code}: {said}"
        after = "new" if call.late else "old"
        if "SIGKILL" in fault:
            assert code == KILLED, case
            assert write.state() == after, case
            write.next_start()
        else:
            assert any("(INJECTED)" in line for line in lines), case
            if code == 0:
                assert not call.must_be_told(fault), case
                assert write.state() == "new", case
            else:
                assert was_told(code, said), case
                assert write.state() == after, case
            if call.name in (
                "unlink",
                "newfstatat",
                "fstat",
            ):  # what could not be removed goes the next time
                write.next_start()
        assert unfinished() == [], case
    return len(cases)


WRITES = [a_checkpoint, a_first_checkpoint, a_log_cut_back, a_new_dataset, a_replaced_dataset,
          a_replaced_dataset_of_nanogpt]  # fmt: skip


@pytest.fixture
def _strace() -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")


@pytest.mark.usefixtures("_strace")
def test_each_call_fails_or_is_the_last() -> None:
    assert check_each_call(a_checkpoint(), every=False) > 15


@pytest.mark.long
@pytest.mark.usefixtures("_strace")
@pytest.mark.parametrize("make", WRITES)
def test_each_call_fails_in_every_way_or_is_the_last(make: Callable[[], Write]) -> None:
    assert check_each_call(make(), every=True) > 40


# --- full disks -------------------------------------------------------------------------------

FILES = [a_checkpoint, a_migrated_checkpoint, a_log_cut_back, a_picture, a_new_dataset,
         a_replaced_dataset]  # fmt: skip


def check_full(write: Write, fill: Callable[[int], object], rooms: Iterable[int]) -> None:
    """Write where the disk has room for so many bytes: at first too little, in the end enough."""
    codes = []
    for room in rooms:
        write.restore()

        def act(room: int = room) -> None:
            fill(room)
            code, said = told(write)
            resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
            Path("said").write_text(json.dumps([code, said, write.state(), unfinished()]))

        status = os.waitstatus_to_exitcode(os.waitpid(in_a_child(act), 0)[1])
        said = Path("said").read_text()
        if "no tmpfs here" in said:
            pytest.skip(said.splitlines()[-1])
        assert status == 0, said
        code, said, state, left = json.loads(said)
        assert left == [], room
        if code == 0:
            assert state == "new", room
        else:
            assert was_told(code, said), said
            assert state == "old", room
        codes.append(code)
    assert (codes[0], codes[-1]) == (5, 0)


UNLIMITED = resource.getrlimit(resource.RLIMIT_FSIZE)


def limit_files(size: int) -> None:
    """Let no file grow over ``size`` bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, UNLIMITED[1]))


def fill_a_disk(room: int) -> None:
    """Mount a small disk over DISK that holds the same and leaves so much room, in this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if (
        libc.unshare(0x20000)  # CLONE_NEWNS
        or libc.mount(b"none", b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE
        or libc.mount(b"none", bytes(DISK), b"tmpfs", 0, b"size=800k")
    ):
        raise OSError(f"no tmpfs here: {os.strerror(ctypes.get_errno())}")
    shutil.copytree(PRISTINE, DISK, dirs_exist_ok=True)
    with (DISK / "ballast").open("wb", buffering=0) as ballast:
        with contextlib.suppress(OSError):
            while ballast.write(b"-" * 4096):
                pass
        ballast.truncate(ballast.tell() - room)


@pytest.mark.parametrize("fill", [limit_files, fill_a_disk])
@pytest.mark.parametrize("make", FILES)
def test_a_full_disk(make: Callable[[], Write], fill: Callable[[int], object]) -> None:
    check_full(make(), fill, (0, 4096, 16384, 131072))


@pytest.mark.long
@pytest.mark.parametrize("fill", [limit_files, fill_a_disk])
@pytest.mark.parametrize("make", FILES)
def test_a_full_disk_with_any_room(
    make: Callable[[], Write], fill: Callable[[int], object]
) -> None:
    check_full(make(), fill, range(0, 131072, 1024))


def test_a_log_that_outgrows_the_disk_keeps_its_lines() -> None:
    """A line that the disk cut off is dropped by readers, and swallows none that follow."""
    write, path = a_log_cut_back(), RUN / "metrics.jsonl"
    old, size = write.content(), path.stat().st_size

    def append() -> None:
        with metrics.MetricsLog(path) as log:
            for step in range(1000, 1100):
                log.write("train", step=step, loss=0.5)

    write.act = append
    for room in range(0, 160, 13):

        def act(room: int = room) -> None:
            limit_files(size + room)
            result = told(write)
            resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
            Path("said").write_text(json.dumps(result))

        assert os.waitpid(in_a_child(act), 0)[1] == 0, Path("said").read_text()
        assert was_told(*json.loads(Path("said").read_text()))
        assert path.stat().st_size == size + room
        with metrics.MetricsLog(path) as log:
            log.write("end", reason="disk")
        count, cut = divmod(room + 1, 46)  # the line break is all that a line can do without
        whole = [(("event", "train"), ("step", 1000 + i), ("loss", 0.5)) for i in range(count)]
        end = (("event", "end"), ("reason", "disk"))
        assert write.content() == [*old, *whole, end]
        assert metrics.read(path).dropped == (cut > 1)
        os.truncate(path, size)
