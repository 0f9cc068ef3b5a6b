"""Read pickles of plain data without unpickling them.

nanoGPT's ``meta.pkl`` is a dictionary of numbers and characters. The opcodes are walked with
``pickletools``, which executes nothing; the few that build plain data are carried out here, and any
other one, such as those that import or call, is refused. A checkpoint names tensors beside plain
data: the caller says what those names stand for, and nothing is ever imported.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class NotPlainError(ValueError):
    """The pickle holds something other than plain data, or is corrupt."""


class ForeignError(NotPlainError):
    """The pickle is intact, but needs something that only running its code would produce."""


@dataclass(frozen=True)
class Maker:
    """What a pickle may call, with arguments that are already built."""

    call: Callable[..., Any]


@dataclass(frozen=True)
class Names:
    """What a pickle may name beside plain data."""

    known: Mapping[str, Any] = field(default_factory=dict)
    """From ``module name`` to a value or a Maker."""
    outside: Callable[[Any], Any] | None = None
    """Returns what lies outside of the pickle under a persistent id."""


_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_KEYS = (str, bytes, int, float, type(None))
"""What may be a key. Tuples may not: hashing nested ones can be made to take for ever."""
_LONGEST_NUMBER = 1000
"""Bits; a float overflows beyond, and Python then refuses to print the number."""


def load_plain(data: bytes | io.BytesIO, names: Names | None = None) -> Any:
    """Return the plain data (dict, list, tuple, str, bytes, numbers, None) of a pickle.

    A stream is left where the pickle ends. Raises NotPlainError for anything that is neither plain
    nor among the ``names``, without having run any of it.
    """
    try:
        return _build(data, names or Names())
    except NotPlainError:
        raise
    except Exception as error:  # bytes can fail to be a pickle in many ways
        raise NotPlainError("it is corrupt") from error


def _build(data: bytes | io.BytesIO, names: Names) -> Any:
    """Execute the opcodes on a stack, as pickle's own machine does."""
    stack: list[Any] = []
    below: list[list[Any]] = []  # the stacks that marks have set aside
    memo: dict[Any, Any] = {}

    def since_mark() -> list[Any]:
        nonlocal stack
        items, stack = stack, below.pop()
        return items

    def take(count: int) -> list[Any]:
        items = [stack.pop() for _ in range(count)]
        return items[::-1]

    for opcode, argument, _ in pickletools.genops(data):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                below.append(stack)
                stack = []
            case name if name in _EMPTY:
                stack.append(_EMPTY[name]())
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case name if name in _VALUES:
                if isinstance(argument, int) and argument.bit_length() > _LONGEST_NUMBER:
                    raise NotPlainError("it holds an absurdly long number")
                stack.append(argument)
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "DICT":
                items = since_mark()
                stack.append(_set_items({}, items))
            case "LIST":
                items = since_mark()
                stack.append(items)
            case "TUPLE":
                items = since_mark()
                stack.append(tuple(items))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                stack.append(tuple(take(int(name[-1]))))
            case "SETITEM":
                items = take(2)
                _set_items(stack[-1], items)
            case "SETITEMS":
                items = since_mark()
                _set_items(stack[-1], items)
            case "APPEND":
                items = take(1)
                stack[-1].extend(items)
            case "APPENDS":
                items = since_mark()
                stack[-1].extend(items)
            case "GLOBAL" | "STACK_GLOBAL" as name:
                wanted = str(argument) if name == "GLOBAL" else " ".join(take(2))
                if wanted not in names.known:
                    raise ForeignError(f"it names {wanted[:80]}, which is not plain data")
                stack.append(names.known[wanted])
            case "REDUCE":
                maker, arguments = take(2)
                if not isinstance(maker, Maker):
                    raise ForeignError("it calls something that may not be called")
                stack.append(maker.call(*arguments))
            case "BUILD" if names.known and type(stack[-2]) is dict:
                stack.pop()  # the attributes that torch sets on an OrderedDict
            case "BINPERSID" if names.outside:
                stack.append(names.outside(stack.pop()))
            case name:
                raise ForeignError(f"it holds {name}, which is not plain data")
    raise NotPlainError("it is cut off")


def _set_items(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    """Put alternating keys and values of ``items`` into ``target``."""
    keys, values = items[::2], items[1::2]
    if not all(isinstance(key, _KEYS) for key in keys):
        raise NotPlainError("it has keys that are neither text nor numbers")
    target.update(zip(keys, values, strict=True))
    return target
