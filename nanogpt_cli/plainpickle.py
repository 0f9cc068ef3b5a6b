"""Read pickles of plain data without unpickling them.

nanoGPT's ``meta.pkl`` is a dictionary of numbers and characters. The opcodes are walked with
``pickletools``, which executes nothing; the few that build plain data are carried out here, and any
other one, such as those that import or call, is refused.
"""

import pickletools
from typing import Any


class NotPlainError(ValueError):
    """The pickle holds something other than plain data, or is damaged."""


_MARK = object()
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip


def load_plain(data: bytes) -> Any:
    """Give the plain data (dict, list, tuple, set, str, bytes, numbers, None) of a pickle.

    Raises NotPlainError for anything else, without having run any of it.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        at = max(i for i, item in enumerate(stack) if item is _MARK)
        items = stack[at + 1 :]
        del stack[at:]
        return items

    try:
        for opcode, argument, _ in pickletools.genops(data):
            match opcode.name:
                case "PROTO" | "FRAME":
                    pass
                case "STOP":
                    return stack.pop()
                case "MARK":
                    stack.append(_MARK)
                case name if name in _EMPTY:
                    stack.append(_EMPTY[name]())
                case name if name in _CONSTANTS:
                    stack.append(_CONSTANTS[name])
                case name if name in _VALUES:
                    stack.append(argument)
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "PUT" | "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "GET" | "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "DICT":
                    items = since_mark()
                    stack.append(dict(zip(items[::2], items[1::2], strict=True)))
                case "LIST":
                    stack.append(since_mark())
                case "TUPLE":
                    stack.append(tuple(since_mark()))
                case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                    items = stack[-int(name[-1]) :]
                    del stack[-int(name[-1]) :]
                    stack.append(tuple(items))
                case "SETITEM":
                    value, key = stack.pop(), stack.pop()
                    stack[-1][key] = value
                case "SETITEMS":
                    items = since_mark()
                    stack[-1].update(zip(items[::2], items[1::2], strict=True))
                case "APPEND":
                    value = stack.pop()
                    stack[-1].append(value)
                case "APPENDS":
                    items = since_mark()
                    stack[-1].extend(items)
                case name:
                    raise NotPlainError(f"it holds {name}, which is not plain data")
    except NotPlainError:
        raise
    except Exception as error:  # the ways in which bytes can fail to be a pickle have no one type
        raise NotPlainError("it is damaged") from error
    raise NotPlainError("it ends too early")
