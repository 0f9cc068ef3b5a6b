"""The README and the pages under docs/: their code blocks, commands and tables."""

import io
import re
import shlex
from pathlib import Path

from nanogpt_cli import cli

ROOT = Path(__file__).resolve().parents[1]
SMALL = ["--time=0", "--max-iters=2", "--eval-iters=1", "--sample-tokens=2", "--batch-size=2",
         "--gradient-accumulation-steps=1", "--device=cpu"]  # fmt: skip


def page(name):
    """Return the text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, kind):
    """Return the code blocks of one kind in a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```", page(name), re.DOTALL | re.MULTILINE)


def commands(name):
    """Yield a page's nanogpt commands in their order: of code blocks, and of tables' last cells."""
    shown = r"^```sh\n(.*?)^```|^\| `[^\n]*\| `(nanogpt [^`\n]*)` \|$"
    for block, cell in re.findall(shown, page(name), re.DOTALL | re.MULTILINE):
        for line in (block or cell).splitlines():
            if line.startswith("nanogpt "):
                yield line.partition("  #")[0].strip()


def follow(command, monkeypatch, capsys):
    """Run a command of a page, a training as the smallest there is; it must say something."""
    monkeypatch.setattr("sys.stdin", io.StringIO("hello"))  # to a chat that would be in a terminal
    words = shlex.split(command)[1:]
    if words[0] == "train" and "--dry-run" not in words:
        words += SMALL
        if re.search("--init-from[= ]resume", command):
            words += ["--max-iters=4", "--force"]
    code = cli.run(words)
    out, err = capsys.readouterr()
    assert code == 0, f"{command}\n{err}"
    assert out or err, command


def names_in_row(name, first_cell):
    """Return what stands in backticks in a row of a page's table, but not what is in brackets."""
    [row] = re.findall(rf"^\| {re.escape(first_cell)} \|(.*)\|$", page(name), re.MULTILINE)
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^()]*\)", "", row)))


def names_in_column(name, heading):
    """Return what stands in backticks in the first column of the table with this heading."""
    [rows] = re.findall(
        rf"^\| {re.escape(heading)} \|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", page(name), re.MULTILINE
    )
    return {word for row in rows.splitlines() for word in re.findall(r"`(\w+)`", row.split("|")[1])}
