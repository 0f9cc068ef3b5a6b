"""No untrusted file makes anything run, hang, fill the memory or be written elsewhere."""

import copy
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from old_checkpoints import CHARACTERS, char_folder, nanogpt_content
from safetensors.torch import save_file
from strangers import CANARY, PICKLES, bombs, containers, rezipped

from nanogpt_cli import cli
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.errors import MachineError
from nanogpt_cli.logs.metrics import MetricsLog

SHORT, LONG = 20, 600
"""Mutated files of each kind, in the normal tests and in the long ones."""


def well_behaved(result, allowed):
    """Check how a command ended: a known exit code, one error and its hint, a clean screen."""
    code, out, err = result
    assert code in allowed, (code, err)
    assert "Traceback" not in err
    for line in (out + err).split("\n"):
        assert line.isprintable(), line
    if code:
        starts = [line.split(" ")[0] for line in err.splitlines()]
        assert (starts.count("error:"), starts.count("hint:")) == (1, 1), err
    return code


# Valid files of each kind, small


def checkpoint(tiny, **settings):
    """Write our own checkpoint of a tiny model that knows CHARACTERS."""
    model = tiny(**settings)
    made = Checkpoint(
        config=model.config,
        model=dict(model.state_dict()),
        tokenizer={"kind": "char", "characters": CHARACTERS, "special_tokens": {}},
        data={"folder": "data/old", "fingerprint": "f"},
        train_config={"max_iters": 7},
        step=3,
        val_loss=1.5,
    )
    made.save(Path("good.pt"))
    return torch.load("good.pt", weights_only=True)


def hugging_face(tiny, folder=Path("hf")):
    """Write a folder as Hugging Face has GPT-2."""
    folder.mkdir()
    model = tiny(bias=True, gelu="tanh")
    weights = {
        name: tensor.t().contiguous() if re.search(r"(c_attn|c_proj|c_fc).weight", name) else tensor
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    save_file(weights, folder / "model.safetensors")
    shape = {"model_type": "gpt2", "n_positions": 16, "n_layer": 2, "n_head": 2, "n_embd": 16,
             "vocab_size": 37, "layer_norm_epsilon": 1e-5}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(shape))


CHAT = '<human>how are you?<endOfText>\n<bot>well, "thanks"<endOfText>\n\n' * 12
LOG = "".join(
    json.dumps(event) + "\n"
    for event in (
        {"event": "run", "config": {"n_layer": 2}, "data": {"folder": "data/old"}},
        {"event": "train", "step": 10, "time": 1.5, "loss": 3.25, "tokens_per_sec": 100.0},
        {"event": "sample", "step": 10, "prompt": "To be", "text": "or not"},
        {"event": "train", "step": 20, "time": 2.5, "loss": 3.0, "tokens_per_sec": 110.0},
        {"event": "eval", "step": 20, "time": 3.0, "train_loss": 3.0, "val_loss": 3.1},
        {"event": "end", "step": 20, "time": 3.0, "reason": "done"},
    )
)
CONSOLE = (
    "tokens per iteration will be: 16,384\nstep 0: train loss 4.2874, val loss 4.2823\n"
    + "".join(f"iter {i}: loss {4 - i / 10:.4f}, time 12.34ms, mfu 1.00%\n" for i in range(9))
)
TOML = """# a run
n_layer = 2
learning-rate = 1e-3
out_dir = "out/new"
[train]
max_iters = 5
pos_embd = "rope"
compile = false
time = "20m"
"""
NANOGPT_PY = """# train a miniature model
import time
out_dir = 'out-new'
eval_interval = 250 # keep frequent
batch_size = 12 * 2
learning_rate = 1e-3
compile = False
"""


@dataclass(frozen=True)
class Kind:
    """A kind of file: a valid one, its path, what reads it and how that may end."""

    seed: bytes
    place: str
    commands: tuple[str, ...]
    allowed: tuple[int, ...]
    tree: Any = None
    """Its content as nested lists and dictionaries, and how to write them again."""
    dump: Any = None


def kinds(tiny):
    """Make every kind of untrusted file, in the current folder."""
    content = checkpoint(tiny)
    zipped = Path("good.pt").read_bytes()
    inner = rezipped(zipped, lambda name, data: data)
    assert inner == rezipped(inner, lambda name, data: data)
    old = nanogpt_content()
    torch.save(old, "old.pt", _use_new_zipfile_serialization=False)
    legacy = Path("old.pt").read_bytes()
    char_folder(CHARACTERS)
    hugging_face(tiny)
    Path("hamlet.txt").write_text("to be, or not to be\n" * 40)
    cli.run(["prepare", "hamlet.txt", "--out", "data/ours", "--tokenizer", "char", "-q"])
    meta = json.loads(Path("data/ours/meta.json").read_text())
    words = {"kind": "bpe", "name": "bpe:257", "special_tokens": {"<|endoftext|>": 257},
             "pattern": _pattern(), "ranks": _ranks()}  # fmt: skip
    jsonl = [{"text": "to be"}, {"messages": [{"role": "user", "content": "hi"},
             {"role": "bot", "content": "yes"}]}, {"prompt": "a", "completion": "b"}]  # fmt: skip
    jsonl_dump = lambda tree: "\n".join(map(json.dumps, tree)).encode()  # noqa: E731
    json_dump = lambda tree: json.dumps(tree).encode()  # noqa: E731
    models = (
        "chat {} -p to --max-tokens 2",
        "migrate-ckpt {} -o new.pt --force",
        "eval {} --data hamlet.txt",
        "eval {} --data data/old",
        "train --init-from {} --data-dir data/old --dry-run",
    )
    log = ("plot-log {}", "plot-log {} --json", "plot-log {} --to-jsonl new.jsonl")
    prepare = ("prepare {} --out data/new --force --tokenizer byte",)
    use_ours = (
        "train --data-dir {folder} --dry-run",
        "prepare hamlet.txt --out data/new --force --tokenizer {folder}",
    )
    use_data = ("train --data-dir {folder} --dry-run", "eval good.pt --data {folder}")
    train = ("train {} --data-dir data/old --dry-run",)
    folder = Path("data/old")
    events = [json.loads(line) for line in LOG.splitlines()]
    hf = (
        "eval {folder} --data data/old",
        "train --init-from {folder} --data-dir data/old --dry-run",
    )
    config = json.loads(Path("hf/config.json").read_text())
    return {
        "checkpoint": Kind(zipped, "x.pt", models, (0, 4)),
        "pickle in a checkpoint": Kind(
            zipfile_pickle(zipped), "x.pt", models, (0, 2, 3, 4), dump=_inside(zipped)
        ),
        "content of a checkpoint": Kind(b"", "x.pt", models, (0, 2, 3, 4, 5), content, _saved),
        "content of nanoGPT's": Kind(b"", "x.pt", models, (0, 2, 3, 4, 5), old, _saved),
        "checkpoint before 1.6": Kind(legacy, "x.pt", models, (0, 4)),
        "meta.json": Kind(
            json_dump(meta), "data/ours/meta.json", use_ours, (0, 3, 4), meta, json_dump
        ),
        "tokenizer": Kind(
            json_dump(words), "words.json", ("prepare hamlet.txt --out data/new --force "
            "--tokenizer {}",), (0, 2, 3), words, json_dump,
        ),
        "meta.pkl": Kind(
            (folder / "meta.pkl").read_bytes(), "data/old/meta.pkl", use_data, (0, 3, 4)
        ),
        "train.bin": Kind(
            Path("data/ours/train.bin").read_bytes(), "data/ours/train.bin", use_ours, (0, 3, 4)
        ),
        "metrics.jsonl": Kind(LOG.encode(), "out/x/metrics.jsonl", log, (0, 3), events, jsonl_dump),
        "console log": Kind(CONSOLE.encode(), "x.log", log, (0, 3)),
        "settings in TOML": Kind(TOML.encode(), "x.toml", train, (0, 2, 3, 4, 5)),
        "settings of nanoGPT's": Kind(NANOGPT_PY.encode(), "x.py", train, (0, 2, 3, 4, 5)),
        "dialogue": Kind(CHAT.encode(), "x.txt", prepare, (0, 3)),
        "JSONL": Kind(jsonl_dump(jsonl * 4), "x.jsonl", prepare, (0, 3), jsonl * 4, jsonl_dump),
        "CSV": Kind(b'human,bot\n' + b'hi,"yes, ""I"" am"\n' * 9, "x.csv", prepare, (0, 3)),
        "config.json": Kind(json_dump(config), "hf/config.json", hf, (0, 2, 4), config, json_dump),
        "safetensors": Kind(
            Path("hf/model.safetensors").read_bytes(), "hf/model.safetensors", hf, (0, 4)
        ),
    }  # fmt: skip


KINDS = (
    "checkpoint", "pickle in a checkpoint", "content of a checkpoint", "content of nanoGPT's",
    "checkpoint before 1.6", "meta.json", "tokenizer", "meta.pkl", "train.bin", "metrics.jsonl",
    "console log", "settings in TOML", "settings of nanoGPT's", "dialogue", "JSONL", "CSV",
    "config.json", "safetensors",
)  # fmt: skip


@cache
def _pattern():
    from nanogpt_cli.tokenizer.bpe import PATTERNS

    return PATTERNS["gpt2"]


def _ranks():
    import base64

    tokens = [bytes([i]) for i in range(256)] + [b"to"]
    return " ".join(base64.b64encode(token).decode() for token in tokens)


def zipfile_pickle(zipped):
    """Take data.pkl out of a checkpoint."""
    found = []
    rezipped(zipped, lambda name, data: found.append(data) if name.endswith("data.pkl") else b"")
    return found[0]


def _inside(zipped):
    """Put another data.pkl into a checkpoint, with checksums that are right."""
    return lambda data: rezipped(zipped, lambda name, old: data if name.endswith("l") else old)


def _saved(content):
    torch.save(content, "saved.pt")
    return Path("saved.pt").read_bytes()


# Mutations

WORDS = (
    b"0", b"-1", b"1e400", b"-0.0", b"NaN", b"Infinity", b"true", b"null", b"[]", b"{}", b'""',
    b"9" * 400, b"9" * 5000, b"2147483648", b"18446744073709551616", b"0x1F600", b"[" * 3000,
    b'{"a":' * 1500, b"\x1b[31mred\x1b]0;title\x07", b"[/red]", b"<script>alert(1)</script>",
    b"../../precious/file", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\r\n\n", b'"', b"'", b",", b"\\",
    "‮\u2028\x85\u200b😀".encode(), b"<human>", b"<endOfText>", b"iter 1: loss nan", b".", b"}",
    b"__import__('os').system('touch canary')", b"cos\nsystem\n(S'touch canary'\ntR.", b"\x94\x93R",
)  # fmt: skip
VALUES = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**70, 10**400, -1e308, float("nan"), float("inf"), 1e-320,
    "", "x", "\x1b[31m", "../../precious/file", "\0", "[/red]", "<b>&\"'", "\ud800", "y" * 70_000,
    [], {}, [1, 2, 3], {"a": [None]}, ["x"] * 300, "gpt2", "byte", "rope", "relative", "uint32",
)  # fmt: skip
TENSORS = (
    torch.Tensor.half, torch.Tensor.long, torch.Tensor.cfloat, torch.Tensor.to_sparse,
    lambda old: old[:1], lambda old: old[..., None], lambda old: old * float("nan"),
    lambda old: old.to("meta"), lambda old: old.expand(3, *old.shape),
    lambda old: old.new_zeros(()), lambda old: old.new_zeros(0), torch.nn.Parameter,
)  # fmt: skip
EDITS = st.lists(
    st.tuples(
        st.sampled_from(("flip", "cut", "drop", "insert", "overwrite", "double", "word")),
        st.integers(0, 2**24),
        st.integers(0, 2**10),
        st.sampled_from(WORDS),
        st.sampled_from(VALUES),
    ),
    min_size=1,
    max_size=4,
)


def mutated(kind, edits):
    """Change a valid file: its content, where it has a structure, or its bytes."""
    if kind.tree is not None:
        tree = copy.deepcopy(kind.tree)
        structural = not edits or edits[0][1] % 4
        for _, where, length, _, value in edits if structural else ():
            _change(tree, where, length, value)
        return kind.dump(tree) if structural else _scrambled(kind.dump(tree), edits)
    data = _scrambled(kind.seed, edits)
    return kind.dump(data) if kind.dump else data


def _scrambled(data, edits):
    for op, where, length, word, _ in edits:
        at = where % (len(data) + 1)
        match op:
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << length % 8]) + data[at + 1 :]
            case "cut":
                data = data[:at]
            case "drop":
                data = data[:at] + data[at + length % 64 :]
            case "double":
                data = data[: at + length] + data[at:]
            case "insert":
                data = data[:at] + word + data[at:]
            case "overwrite":
                data = data[:at] + word[:100] + data[at + len(word[:100]) :]
            case _:
                if found := re.compile(rb"-?\d[\d.e-]*|\"[^\"]*\"|\w+").search(data, at):
                    data = data[: found.start()] + word + data[found.end() :]
    return data


def _change(tree, where, length, value):
    """Put ``value`` in the place of something, take something away, or move it."""
    places = [(tree, key) for key in (tree if isinstance(tree, dict) else range(len(tree)))]
    for holder, key in places:
        inner = holder[key]
        if isinstance(inner, dict):
            places += [(inner, k) for k in inner]
        elif isinstance(inner, list):
            places += [(inner, i) for i in range(min(len(inner), 50))]
    if not places:
        return
    holder, key = places[where % len(places)]
    old = holder[key]
    match length % 6:
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(value)[:300]] = old
        case 2:
            for _ in range(length % 100):
                old = [old]
            holder[key] = old
        case 3 if isinstance(old, torch.Tensor) and old.dim() and old.layout == torch.strided:
            holder[key] = TENSORS[where % len(TENSORS)](old)
        case _:
            holder[key] = copy.deepcopy(value)


@pytest.fixture
def stranger(tiny, nanogpt, capsys, monkeypatch):
    """Return a function that feeds one file to a command and checks how it ends."""
    from nanogpt_cli.cli import train_view

    monkeypatch.setattr(train_view, "plan", lambda run: {})  # which times some steps
    Path("precious").mkdir()
    Path("precious/file").write_text("precious")
    all_kinds = kinds(tiny)
    capsys.readouterr()
    before = Path("precious/file").stat()
    slowest = 0.0

    def feed(name, edits, number=None):
        nonlocal slowest
        kind = all_kinds[name]
        path = Path(kind.place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(kind, edits))
        number = edits[0][2] if number is None else number
        command = kind.commands[number % len(kind.commands)]
        words = [word.format(path, folder=path.parent) for word in command.split()]
        begin = time.process_time()
        code = well_behaved(nanogpt(*words), kind.allowed)
        slowest = max(slowest, time.process_time() - begin)
        assert slowest < 5, words
        assert not Path(CANARY).exists()
        after = Path("precious/file").stat()
        assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
        return code

    yield feed
    assert os.listdir("precious") == ["file"]


def hunt(feed, name, examples):
    """Feed a number of mutated files of one kind."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(EDITS)
    def strike(edits):
        feed(name, edits)

    strike()


def test_the_files_are_valid_before_they_are_mutated(stranger):
    for name in KINDS:
        assert [stranger(name, [], number) for number in range(5)] == [0] * 5, name


@pytest.mark.parametrize("name", KINDS)
def test_mutated_files_end_in_an_answer_or_in_one_error(stranger, name):
    hunt(stranger, name, SHORT)


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_ten_thousand_mutated_files_end_in_an_answer_or_in_one_error(stranger, name):
    hunt(stranger, name, LONG)


# Pickles that would run code

PROGRAM = """
import encodings.cp437, io, json, os, resource, sys, time  # cp437 names the entries of zips
from contextlib import redirect_stderr, redirect_stdout
import torch
from nanogpt_cli import cli
from nanogpt_cli.cli import ui
from nanogpt_cli.cli import train_view
torch.set_num_threads(1)
train_view.plan = lambda run: {}
done, crimes, watching = [], [], False
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.remove", "os.rename",
    "os.mkdir", "os.link", "os.symlink", "pty.", "subprocess.", "socket.", "ctypes.",
    "shutil.", "pickle.find_class", "marshal.", "exec", "compile", "import", "urllib.",
    "webbrowser.",
)

def watch(event, arguments):
    if not watching:
        return
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
    if writes or event.startswith(FORBIDDEN):
        crimes.append(f"{event} {arguments!r}"[:300])
        raise RuntimeError("this is forbidden")

def run(arguments):
    ui.console.cache_clear()
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = cli.run(arguments)
    return code, out.getvalue()

sys.addaudithook(watch)
cases = [json.loads(line) for line in sys.stdin]
sys.stdin = open(os.devnull)
for case in cases:
    watching, crimes = case["watched"], []
    begin, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        code, said = run(case["arguments"])
    except BaseException as error:
        code, said = -1, repr(error)
    watching = False
    seconds = time.process_time() - begin
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    done.append({**case, "code": code, "said": said, "crimes": crimes, "seconds": seconds,
                 "megabytes": grown, "canary": os.path.exists("canary")})
print(json.dumps(done))
"""


def in_a_cell(cases, memory=None):
    """Run command lines in a process of their own, some of them watched; return what each did."""
    limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))) if memory else None
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=lines, capture_output=True, text=True,
        preexec_fn=limit, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_the_hostile_pickles_have_teeth():
    program = (
        "import os, pickle, sys, time, strangers\n"
        "for name, code in strangers.TEETH.items():\n"
        "    try: pickle.loads(code + b'.')\n"
        "    except Exception: pass\n"
        "    for _ in range(100):\n"
        "        if os.path.exists(strangers.CANARY): break\n"
        "        time.sleep(0.01)\n"
        "    else: sys.exit(f'{name} runs nothing')\n"
        "    os.remove(strangers.CANARY)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


MODELS = (
    ["chat", "{}", "-p", "to", "--max-tokens", "2"],
    ["eval", "{}", "--data", "data/old"],
    ["migrate-ckpt", "{}", "-o", "{}.new"],
    ["train", "--init-from", "{}", "--data-dir", "data/old", "--dry-run"],
)


def test_no_pickle_runs_code_whatever_it_is_wrapped_in(tiny):
    feed_pickles(tiny, every=5)


@pytest.mark.long
def test_no_pickle_runs_code_in_any_wrapping(tiny):
    feed_pickles(tiny, every=1)


def feed_pickles(tiny, every):
    """Feed hostile pickles, each in one of ``every`` wrappings, to commands that are watched."""
    checkpoint(tiny)
    sound = Path("good.pt").read_bytes()
    char_folder(CHARACTERS)
    torch.save(nanogpt_content(), "old.pt")
    Path("junk.pt").write_bytes(b"junk")
    warm = [
        [word.format(file) for word in line] for file in ("good.pt", "junk.pt") for line in MODELS
    ]
    char_folder("no pickle", Path("data/junk"))
    Path("data/junk/meta.pkl").write_bytes(b"junk")
    by_folder = (
        ["chat", "old.pt", "-p", "to", "--data-dir", "{}"],
        ["migrate-ckpt", "old.pt", "-o", "new2.pt", "--data-dir", "{}"],
        ["train", "--data-dir", "{}", "--dry-run"],
    )
    for line in by_folder:
        warm += [[word.format(folder) for word in line] for folder in ("data/old", "data/junk")]
    cases = [
        {"name": "sound", "arguments": line, "watched": False, "expected": None} for line in warm
    ]
    for number, (name, code) in enumerate(PICKLES.items()):
        for wrapping, data in [*containers(code, sound).items()][number % every :: every]:
            path = Path("strange", f"{len(cases)}.pt")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            line = [word.format(path) for word in MODELS[len(cases) % len(MODELS)]]
            cases.append({"name": f"{name}, {wrapping}", "arguments": line, "watched": True,
                          "expected": 4, "path": str(path)})  # fmt: skip
        folder = char_folder(CHARACTERS, Path("strange", str(number)))
        (folder / "meta.pkl").write_bytes(code)
        line = [word.format(folder) for word in by_folder[number % len(by_folder)]]
        cases.append({"name": f"{name}, meta.pkl", "arguments": line, "watched": True,
                      "expected": 3, "path": str(folder)})  # fmt: skip
    for case in in_a_cell(cases):
        told = (case["name"], case["code"], case["said"][-400:], case["crimes"])
        assert not case["canary"], told
        assert not case["crimes"], told
        if case["expected"] is None:
            continue
        assert case["code"] == case["expected"], told
        starts = [line.split(" ")[0] for line in case["said"].splitlines()]
        assert (starts.count("error:"), starts.count("hint:")) == (1, 1), told
        assert case["path"] in case["said"], told


def other_bombs(tiny):
    """Write other files that claim much; return what reads them, and the exit code."""
    char_folder(CHARACTERS)
    hugging_face(tiny)
    config = json.loads(Path("hf/config.json").read_text())
    weights = Path("hf/model.safetensors").read_bytes()
    good = {"tokenizer": {"kind": "byte", "special_tokens": {}}}
    tags = {f"<|{i}|>": 300 + i for i in range(200_000)}
    digits, nested = "9" * 1_000_000, '{"a":' * 200_000
    claim = json.dumps({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}})
    train, log = "train {} --data-dir data/old --dry-run", "plot-log {}"
    prepare, meta = (
        "prepare {} --out data/new --tokenizer byte",
        "train --data-dir {folder} --dry-run",
    )
    model = "eval {folder} --data data/old"
    return {
        "dotted keys": ("x.toml", "a" + ".a" * 30_000 + "= 1", train, 2),
        "dotted lines": ("y.toml", "\n".join(f"a{i}" + ".a" * 490 for i in range(60)), train, 2),
        "arrays": ("z.toml", "n_layer = " + "[\n" * 30_000, train, 2),
        "digits": ("d.toml", "n_layer = " + "9" * 900, train, 2),
        "products": ("x.py", "n_layer = " + "(9*\n" * 90 + "9" * 900 + ")" * 90, train, 2),
        "brackets": ("y.py", "n_layer = " + "(\n" * 30_000, train, 2),
        "signs": ("z.py", "n_layer = (" + "-\n" * 30_000 + "1)", train, 2),
        "a megabyte of settings": ("m.toml", "# x\n" * 300_000, train, 2),
        "a nested meta.json": ("m1/meta.json", nested, meta, 3),
        "digits in meta.json": ("m2/meta.json", f'{{"tokenizer": {digits}}}', meta, 3),
        "many special tokens": (
            "m3/meta.json", json.dumps({"tokenizer": {"kind": "gpt2", "special_tokens": tags}}),
            meta, 3,
        ),
        "a long special token": (
            "m4/meta.json",
            json.dumps({"tokenizer": {"kind": "gpt2", "special_tokens": {"x" * 10**6: 60_000}}}),
            meta, 3,
        ),
        "absurd numbers": (
            "m5/meta.json", json.dumps(good | {"train": {"tokens": 10**4000}}), meta, 3
        ),
        "an absurd id": (
            "m6/meta.json",
            json.dumps({"tokenizer": {"kind": "byte", "special_tokens": {"x": 2**40}}}), meta, 3,
        ),
        "a nested config.json": ("h1/config.json", nested, model, 4),
        "layers without end": ("h2/config.json", json.dumps(config | {"n_layer": 2**30}), model, 4),
        "a gigantic width": ("h3/config.json", json.dumps(config | {"n_embd": 2**40}), model, 4),
        "absurd digits": ("h4/config.json", json.dumps(config | {"n_embd": 10**4000}), model, 4),
        "a header without end": ("h5/model.safetensors", b"\xff" * 7 + b"\x7f" + weights, model, 4),
        "a claim of terabytes": (
            "h6/model.safetensors", len(claim).to_bytes(8, "little") + claim.encode(), model, 4
        ),
        "a log of one line": ("1.log", "[" * 20_000_000, log, 3),
        "a log of empty lines": ("2.log", "\n" * 2_000_000, log, 3),
        "a loss without end": ("3.log", f"step 1: train loss {digits}, val", log, 3),
        "escapes without end": ("4.log", "\x1b]" * 500_000, log, 3),
        "a JSONL of one line": ("1.jsonl", '"' + "x" * 30_000_000, prepare, 3),
        "a nested JSONL": ("2.jsonl", nested, prepare, 3),
        "digits in JSONL": ("3.jsonl", digits, prepare, 3),
        "an open quote in a table": ("1.csv", 'human,bot\n"' + "x\n" * 5_000_000, prepare, 3),
        "a table of columns": ("2.csv", "a," * 1_000_000, prepare, 3),
    }  # fmt: skip


def checkpoint_bombs(content):
    """Write checkpoints that claim much; return what reads them, and the exit code."""
    made = bombs(Path("good.pt").read_bytes())
    found = {
        name: (f"{number}.pt", data, " ".join(MODELS[number % 2]), 4)
        for number, (name, data) in enumerate(made.items())
    }
    endless = copy.deepcopy(content)
    endless["model_config"]["block_size"] = 2**24
    for number, line in enumerate(MODELS[:3]):
        place = f"endless{number}.pt"
        found[f"a context without end, {line[0]}"] = (place, _saved(endless), " ".join(line), 0)
    return found


def test_no_file_takes_more_than_its_size_justifies(tiny):
    content = checkpoint(tiny, pos_embd="rope")
    found = checkpoint_bombs(content) | other_bombs(tiny)
    Path("x.log").write_text(CONSOLE)
    Path("hamlet.txt").write_text(CHAT)
    lines = [[word.format("good.pt") for word in line] for line in MODELS]
    lines += [
        line.split()
        for line in (
            "eval hf --data data/old", "plot-log x.log",
            "prepare hamlet.txt --tokenizer byte --out data/sound",
        )
    ]  # fmt: skip
    cases = [{"name": "sound", "arguments": line, "watched": False} for line in lines]
    for name, (place, data, command, code) in found.items():
        path = Path(place)
        if path.parent != Path():
            shutil.copytree("hf" if place[0] == "h" else "data/old", path.parent)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        words = [word.format(path, folder=path.parent) for word in command.split()]
        cases.append({"name": name, "arguments": words, "watched": False, "expected": code,
                      "size": len(data)})  # fmt: skip
    for case in in_a_cell(cases, memory=6 * 2**30):
        told = {**case, "said": case["said"][:300]}
        assert case["code"] == case.get("expected", 0), told
        if "size" in case:
            assert case["seconds"] < 8, told
            assert case["megabytes"] < 100 + 10 * case["size"] / 1e6, told
        if case["code"]:
            well_behaved((case["code"], "", case["said"]), (case["expected"],))
        if case["name"] in ("a tensor without strides", "one storage many times"):
            assert "claim more than the file holds" in case["said"], told


def test_weights_too_large_to_count_with_are_named(tiny, nanogpt):
    content = checkpoint(tiny)
    content["model"]["transformer.ln_f.weight"][:] = 3e38
    torch.save(content, "large.pt")
    code, _, err = nanogpt("chat", "large.pt", "-p", "to")
    assert code == 4
    assert "large.pt: the model's output for this text is not finite" in err


def test_names_in_an_archive_lead_nowhere(tiny, nanogpt):
    checkpoint(tiny)
    more = {"/tmp/precious": b"x", "../../precious": b"x", "a/../../x": b"x", "c:\\x": b"x"}
    sound = Path("good.pt").read_bytes()
    Path("x.pt").write_bytes(rezipped(sound, lambda name, data: data, more=more))
    before = sorted(Path().rglob("*"))
    assert nanogpt("chat", "x.pt", "-p", "to")[0] == 0
    assert sorted(Path().rglob("*")) == before


# Links


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
        ("loss.svg", ["plot-log", "x", "-o", "loss.svg"]),
        ("new.jsonl", ["plot-log", "x", "--to-jsonl", "new.jsonl"]),
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


# Names

NASTY = "a\x1b]0;t\x07\x1b[31m\n[/red]<script>&'\"\u202e\x9b"


def test_names_are_harmless_on_the_screen(tiny, nanogpt, text_data, monkeypatch):
    monkeypatch.setattr("nanogpt_cli.cli.train_view.plan", lambda run: {})
    content = checkpoint(tiny)
    run = Path("out", NASTY.replace("/", ""))
    run.mkdir(parents=True)
    torch.save(content, run / "ckpt.pt")
    (run / "metrics.jsonl").write_text(LOG.replace("To be", json.dumps(NASTY)[1:-1]))
    char_folder(CHARACTERS)
    Path("broken.toml").write_text(f"n_layer = {json.dumps(NASTY)}")
    Path("bad.pt").write_bytes(_saved({**content, "model": {NASTY: torch.ones(2)}}))
    Path("unknown.pt").write_bytes(_saved({**content, "model_config": {NASTY: 1}}))
    words = {"kind": NASTY, "special_tokens": {}}
    Path("words.pt").write_bytes(_saved({**content, "tokenizer": words}))
    words = {"kind": "byte", "special_tokens": {NASTY: 256}}
    Path("special.pt").write_bytes(_saved({**content, "tokenizer": words}))
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
        (4, ["chat", "bad.pt"]),
        (4, ["chat", "unknown.pt"]),
        (4, ["chat", "words.pt"]),
        (4, ["chat", "special.pt"]),
        (4, ["chat", NASTY]),
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
    assert "<script" not in page + Path("loss.svg").read_text()
    assert "&lt;script&gt;" in page
