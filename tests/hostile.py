"""Untrusted files: hostile pickles, bombs, and archives that lie."""

import io
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping


def rezipped(
    archive: bytes,
    edit: Callable[[str, bytes], bytes | None],
    compression: int = zipfile.ZIP_STORED,
    more: Mapping[str, bytes] | None = None,
) -> bytes:
    """Write an archive anew with its entries changed, checksums and all; None leaves one out."""
    new = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(new, "w") as target:
        for entry in source.infolist():
            data = edit(entry.filename, source.read(entry))
            if data is not None:
                target.writestr(zipfile.ZipInfo(entry.filename), data, compression)
        for name, data in (more or {}).items():
            target.writestr(zipfile.ZipInfo(name), data)
    return new.getvalue()


# Pickles that run code, each assembled by hand from its opcodes

CANARY = "canary"
TOUCH = f"touch {CANARY}"
SYSTEM = b"cos\nsystem\n"


def _text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def _bytes(data: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(data)) + data


def _call(name: str, *arguments: bytes) -> bytes:
    return b"c" + name.replace(" ", "\n").encode() + b"\n(" + b"".join(arguments) + b"tR"


class Runs:
    """Pickles to a call of os.system, as Python itself writes it."""

    def __reduce__(self):
        return os.system, (TOUCH,)


RUN = SYSTEM + _text(TOUCH) + b"\x85R"
OPEN = f"open('{CANARY}', 'w')"

TEETH = {
    "REDUCE": RUN,
    "STACK_GLOBAL": _text("os") + _text("system") + b"\x93" + _text(TOUCH) + b"\x85R",
    "STACK_GLOBAL of posix": _text("posix") + _text("system") + b"\x93" + _text(TOUCH) + b"\x85R",
    "a dotted name": b"\x80\x04" + _text("shutil") + _text("os.system") + b"\x93"
    + _text(TOUCH) + b"\x85R",
    "names out of the memo": _text("os") + b"\x940" + _text("system") + b"\x940h\0h\1\x93"
    + _text(TOUCH) + b"\x85R",
    "INST": b"(" + _text(TOUCH) + b"ios\nsystem\n",
    "OBJ": b"(" + SYSTEM + _text(TOUCH) + b"o",
    "BUILD with __setstate__": _call("functools partial", b"cbuiltins\nprint\n")
    + b"(" + SYSTEM + b")NNtb" + b"(" + _text(TOUCH) + b"tR",
    "functools.partial": _call("functools partial", SYSTEM) + _text(TOUCH) + b"\x85R",
    "NEWOBJ": b"cfunctools\npartial\n" + SYSTEM + b"\x85\x81" + _text(TOUCH) + b"\x85R",
    "NEWOBJ_EX": b"cfunctools\npartial\n" + SYSTEM + b"\x85}\x92" + _text(TOUCH) + b"\x85R",
    "getattr": _call("builtins getattr", _call("builtins __import__", _text("os")), _text("system"))
    + _text(TOUCH) + b"\x85R",
    "attrgetter": _call("operator attrgetter", _text("system"))
    + _call("importlib import_module", _text("os")) + b"\x85R" + _text(TOUCH) + b"\x85R",
    "methodcaller": _call("operator methodcaller", _text("system"), _text(TOUCH))
    + _call("importlib import_module", _text("os")) + b"\x85R",
    "map": _call("builtins list", _call("builtins map", SYSTEM, b"]" + _text(TOUCH) + b"a")),
    "eval": _call("builtins eval", _text(OPEN)),
    "exec": _call("builtins exec", _text(OPEN)),
    "compile": _call(
        "builtins exec", _call("builtins compile", _text(OPEN), _text("x"), _text("exec"))
    ),
    "open": _call("builtins open", _text(CANARY), _text("w")),
    "Popen": _call("subprocess Popen", b"(" + _text("touch") + _text(CANARY) + b"t"),
    "check_output": _call("subprocess check_output", b"(" + _text("touch") + _text(CANARY) + b"t"),
    "copyfile": _call("shutil copyfile", _text("/dev/null"), _text(CANARY)),
    "FileHandler": _call("logging FileHandler", _text(CANARY)),
    "timeit": _call("timeit timeit", _text(OPEN), _text("pass"), b"ctime\ntime\n", b"K\1"),
    "a pickle in a pickle": _call("pickle loads", _bytes(RUN + b".")),
    "another pickle in a pickle": _call("_pickle loads", _bytes(RUN + b".")),
    "torch's own loads": _call("torch.storage _load_from_bytes", _bytes(RUN + b".")),
    "a dictionary's default": b"ccollections\ndefaultdict\n" + SYSTEM + b"\x85R0" + RUN,
    "as a key": b"}" + RUN + b"Ns",
    "as a value, after others": b"}" + _text("model") + b"}s" + _text("config") + RUN + b"s",
    "popped again": RUN + b"0}",
    "state of an OrderedDict": b"ccollections\nOrderedDict\n)R}" + _text("x") + RUN + b"sb",
    "argument of a tensor": b"ctorch._utils\n_rebuild_tensor_v2\n(" + RUN + b"K\0))\x89Nt0",
    "numpy": _call("numpy.testing._private.utils runstring", _text(OPEN), b"}"),
}  # fmt: skip
"""Each of them touches the canary where pickle.loads meets it."""

TEETH |= {f"protocol {n}": pickle.dumps(Runs(), n)[:-1] for n in range(6)}

OTHERS = {
    "EXT1": b"\x82\x01", "EXT2": b"\x83\x01\0", "EXT4": b"\x84\x01\0\0\0",
    "PERSID": b"P" + TOUCH.encode() + b"\n", "BINPERSID": _text(TOUCH) + b"Q",
    "BINPERSID of code": RUN + b"Q",
    "torch.load": _call("torch load", _text("x.pt")),
    "torch.load, its older name": _call("torch.serialization load", _text("x.pt")),
    "torch.hub": _call("torch.hub load", _text("a/b"), _text("c")),
    "torch.jit": _call("torch.jit load", _text("x.pt")),
    "torch.compile": _call("torch.utils.cpp_extension load", _text("x"), _text("x.cpp")),
    "a graph of torch.fx": _call("torch.fx.graph_module reduce_graph_module", b"}", _text(OPEN)),
    "a wrapped type": _call(
        "torch._tensor _rebuild_from_type_v2", SYSTEM, SYSTEM, _text(TOUCH), b"\x85N"
    ),
    "numpy reconstruct": _call(
        "numpy.core.multiarray _reconstruct", b"cnumpy\nndarray\n", b"K\0\x85", _bytes(b"b")
    ),
    "numpy.load": _call("numpy load", _text("x.npy"), b"N", b"\x88"),
    "a socket": _call("socket create_connection", b"(" + _text("127.0.0.1") + b"K\x09t"),
    "a browser": _call("webbrowser open", _text("http://127.0.0.1")),
    "ctypes": _call("ctypes CDLL", _text("libc.so.6")),
    "a new module": _call("importlib import_module", _text("antigravity")),
    "a path that is written": _call("pathlib Path", _text(CANARY)),
    "a module of torch": b"ctorch.nn.modules.linear\nLinear\n)\x81}b",
    "a counter of code": _call("collections Counter", b"cos\nenviron\n"),
    "a tensor's type": _call("torch FloatTensor", b"J\xff\xff\xff\x7f"),
    "bytes without end": _call("builtins bytearray", b"J\xff\xff\xff\x7f"),
}  # fmt: skip
"""What asks for more than plain data in other ways."""

PICKLES = {name: code + b"." for name, code in (TEETH | OTHERS).items()}


HEADER = b"".join(
    pickle.dumps(part, 2)
    for part in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
)
"""How torch's files before 1.6 begin."""


def containers(code: bytes, checkpoint: bytes) -> dict[str, bytes]:
    """Put a pickle wherever torch could meet it, in or around a valid ``checkpoint``."""
    root = zipfile.ZipFile(io.BytesIO(checkpoint)).namelist()[0].split("/")[0]
    put = lambda name, data: code if name.endswith("data.pkl") else data  # noqa: E731
    with_code = rezipped(checkpoint, put)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            member = tarfile.TarInfo(name)
            member.size = len(code)
            archive.addfile(member, io.BytesIO(code))
    script = io.BytesIO(with_code)
    with zipfile.ZipFile(script, "a") as archive:
        for name in ("constants.pkl", "code/__torch__.py", "code/__torch__.py.debug_pkl"):
            archive.writestr(f"{root}/{name}", code)
    doubled = {}
    for where, first, second in (("first", code, None), ("second", None, code)):
        both = io.BytesIO(rezipped(checkpoint, lambda n, d: None if n.endswith("data.pkl") else d))
        with zipfile.ZipFile(both, "a") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a name is there twice
            sound = zipfile.ZipFile(io.BytesIO(checkpoint)).read(f"{root}/data.pkl")
            for data in (first or sound, second or sound):
                archive.writestr(f"{root}/data.pkl", data)
        doubled[f"{where} of two data.pkl"] = both.getvalue()
    return doubled | {
        "bare": code,
        "zip": with_code,
        "compressed zip": rezipped(checkpoint, put, zipfile.ZIP_DEFLATED),
        "another root": rezipped(
            checkpoint, lambda n, d: d, more={"other/data.pkl": code, "../data.pkl": code}
        ),
        "before 1.6": HEADER + code,
        "before 1.6, first of all": code + HEADER,
        "before 1.6, in the keys": HEADER + pickle.dumps({}, 2) + code,
        "before 1.6, but it begins as a zip": b"PK\n0" + HEADER + code,
        "in front of a zip": code + with_code,
        "behind a zip": with_code + code,
        "tar": tar.getvalue(),
        "TorchScript": script.getvalue(),
    }


# What claims more than it is


def tuples(count: int) -> bytes:
    """Nest tuples so that their hash, or their text, takes 2**count steps."""
    return b")" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(1, count))


def _zip_with(checkpoint: bytes, code: bytes) -> bytes:
    return rezipped(checkpoint, lambda name, old: code if name.endswith("data.pkl") else old)


def bombs(checkpoint: bytes) -> dict[str, bytes]:
    """Return checkpoints that would take all memory, or all time."""
    storage = b"((" + _text("storage") + b"ctorch\nFloatStorage\n" + _text("0") + _text("cpu")
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n"
    entry = lambda name: name.endswith("/data/0")  # noqa: E731
    zipped = zipfile.ZipFile(io.BytesIO(checkpoint))
    first = next(name for name in zipped.namelist() if entry(name))
    count = b"J" + struct.pack("<i", zipped.getinfo(first).file_size // 4)
    whole = storage + count + b"tQ"
    huge = b"\x8a\x06" + (2**40).to_bytes(6, "little")
    model = b"}" + _text("model") + b"}"
    old = (
        HEADER + tensor + storage + huge + b"NtQK\0" + huge + b"\x85K\1\x85\x89NtR."
    )  # fmt: skip
    views = b"".join(
        _text(f"w{i}") + tensor + whole + b"K\0" + count + b"\x85K\1\x85\x89NtR" + b"s"
        for i in range(20_000)
    )
    code = {
        "zeros, compressed": None,
        "a tensor without strides": model
        + _text("w")
        + tensor
        + whole
        + b"K\0"
        + huge
        + b"\x85K\0\x85\x89NtRss.",
        "a tensor beyond its storage": model
        + _text("w")
        + tensor
        + whole
        + b"K\0"
        + huge
        + b"\x85K\1\x85\x89NtRss.",
        "a storage beyond its file": model
        + _text("w")
        + tensor
        + storage
        + huge
        + b"tQK\0"
        + huge
        + b"\x85K\1\x85\x89NtRss.",
        "a storage of less than nothing": model
        + _text("w")
        + tensor
        + storage
        + b"J\xff\xff\xff\xfftQK\0K\1\x85K\1\x85\x89NtRss.",
        "a negative offset": model
        + _text("w")
        + tensor
        + whole
        + b"J\0\0\0\x80K\1\x85K\1\x85\x89NtRss.",
        "negative strides": model
        + _text("w")
        + tensor
        + whole
        + b"K\0K\2\x85J\xff\xff\xff\xff\x85\x89NtRss.",
        "one storage many times": model + views + b"s.",
        "a key that is never hashed": b"}" + tuples(100) + b"Ns.",
        "a value that is never printed": b"}"
        + _text("model")
        + b"}s"
        + _text("model_config")
        + b"}"
        + _text("n_layer")
        + tuples(100)
        + b"ss.",
        "a position embedding that is never printed": b"}"
        + _text("model")
        + b"}"
        + _text("transformer.relative.relative_embeddings.weight")
        + b"Nss"
        + _text("model_config")
        + b"}"
        + _text("pos_embd")
        + tuples(100)
        + b"ss.",
        "a text that claims much": b"\x8d" + b"\xff" * 7 + b"\x7f",
        "a memo far away": b"}r\xff\xff\xff\x7f.",
        "marks without end": b"(" * 1_000_000 + b".",
        "lists within lists": b"]" * 300_000 + b"a" * 299_999 + b".",
        "a number without end": b"}" + _text("step") + b"\x8b\0\0\1\0" + b"\x7f" * 65536 + b"s.",
        "digits without end": b"}" + _text("step") + b"I" + b"9" * 500_000 + b"\ns.",
    }
    made = {name: _zip_with(checkpoint, pk) for name, pk in code.items() if pk is not None}
    zeros = bytes(200_000_000)
    made["zeros, compressed"] = rezipped(
        checkpoint, lambda n, d: zeros if entry(n) else d, zipfile.ZIP_DEFLATED
    )
    made["one entry behind many names"] = overlapping(bytes(2_000_000), 50_000)
    made["a terabyte before 1.6"] = old
    return made


def overlapping(data: bytes, count: int) -> bytes:
    """Write a zip of ``count`` entries that are all the same stored bytes."""
    crc = zlib.crc32(data)
    name = b"x/data.pkl"
    sizes = struct.pack("<3I", crc, len(data), len(data))
    local = (
        struct.pack("<4s5H", b"PK\3\4", 20, 0, 0, 0, 33) + sizes + struct.pack("<2H", 10, 0) + name
    )
    central = b"".join(
        struct.pack("<4s6H", b"PK\1\2", 20, 20, 0, 0, 0, 33) + sizes
        + struct.pack("<5H2I", 10, 0, 0, 0, 0, 0, 0) + b"x/data%04x" % i
        for i in range(count)
    )  # fmt: skip
    end = struct.pack(
        "<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(central), len(local) + len(data), 0
    )
    return local + data + central + end
