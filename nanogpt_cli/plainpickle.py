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

from nanogpt_cli.errors import raise_unrelated


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
_DEEPEST = 100
"""Containers within containers; deeper ones exhaust Python's stack when they are walked through."""


def load_plain(data: bytes | io.BytesIO, names: Names | None = None) -> Any:
    """Return the plain data (dict, list, tuple, str, bytes, numbers, None) of a pickle.

    A stream is left where the pickle ends. Raises NotPlainError for anything that is neither plain
    nor among the ``names``, without having run any of it; an OSError of ``names.outside`` passes.
    """
    try:
        return _Machine(names or Names()).run(data)
    except (NotPlainError, OSError):  # the latter from reading what lies outside of the pickle
        raise
    except Exception as error:  # bytes can fail to be a pickle in many ways
        raise_unrelated(error)
        raise NotPlainError("it is corrupt") from error


class _Machine:
    """A stack on which opcodes are executed, as pickle's own machine does."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks that marks have set aside
        self._memo: dict[Any, Any] = {}
        # by id; the containers are kept, so that no other can get the same id
        self._depths: dict[int, tuple[Any, int]] = {}
        self._inside: dict[int, Any] = {}  # those that lie in others

    def run(self, data: bytes | io.BytesIO) -> Any:
        """Return what the pickle builds."""
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return self.stack.pop()
            if not (self._push(opcode.name, argument) or self._collect(opcode.name)):
                self._refer(opcode.name, argument)
        raise NotPlainError("it is cut off")

    def _push(self, name: str, argument: Any) -> bool:
        """Execute an opcode that pushes or remembers a value. Whether it is one."""
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self._below.append(self.stack)
                self.stack = []
            case name if name in _EMPTY:
                self.stack.append(_EMPTY[name]())
            case name if name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            case name if name in _VALUES:
                if isinstance(argument, int) and argument.bit_length() > _LONGEST_NUMBER:
                    raise NotPlainError("it holds an absurdly long number")
                self.stack.append(argument)
            case "MEMOIZE":
                self._memo[len(self._memo)] = self.stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self.stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                self.stack.append(self._memo[argument])
            case _:
                return False
        return True

    def _collect(self, name: str) -> bool:
        """Execute an opcode that puts values into a container. Whether it is one."""
        match name:
            case "DICT":
                items = self._since_mark()
                self.stack.append(_set_items({}, items))
            case "LIST":
                items = self._since_mark()
                self.stack.append(items)
            case "TUPLE":
                items = self._since_mark()
                self.stack.append(tuple(items))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = self._take(int(name[-1]))
                self.stack.append(tuple(items))
            case "SETITEM" | "SETITEMS":
                items = self._take(2) if name == "SETITEM" else self._since_mark()
                _set_items(self.stack[-1], items)
            case "APPEND" | "APPENDS":
                items = self._take(1) if name == "APPEND" else self._since_mark()
                self.stack[-1].extend(items)
            case _:
                return False
        if items:
            self._note(items, self.stack[-1])
        return True

    def _note(self, items: list[Any], holder: Any) -> None:
        """Note what lies in a container. Raises NotPlainError where that is too deep.

        A container may not be filled once it lies in another, which no pickler does: its depth is
        known by then, and nothing can lie in itself.
        """
        _, depth = self._depths.get(id(holder), (holder, 0))
        for item in items:
            if isinstance(item, dict | list | tuple):
                self._inside[id(item)] = item
                depth = max(depth, 1 + self._depths.get(id(item), (item, 0))[1])
        if depth > _DEEPEST or id(holder) in self._inside:
            raise NotPlainError("it is nested too deeply")
        self._depths[id(holder)] = holder, depth

    def _refer(self, name: str, argument: Any) -> None:
        """Execute an opcode that names something outside. Raises ForeignError for the unknown."""
        match name:
            case "GLOBAL" | "STACK_GLOBAL":
                wanted = str(argument) if name == "GLOBAL" else " ".join(self._take(2))
                if wanted not in self.names.known:
                    raise ForeignError(f"it names {wanted[:80]}, which is not plain data")
                self.stack.append(self.names.known[wanted])
            case "REDUCE":
                maker, arguments = self._take(2)
                if not isinstance(maker, Maker):
                    raise ForeignError("it calls something that may not be called")
                self.stack.append(maker.call(*arguments))
            case "BUILD" if self.names.known and type(self.stack[-2]) is dict:
                self.stack.pop()  # the attributes that torch sets on an OrderedDict
            case "BINPERSID" if self.names.outside:
                self.stack.append(self.names.outside(self.stack.pop()))
            case _:
                raise ForeignError(f"it holds {name}, which is not plain data")

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self._below.pop()
        return items

    def _take(self, count: int) -> list[Any]:
        items = [self.stack.pop() for _ in range(count)]
        return items[::-1]


def _set_items(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    """Put alternating keys and values of ``items`` into ``target``."""
    keys, values = items[::2], items[1::2]
    if not all(isinstance(key, _KEYS) for key in keys):
        raise NotPlainError("it has keys that are neither text nor numbers")
    target.update(zip(keys, values, strict=True))
    return target
