"""Faults and bad input through the command line, as docs/faults.md tells them.

The tests here are those that go through every command; others stand beside what they test. The
comments name the rows of that table.
"""

import ast
import json
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
import torch
from command_line import TINY
from old_checkpoints import nanogpt_content, save

TABLE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"


@pytest.fixture
def trained(nanogpt, text_data):
    """Train a model that continues text, for one step."""
    assert nanogpt("train", *TINY, "--max-iters=1", "--out-dir=out/t")[0] == 0
    return "t"


def snapshot() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.fixture
def refuses(nanogpt):
    """Run a command line that must fail with this code, in two lines, and touch no file."""

    def run(code: int, *args: str) -> str:
        before = snapshot()
        got, out, err = nanogpt(*args)
        assert (got, out) == (code, ""), err
        error, hint = [line for line in err.splitlines() if not line.startswith("note: ")]
        assert error.startswith("error: ")
        assert hint.startswith("hint: ")
        assert snapshot() == before
        return error + "\n" + hint

    return run


def loaders(path: str) -> list[list[str]]:
    """Give the command lines that load a checkpoint."""
    return [
        ["chat", path, "-p", "To be"],
        ["eval", path, "--data", "data/hamlet"],
        ["migrate-ckpt", path],
        ["migrate-ckpt", path, "-o", "new.pt"],
        ["train", *TINY, "--max-iters=1", "--init-from", path, "--data-dir=data/hamlet",
         "--out-dir=out/new"],
    ]  # fmt: skip


class Hostile:
    def __reduce__(self):
        return os.system, ("touch executed",)


def changed(**changes):
    """Give the trained checkpoint's content with some entries replaced, as torch writes it."""
    return lambda good: save(torch.load(good, weights_only=True) | changes, "bad.pt")


def with_weight(name, change):
    def spoil(good):
        content = torch.load(good, weights_only=True)
        weights = content["model"]
        weights[name] = change(weights.get(name))
        if weights[name] is None:
            del weights[name]
        save(content, "bad.pt")

    return spoil


def written(make):
    return lambda good: Path("bad.pt").write_bytes(make(good.read_bytes()))


def flipped(data: bytes) -> bytes:
    name = "transformer.h.0.mlp.c_fc.weight"
    at = data.index(torch.load("out/t/ckpt.pt", weights_only=True)["model"][name].numpy().tobytes())
    return data[: at + 9] + bytes([data[at + 9] ^ 16]) + data[at + 10 :]


FC = "transformer.h.0.mlp.c_fc.weight"
BAD = {
    "39 empty": (written(lambda data: b""), "is empty"),
    "39 half": (written(lambda data: data[: len(data) // 2]), "cut off"),
    "39 text": (
        written(lambda data: b"To be, or not to be\n" * 50),
        "corrupt, or not a checkpoint",
    ),
    "39 zeros": (written(lambda data: bytes(5000)), "is empty"),
    "40 a flipped bit": (written(flipped), "checksum"),
    "41 a hostile pickle": (
        written(lambda data: pickle.dumps(Hostile(), 2)),
        "corrupt, or not|code",
    ),
    "41 a hostile zip file": (changed(train_config=Hostile()), "could run code"),
    "43 missing": (with_weight(FC, lambda old: None), f"missing: {FC}"),
    "43 extra": (with_weight("transformer.more", lambda old: torch.ones(1)), "transformer.more"),
    "43 shape": (with_weight(FC, lambda old: old[:3]), rf"{FC} \(3, 16\) for \(64, 16\)"),
    "44 NaN": (with_weight(FC, lambda old: old * torch.nan), f"not finite numbers: {FC}"),
    "45 newer": (changed(version=99), "made by a newer nanogpt"),
    "48 tokenizer": (
        changed(tokenizer={"kind": "char", "characters": "To", "special_tokens": {}}),
        "the tokenizer char has 2 tokens",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_checkpoint_is_refused_by_all_that_load_one(refuses, trained, fault):
    spoil, told = BAD[fault]
    spoil(Path("out/t/ckpt.pt"))
    for args in loaders("bad.pt"):
        said = refuses(4, *args)
        assert "bad.pt" in said
        assert re.search(told, said)
    assert not Path("executed").exists()


@pytest.mark.parametrize("fault", ["41 a hostile zip file", "44 NaN", "45 newer"])
def test_a_bad_checkpoint_is_not_resumed(refuses, trained, fault):
    spoil, told = BAD[fault]
    spoil(Path("out/t/ckpt.pt"))
    for name in ("ckpt.pt", "last.pt"):
        Path("out/t", name).write_bytes(Path("bad.pt").read_bytes())
    assert re.search(told, refuses(4, "train", "--init-from=resume", "--out-dir=out/t"))
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("train.bin", lambda data: data + b"\1", "is not a multiple of 2"),  # row 12
        ("val.bin", lambda data: data + b"\1", "is not a multiple of 2"),
        ("train.bin", lambda data: b"", "is empty"),  # row 13
        ("val.bin", lambda data: b"", "is empty"),
        ("train.bin", lambda data: b"\xff\xff" + data[2:], "holds token 65535"),  # row 14
        ("val.bin", lambda data: b"\xff\xff" + data[2:], "holds token 65535"),
        ("train.bin", lambda data: data[:100], "it was cut or changed"),  # row 15
        ("meta.json", lambda data: data[:100], "is corrupt"),  # row 16
        ("meta.json", lambda data: b"\xff\0", "is corrupt"),
        (
            "meta.json",
            lambda data: data.replace(b'"version": 1', b'"version": 2'),
            "made by a newer nanogpt",  # row 45
        ),
    ],
)
def test_a_damaged_dataset_is_refused(refuses, trained, name, content, told):
    path = Path("data/hamlet", name)
    path.write_bytes(content(path.read_bytes()))
    for args in (["train", *TINY, "--data-dir=data/hamlet"], ["eval", trained]):
        said = refuses(3, *args)
        assert f"data/hamlet/{name}" in said
        assert told in said
        assert "update nanogpt" in said or "--force --out data/hamlet" in said


def test_a_dataset_of_nanogpts_is_said_to_be_one(nanogpt, nanogpt_data):
    code, _, err = nanogpt("train", *TINY, "--data-dir=data/plain", "--dry-run")  # row 16
    assert code == 0
    assert "data/plain has no meta.json: read as nanoGPT's" in err


@pytest.mark.parametrize("length", [0, 1])
def test_an_empty_evaluation_set_is_named(refuses, trained, length):
    Path("short.txt").write_text("T" * length)
    assert "short.txt has too little text" in refuses(3, "eval", trained, "--data", "short.txt")
    path = Path("data/hamlet/val.bin")  # without a meta.json nothing says how long it was
    path.write_bytes(path.read_bytes()[: 2 * length])
    Path("data/hamlet/meta.json").unlink()
    said = refuses(3, "eval", save(nanogpt_content(vocab_size=50304, n_embd=2, n_layer=1)),
                   "--data=data/hamlet")  # fmt: skip
    assert "data/hamlet" in said


@pytest.mark.parametrize("args", [["a.txt"], ["a.txt", "--val-fraction=0.5"]])
def test_a_text_too_short_is_named(refuses, args):
    Path("a.txt").write_text("ab")
    assert "a.txt" in refuses(3, "prepare", *args, "--tokenizer=char")  # rows 6, 7


def test_a_model_is_not_used_with_another_tokenizer(nanogpt, refuses, trained):
    Path("other.txt").write_text("another text, with other characters " * 40)
    assert nanogpt("prepare", "other.txt", "--tokenizer=char")[0] == 0
    code, out, err = nanogpt("eval", trained, "--data=data/other", "--json")  # row 48
    assert (code, json.loads(out)["models"][0]["data"]) == (0, "data/other")
    assert "has another tokenizer" in err
    assert "not that of data/other" in refuses(
        4, "chat", trained, "-p", "a", "--data-dir=data/other"
    )


def test_what_is_drawn_stays_within_the_vocabulary(nanogpt, trained):
    ask = ["chat", trained, "-p", "To be", "--max-tokens=9"]
    everything = json.loads(Path("data/hamlet/meta.json").read_text())["vocab_size"]
    wide = nanogpt(*ask, "--seed=1", "--top-k=1000000")  # row 51
    assert wide[0] == 0
    assert wide == nanogpt(*ask, "--seed=1", f"--top-k={everything}")
    greedy = {nanogpt(*ask, f"--seed={n}", "--temperature=0") for n in range(3)}  # row 50
    assert len(greedy) == 1
    assert greedy.pop()[0] == 0


@pytest.mark.parametrize("end", ["stdin", "stdout"])
def test_one_end_that_is_a_terminal_is_not_enough(nanogpt, trained, monkeypatch, end):
    monkeypatch.setattr(getattr(sys, end), "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdin, "read", lambda: "To be\n", raising=False)
    code, out, err = nanogpt("chat", trained, "--max-tokens=4")  # row 54
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert 1 < len(out) <= 5


def test_markup_in_a_reply_is_shown_as_it_is(nanogpt, trained, monkeypatch):
    said = "[/red] [bold]To be[/] :smile:"
    monkeypatch.setattr("nanogpt_cli.inference.session.stream_reply", lambda *_, **__: iter([said]))
    assert nanogpt("chat", trained, "-p", "To be") == (0, said + "\n", "")  # row 57


def test_an_interrupted_migration_leaves_the_source(nanogpt, monkeypatch):
    before = save(nanogpt_content(), "old.pt").read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("nanogpt_cli.files.sync_folder", interrupt)  # row 46
    assert nanogpt("migrate-ckpt", "old.pt")[0] == 130
    assert Path("old_original.pt").read_bytes() == before


@pytest.mark.parametrize("folder", ["/proc/run", "hamlet.txt", "hamlet.txt/run"])
def test_a_folder_that_cannot_be_written_is_told_before_the_first_step(refuses, text_data, folder):
    said = refuses(5, "train", *TINY, "--out-dir", folder)  # row 31
    assert f"cannot write {folder}" in said
    assert folder == "/proc/run" or "choose another folder" in said


@pytest.mark.parametrize("how", [["--force", *TINY], ["--init-from=resume"]])
def test_the_second_run_in_a_folder_is_refused(nanogpt, trained, how):
    with filelock.FileLock("out/t/.lock"):  # row 32
        before = snapshot()
        code, out, err = nanogpt("train", *how, "--out-dir=out/t", "--max-iters=9")
        assert (code, out) == (2, "")
        assert re.search(r"error: another run is training in out/t.*\nhint: ", err)
        assert snapshot() == before


def test_another_shape_is_not_resumed(refuses, trained):
    said = refuses(4, "train", "--init-from=resume", "--out-dir=out/t", "--n-layer=2", "--n-head=1")
    for difference in ("--n-layer 2, the checkpoint has 1", "--n-head 1, the checkpoint has 2"):
        assert difference in said  # row 38


def test_changed_data_is_not_resumed(nanogpt, refuses, trained):
    path = Path("data/hamlet/train.bin")
    tokens = path.read_bytes()
    path.write_bytes(tokens[:200] + tokens[:2] + tokens[202:])
    resume = ["train", "--init-from=resume", "--out-dir=out/t", "--max-iters=2"]
    assert "data/hamlet has changed" in refuses(3, *resume)  # row 17
    assert nanogpt(*resume, "--force")[0] == 0


def test_a_log_of_one_point_is_drawn_and_numbers_that_are_none_are_left_out(nanogpt, refuses):
    Path("one.jsonl").write_text(
        '{"event": "train", "step": 1, "loss": NaN}\n{"event": "train", "step": 2, "loss": 3.5}\n'
    )  # rows 61, 62
    code, out, _ = nanogpt("plot-log", "one.jsonl")
    assert code == 0
    assert "3.5000 at step 2" in out
    assert nanogpt("plot-log", "one.jsonl", "--to-jsonl", "new.jsonl")[0] == 0
    assert '"loss": null' in Path("new.jsonl").read_text()
    assert "NaN" not in Path("new.jsonl").read_text()
    Path("empty.jsonl").touch()
    assert "empty.jsonl" in refuses(3, "plot-log", "empty.jsonl")


# --- what surrounds every command -----------------------------------------------------------------


COMMANDS = {
    "prepare": "prepare hamlet.txt --tokenizer char --out data/again --force",
    "train": f"train {' '.join(TINY)} --max-iters 1 --out-dir out/again --force",
    "train --dry-run": f"train {' '.join(TINY)} --max-iters 1 --dry-run",
    "chat": "chat t -p To --max-tokens 3",
    "eval": "eval t --data data/hamlet",
    "migrate-ckpt": "migrate-ckpt old.pt -o new.pt --force",
    "plot-log": "plot-log t",
}
QUICK = ("prepare", "plot-log")
"""What loads no torch; the others take seconds to begin."""


def forms(command: str) -> list[str]:
    """Give a command's line, and the one that answers in JSON where there is such a form."""
    line = COMMANDS[command]
    return [line] if command == "train" else [line, f"{line} --json"]


def shell(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    program = shlex.join([sys.executable, "-m", "nanogpt_cli"])
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("nanogpt", program, 1)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | env,
    )


def together(lines: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    """Run many command lines in one new program; its exit code is the first that is not 0."""
    program = (
        "import shlex, sys; from nanogpt_cli import cli\n"
        "for line in sys.argv[1:]:\n"
        "    code = cli.run(shlex.split(line))\n"
        "    if code: sys.exit(code)"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *lines],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | env,
    )


each_command = pytest.mark.parametrize(
    "command", [c if c in QUICK else pytest.param(c, marks=pytest.mark.long) for c in COMMANDS]
)


@each_command
def test_a_full_stdout_is_told(trained, command):
    save(nanogpt_content(), "old.pt")
    for line in forms(command):  # row 60
        done = shell(f"nanogpt {line} >/dev/full")
        silent = command in ("prepare", "train", "train --dry-run") and "--json" not in line
        assert done.returncode == (0 if silent else 5), done.stderr
        assert ("error: cannot write to stdout: No space left" in done.stderr) is not silent


@each_command
def test_a_reader_that_is_gone_is_no_error(trained, command):
    save(nanogpt_content(), "old.pt")
    for line in forms(command):  # row 59
        done = shell(f"nanogpt {line} | head -0")
        silent = command in ("prepare", "train", "train --dry-run") and "--json" not in line
        assert done.returncode in ((0,) if silent else (0, 141)), done.stderr
        assert not re.search("error|Traceback", done.stderr)


@each_command
def test_closed_streams_are_borne(trained, command):
    save(nanogpt_content(), "old.pt")
    for closed in ("<&-", ">&-", "2>&-"):
        done = shell(f"nanogpt {COMMANDS[command]} {closed}")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("command", ["prepare -", "plot-log -"])
def test_a_stdin_that_is_closed_is_empty(command):
    done = shell(f"nanogpt {command} <&-")
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")


@pytest.mark.long
def test_a_stdout_that_knows_ascii_only_is_borne(nanogpt):
    Path("grüße.txt").write_text("Größe — “quotes” 日本語 😀\n" * 60)
    assert nanogpt("prepare", "grüße.txt", "--tokenizer=char")[0] == 0
    assert nanogpt("train", *TINY, "--max-iters=1", "--out-dir=out/ü")[0] == 0
    save(nanogpt_content(), "old.pt")
    lines = [f"{line} " for command in COMMANDS for line in forms(command)]
    for old, new in {"hamlet": "grüße", " t ": " ü ", "again": "wieder-ü"}.items():
        lines = [line.replace(old, new) for line in lines]
    done = together(lines, PYTHONIOENCODING="ascii")  # row 58
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).isascii()
    assert "out/?/ckpt.pt" in done.stdout
    done = together(["chat nö"], PYTHONIOENCODING="ascii")
    assert (done.returncode, "called n?" in done.stderr) == (4, True)


OFFLINE = """
import sys
def forbid(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print("OPENED", event, file=sys.stderr)
        raise OSError(101, "Network is unreachable")
sys.addaudithook(forbid)
"""


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Let every attempt at a connection be seen and fail, in each program that is started."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(OFFLINE)
    root = str(TABLE.parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "hook"), root]))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "no-cache"))


@pytest.mark.long
def test_no_command_opens_a_connection(offline, trained):
    save(nanogpt_content(), "old.pt")
    kinds = [f"prepare hamlet.txt --out data/{k[:4]} --tokenizer {k}"
             for k in ("gpt2", "byte", "bpe:300")]  # fmt: skip
    done = together(["prepare", *kinds, *COMMANDS.values()])  # row 64
    assert done.returncode == 0, done.stderr
    assert "OPENED" not in done.stderr


def test_what_needs_the_network_says_so(offline):
    Path("hamlet.txt").write_text("To be, or not to be" * 40)
    done = shell("nanogpt prepare hamlet.txt --out data/new --tokenizer cl100k_base")
    assert done.returncode == 3
    assert "OPENED" in done.stderr
    assert "error: tiktoken cannot load cl100k_base" in done.stderr
    assert "hint: set TIKTOKEN_CACHE_DIR" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("data/new").exists()


# --- the table ------------------------------------------------------------------------------------


def rows() -> list[tuple[int, str]]:
    """Give each row's number and its last cell."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    cells = [re.split(r"(?<!\\)\|", line) for line in lines if re.match(r"\| *\d", line)]
    return [(int(row[1]), row[-2].strip()) for row in cells]


# Runs that end in another way than they were meant to

DIVERGES = ["--learning-rate=1e30", "--optimizer=adamw", "--grad-clip=0", "--warmup-iters=0"]


def test_a_diverging_run_ends_with_its_last_good_state(nanogpt, text_data):  # row 22
    code, out, err = nanogpt(
        "train", *TINY, *DIVERGES, "--max-iters=500", "--save-every=1", "--out-dir=out/d"
    )
    assert (code, out) == (6, "")
    assert re.search(r"error: .* at step \d+ of out/d\nhint: try a lower --learning-rate", err)
    events = [json.loads(line) for line in Path("out/d/metrics.jsonl").read_text().splitlines()]
    assert [events[-2]["event"], events[-1]["reason"]] == ["diverged", "diverged"]
    state = torch.load("out/d/last.pt", weights_only=True)
    assert state["step"] < events[-2]["step"]
    assert all(tensor.isfinite().all() for tensor in state["model"].values())


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on files")
def test_a_disk_that_fills_while_saving_ends_the_run(nanogpt, trained):  # row 30
    before = {path: path.read_bytes() for path in Path("out/t").glob("*.pt")}
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000));"
        "from nanogpt_cli.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    arguments = ["train", "--init-from=resume", "--out-dir=out/t", "--max-iters=100000"]
    done = subprocess.run(
        [sys.executable, "-c", limited, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 5, done.stderr
    assert re.search(r"error: cannot write out/t/\w+\.pt: File too large\nhint: ", done.stderr)
    assert {path: path.read_bytes() for path in Path("out/t").glob("*.pt")} == before
    assert not list(Path("out/t").glob(".*tmp*"))


def test_a_damaged_newest_state_gives_way_to_the_one_before(nanogpt, text_data):  # row 34
    arguments = ["--save-every=2", "--keep=2", "--max-iters=6", "--out-dir=out/k"]
    assert nanogpt("train", *TINY, *arguments)[0] == 0
    Path("out/k/step-00000006.pt").unlink()
    whole = bytearray(Path("out/k/last.pt").read_bytes())
    whole[len(whole) // 2] ^= 1
    Path("out/k/last.pt").write_bytes(whole)
    code, _, err = nanogpt("train", "--init-from=resume", "--out-dir=out/k")
    assert code == 0, err
    assert "note: out/k/last.pt is corrupt" in err
    assert "resuming from out/k/step-00000004.pt, the last good one" in err


def test_another_machine_is_warned_of(nanogpt, text_data):  # row 37
    assert nanogpt("train", *TINY, "--max-iters=2", "--out-dir=out/m")[0] == 0
    last = torch.load("out/m/last.pt", weights_only=True)
    last["training"]["machine"] |= {"threads": 999, "torch": "2.0.0"}
    torch.save(last, "out/m/last.pt")
    code, _, err = nanogpt("train", "--init-from=resume", "--out-dir=out/m", "--max-iters=3")
    assert code == 0, err
    assert "no longer bit for bit as before: torch 2.0.0 -> " in err
    assert "threads 999 -> " in err


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_second_interrupt_leaves_at_once_and_whole(trained):  # row 27
    slow = (
        "import sys, time; from nanogpt_cli import files; from nanogpt_cli.cli import run\n"
        "real = files.LargeFile.write\n"
        "def write(target, data): time.sleep(0.05); return real(target, data)\n"
        "files.LargeFile.write = write\n"
        "sys.exit(run(sys.argv[1:]))"
    )
    before = Path("out/t/last.pt").read_bytes()
    arguments = ["train", "--init-from=resume", "--out-dir=out/t", "--max-iters=1000000"]
    run = subprocess.Popen([sys.executable, "-c", slow, *arguments], stderr=subprocess.PIPE)
    wait_for = time.monotonic() + 60
    while not list(Path("out/t").glob(".last.pt*")) and time.monotonic() < wait_for:
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    time.sleep(0.3)  # it waits for the save, which takes seconds
    assert run.poll() is None
    begun = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert time.monotonic() - begun < 5
    assert b"Traceback" not in err
    assert Path("out/t/last.pt").read_bytes() == before
    assert not list(Path("out/t").glob(".*tmp*"))


def test_the_table_names_tests_that_exist():
    numbers = [number for number, _ in rows()]
    assert numbers == list(range(1, len(numbers) + 1))
    defined: dict[str, set[str]] = {}
    for number, cell in rows():
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", cell)
        assert named, f"row {number} names no test"
        assert cell.count("`") == 2 * len(named), f"row {number}: {cell}"
        for file, name in named:
            if file not in defined:
                tree = ast.parse((Path(__file__).parents[1] / file).read_text(encoding="utf-8"))
                defined[file] = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
            assert name in defined[file], f"row {number}: {file} has no {name}"
            assert name.startswith("test_")
