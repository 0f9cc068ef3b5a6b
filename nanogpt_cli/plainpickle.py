"""Read pickles of plain data without unpickling them.

nanoGPT's ``meta.pkl`` is a dictionary of numbers and characters. The opcodes are walked with
``pickletools``, which executes nothing; the few that build plain data are carried out here, and any
other one, such as those that import or call, is refused. A checkpoint names tensors beside plain
data: who reads one says what those names stand for, and nothing is ever imported.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class NotPlainError(ValueError):
    """The pickle holds something other than plain data, or is damaged."""


class ForeignError(NotPlainError):
    """The pickle is sound, but wants something that only running its code would give."""


@dataclass(frozen=True)
class Maker:
    """What a pickle may call: it gets the arguments, already built."""

    call: Callable[..., Any]


@dataclass(frozen=True)
class Vocabulary:
    """What a pickle may name beside plain data."""

    names: Mapping[str, Any] = field(default_factory=dict)
    """From ``module name`` to a value or a Maker."""
    outside: Callable[[Any], Any] | None = None
    """Gives what lies outside of the pickle under a persistent id."""


_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_KEYS = (str, bytes, int, float, type(None))
"""What may be a key. Tuples may not: the hash of nested ones can be made to take for ever."""
_LONGEST_NUMBER = 1000
"""Bits; beyond, a float overflows, and then Python refuses to print the number."""


def load_plain(data: bytes | io.BytesIO, vocabulary: Vocabulary | None = None) -> Any:
    """Give the plain data (dict, list, tuple, str, bytes, numbers, None) of a pickle.

    A stream is left where the pickle ends. Raises NotPlainError for anything else that the
    ``vocabulary`` does not know, without having run any of it.
    """
    try:
        return _build(data, vocabulary or Vocabulary())
    except NotPlainError:
        raise
    except Exception as error:  # the ways in which bytes can fail to be a pickle have no one type
        raise NotPlainError("it is damaged") from error


def _build(data: bytes | io.BytesIO, vocabulary: Vocabulary) -> Any:
    """Carry the opcodes out on a stack, as pickle's own machine does."""
    stack: list[Any] = []
    below: list[list[Any]] = []  # the stacks that marks have put aside
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
                    raise NotPlainError("it holds a number of absurd length")
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
                if wanted not in vocabulary.names:
                    raise ForeignError(f"it wants {wanted[:80]}, which is not plain data")
                stack.append(vocabulary.names[wanted])
            case "REDUCE":
                maker, arguments = take(2)
                if not isinstance(maker, Maker):
                    raise ForeignError("it calls what is not to be called")
                stack.append(maker.call(*arguments))
            case "BUILD" if vocabulary.names and type(stack[-2]) is dict:
                stack.pop()  # the attributes that torch gives to an OrderedDict
            case "BINPERSID" if vocabulary.outside:
                stack.append(vocabulary.outside(stack.pop()))
            case name:
                raise ForeignError(f"it holds {name}, which is not plain data")
    raise NotPlainError("it ends too early")


def _set_items(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    """Put keys and values, which follow each other in ``items``, into ``target``."""
    keys, values = items[::2], items[1::2]
    if not all(isinstance(key, _KEYS) for key in keys):
        raise NotPlainError("it has keys that are neither texts nor numbers")
    target.update(zip(keys, values, strict=True))
    return target
