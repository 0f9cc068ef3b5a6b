"""A small valid file of every kind that the program reads."""

import gzip
import io
import json
import re
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hostile import rezipped
from old_checkpoints import CHARACTERS, char_folder, nanogpt_content
from safetensors.torch import save_file

from nanogpt_cli import cli
from nanogpt_cli.checkpoint.schema import Checkpoint

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


WHATSAPP = (
    "31/12/2023, 21:58 - Messages are encrypted.\n31/12/2023, 22:15 - Anna: Are you coming?\n"
    "31/12/2023, 22:16 - Bo: Yes!\nI am.\n01/01/2024, 00:01 - Anna: Happy new year!\n"
) * 6


TELEGRAM = {"name": "Bo", "type": "personal_chat", "id": 7, "messages": [
    {"id": i, "type": "message", "date": f"2024-01-{i:02}T10:00:00", "from": ["Anna", "Bo"][i % 2],
     "text": ["well, ", {"type": "bold", "text": "thanks"}]} for i in range(1, 29)
]}  # fmt: skip


EMPATHETIC = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n" + (
    "hit:0,1,sad,I lost_comma_ it.,1,I lost my keys.,5,\n"
    "hit:0,2,sad,I lost_comma_ it.,0,Oh no!,5,\n" * 9
)


SUBTITLES = "1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i> there.\n\n" * 9


HTML = "<!doctype html><html><head><title>x</title></head><body>" + (
    "<h1>A title</h1><p>Some <b>bold</b> text &amp; more.<br>A line</p>" * 9
)


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
    Path("chat.txt").write_text(CHAT)
    cli.run(["prepare", "chat.txt", "--out", "data/chat", "--tokenizer", "byte", "-q"])
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
    use_chat = ("train --data-dir {folder} --dry-run",)
    me = ("prepare {} --me Anna --out data/new --force --tokenizer byte",)
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
        "content of a checkpoint": Kind(b"", "x.pt", models, (0, 2, 3, 4, 5), content, saved),
        "content of nanoGPT's": Kind(b"", "x.pt", models, (0, 2, 3, 4, 5), old, saved),
        "checkpoint before 1.6": Kind(legacy, "x.pt", models, (0, 4)),
        "meta.json": Kind(
            json_dump(meta), "data/ours/meta.json", use_ours, (0, 3, 4), meta, json_dump
        ),
        "tokenizer": Kind(
            json_dump(words), "words.json", ("prepare hamlet.txt --out data/new --force "
            "--tokenizer {}",), (0, 2, 3), words, json_dump,
        ),
        "tokenizer.json": Kind(
            json_dump(_hugging_face()), "tokenizer.json", ("prepare hamlet.txt --out data/new "
            "--force --tokenizer {}",), (0, 2, 3), _hugging_face(), json_dump,
        ),
        "ranks": Kind(
            b"".join(b"%s %d\n" % (token.encode(), i) for i, token in enumerate(_ranks().split())),
            "x.tiktoken", ("prepare hamlet.txt --out data/new --force --tokenizer {}:gpt2",),
            (0, 2, 3),
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
        "JSONL": Kind(jsonl_dump(jsonl * 40), "x.jsonl", prepare, (0, 3), jsonl * 40, jsonl_dump),
        "JSON": Kind(json_dump(jsonl * 40), "x.json", prepare, (0, 3), jsonl * 40, json_dump),
        "WhatsApp": Kind(WHATSAPP.encode(), "x.txt", me, (0, 3)),
        "Telegram": Kind(json_dump(TELEGRAM), "x.json", me, (0, 3), TELEGRAM, json_dump),
        "Empathetic Dialogues": Kind(EMPATHETIC.encode(), "x.csv", prepare, (0, 3)),
        "subtitles": Kind(SUBTITLES.encode(), "x.srt", prepare, (0, 3)),
        "HTML": Kind(HTML.encode(), "x.html", prepare, (0, 3)),
        "gzip": Kind(gzip.compress(CHAT.encode()), "x.gz", prepare, (0, 3)),
        "ZIP": Kind(_archive(CHAT), "x.zip", prepare, (0, 3)),
        "mask": Kind(
            Path("data/chat/train.mask").read_bytes(), "data/chat/train.mask", use_chat, (0, 3)
        ),
        "CSV": Kind(b'human,bot\n' + b'hi,"yes, ""I"" am"\n' * 40, "x.csv", prepare, (0, 3)),
        "config.json": Kind(json_dump(config), "hf/config.json", hf, (0, 2, 4), config, json_dump),
        "safetensors": Kind(
            Path("hf/model.safetensors").read_bytes(), "hf/model.safetensors", hf, (0, 4)
        ),
    }  # fmt: skip


KINDS = (
    "checkpoint", "pickle in a checkpoint", "content of a checkpoint", "content of nanoGPT's",
    "checkpoint before 1.6", "meta.json", "tokenizer", "meta.pkl", "train.bin", "metrics.jsonl",
    "console log", "settings in TOML", "settings of nanoGPT's", "dialogue", "JSONL", "JSON", "CSV",
    "config.json", "safetensors", "WhatsApp", "Telegram", "Empathetic Dialogues", "subtitles",
    "HTML", "gzip", "ZIP", "mask", "tokenizer.json", "ranks",
)  # fmt: skip


def _archive(text):
    """Put a text into a ZIP archive, always the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a/chat.txt"), text)
    return file.getvalue()


@cache
def _pattern():
    from nanogpt_cli.tokenizer.patterns import PATTERNS

    return PATTERNS["gpt2"]


def _ranks():
    import base64

    tokens = [bytes([i]) for i in range(256)] + [b"to"]
    return " ".join(base64.b64encode(token).decode() for token in tokens)


def _hugging_face():
    """Return a tokenizer.json with the bytes and one merge."""
    from nanogpt_cli.tokenizer.byte_alphabet import byte_alphabet

    return {
        "added_tokens": [{"id": 257, "content": "<|endoftext|>", "special": True}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "model": {"type": "BPE", "merges": [["t", "o"]],
                  "vocab": {token: i for i, token in enumerate([*byte_alphabet(), "to"])}},
    }  # fmt: skip


def zipfile_pickle(zipped):
    """Take data.pkl out of a checkpoint."""
    found = []
    rezipped(zipped, lambda name, data: found.append(data) if name.endswith("data.pkl") else b"")
    return found[0]


def _inside(zipped):
    """Put another data.pkl into a checkpoint, with checksums that are right."""
    return lambda data: rezipped(zipped, lambda name, old: data if name.endswith("l") else old)


def saved(content):
    torch.save(content, "saved.pt")
    return Path("saved.pt").read_bytes()
