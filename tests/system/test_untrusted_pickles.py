"""No untrusted file runs code, fills the memory or leads out of its folder."""

import copy
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hostile import PICKLES, bombs, containers, rezipped
from old_checkpoints import CHARACTERS, char_folder, nanogpt_content
from small_files import CHAT, CONSOLE, checkpoint, hugging_face, saved, well_behaved

PROGRAM = """
import encodings.cp437, io, json, os, resource, sys, time  # cp437 names the entries of zips
from contextlib import redirect_stderr, redirect_stdout
import torch
from nanogpt_cli import cli
from nanogpt_cli.cli import ui
from nanogpt_cli.cli import train_view
torch.set_num_threads(1)
train_view.show_forecast = lambda run: {}
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
        "import os, pickle, sys, time, hostile\n"
        "for name, code in hostile.TEETH.items():\n"
        "    try: pickle.loads(code + b'.')\n"
        "    except Exception: pass\n"
        "    for _ in range(100):\n"
        "        if os.path.exists(hostile.CANARY): break\n"
        "        time.sleep(0.01)\n"
        "    else: sys.exit(f'{name} runs nothing')\n"
        "    os.remove(hostile.CANARY)\n"
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
    feed_pickles(tiny, every=60)


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
        found[f"a context without end, {line[0]}"] = (place, saved(endless), " ".join(line), 0)
    return found


@pytest.mark.long
def test_no_file_takes_more_than_its_size_justifies(tiny):
    feed_bombs(tiny, every=10)


@pytest.mark.long
def test_none_of_many_files_takes_more_than_its_size_justifies(tiny):
    feed_bombs(tiny, every=1)


def feed_bombs(tiny, every):
    """Feed every n-th of the files that claim much to commands whose time and memory is limited."""
    content = checkpoint(tiny, pos_embd="rope")
    made = checkpoint_bombs(content) | other_bombs(tiny)
    found = dict(list(made.items())[::every])
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
