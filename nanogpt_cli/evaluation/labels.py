"""A small labelled file: JSON lines or CSV with ``text`` and ``label``, or ``text TAB label``."""

import csv
import io
import json
from pathlib import Path

from nanogpt_cli.dialogue import Turn
from nanogpt_cli.errors import DataError
from nanogpt_cli.evaluation.ranking import MOST_LABELS, Labelled
from nanogpt_cli.files import open_regular

LARGEST = 64 << 20
_HINT = (
    'write one text a line: {"text": ..., "label": ...}, or a CSV file with the columns text and '
    "label, or the text, a tab and the label"
)


def read_labels(path: Path) -> list[Labelled]:
    """Return the texts of a file with their labels. Raises DataError where it cannot be used."""
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", _HINT) from error
    if len(content) > LARGEST:
        raise DataError(f"{path} is larger than 64 MB", "use a smaller labelled file")
    try:
        pairs = _pairs(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, csv.Error, RecursionError) as error:
        raise DataError(f"{path}: {error}", _HINT) from error
    labels = {label for _, label in pairs}
    if not 2 <= len(labels) <= MOST_LABELS:
        raise DataError(
            f"{path} has {len(labels)} different labels, between 2 and {MOST_LABELS} are needed",
            _HINT,
        )
    return [Labelled((Turn("human", text),), label) for text, label in pairs]


def _pairs(content: str) -> list[tuple[str, str]]:
    """Return texts with labels. Raises ValueError naming the line that has none."""
    lines = content.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("{"):
        rows = [(i, _object(line, i)) for i, line in enumerate(lines, 1) if line.strip()]
        return [_checked(i, row.get("text"), row.get("label")) for i, row in rows]
    if "\t" in first:
        found = []
        for i, line in enumerate(lines, 1):
            text, _, label = line.rpartition("\t")
            if line.strip() and not (i == 1 and (text, label) == ("text", "label")):
                found.append(_checked(i, text, label))
        return found
    table = csv.DictReader(io.StringIO(content, newline=""))
    if not {"text", "label"} <= set(table.fieldnames or ()):
        raise ValueError("it has no columns text and label")
    return [_checked(table.line_num, row["text"], row["label"]) for row in table]


def _object(line: str, number: int) -> dict[str, object]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is not a JSON object")
    return row


def _checked(number: int, text: object, label: object) -> tuple[str, str]:
    if isinstance(label, int):
        label = str(label)
    if not isinstance(text, str) or not isinstance(label, str):
        raise ValueError(f"line {number} lacks a text or a label")
    if not text.strip() or not label.strip():
        raise ValueError(f"line {number} lacks a text or a label")
    return text.strip(), label.strip()
