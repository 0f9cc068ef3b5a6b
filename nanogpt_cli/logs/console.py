"""The losses that nanoGPT's train.py prints, as events.

Lines are recognised anywhere in a console log: behind time stamps, between progress bars, with
terminal escapes in them. The events lack the fields that nobody printed.
"""

import codecs
import re
from collections.abc import Iterator

from nanogpt_cli.logs.events import Event, Log

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_COUNT = r"\d[\d,]{0,18}"
_NUMBER = r"([-+]?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|nan|inf))"
_LINE = re.compile(
    rf"\biter (?P<iter>{_COUNT}): loss {_NUMBER}(?:, time {_NUMBER}ms)?"
    rf"|\bstep (?P<step>{_COUNT}): train loss {_NUMBER}, val loss {_NUMBER}"
    rf"|\btokens per iteration will be: (?P<batch>{_COUNT})",
    re.IGNORECASE | re.ASCII,
)


def parse(log: bytes) -> Log:
    """Return the ``train`` and ``eval`` events of a console log; other lines are ignored."""
    return Log(list(_events(_ESCAPES.sub("", _decode(log)))))


def _events(text: str) -> Iterator[Event]:
    batch = 0
    for match in _LINE.finditer(text):
        _, loss, time_ms, _, train_loss, val_loss, _ = match.groups()
        if match["batch"]:
            batch = _count(match["batch"])
            continue
        step = _count(match["iter"] or match["step"])
        known: Event = {"step": step} | ({"tokens": step * batch} if batch else {})
        if match["step"]:
            losses = {"train_loss": float(train_loss), "val_loss": float(val_loss)}
            yield {"event": "eval"} | known | losses
        else:
            seconds = float(time_ms or 0) / 1000
            speed = {"tokens_per_sec": batch / seconds} if batch and seconds > 0 else {}
            yield {"event": "train"} | known | {"loss": float(loss)} | speed


def _count(text: str) -> int:
    return int(text.replace(",", ""))


def _decode(log: bytes) -> str:
    """Decode a console log, also as PowerShell's ``>`` writes it."""
    wide = log.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return log.decode("utf-16" if wide else "utf-8", errors="replace")
