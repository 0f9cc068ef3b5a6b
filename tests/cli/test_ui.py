"""What is said on a terminal is wrapped between words; elsewhere a message is one line."""

import re

import pytest

from nanogpt_cli.cli import ui
from nanogpt_cli.errors import UsageError

LONG = "out/demo on cpu in float32, 3.80 M parameters, 2 layers, 4 heads, 128 wide, block 256, rope"


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Return what a terminal of 60 columns shows."""

    def lines():
        text = capsys.readouterr().err
        return re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    ui.console.cache_clear()
    yield lines
    ui.console.cache_clear()


@pytest.mark.parametrize(
    ("say", "indent"),
    [
        (lambda: ui.say(f"   model  {LONG}"), 10),
        (lambda: ui.markup(f"[bold]   model[/]  {LONG}"), 10),
        (lambda: ui.say(f"  {LONG}"), 2),
        (lambda: ui.note(LONG), 0),
        (lambda: ui.show_error(UsageError(LONG, LONG)), 0),
    ],
    ids=["row", "marked row", "sample", "note", "error"],
)
def test_lines_end_between_words(terminal, say, indent):
    say()
    shown = terminal()
    assert len(shown) > 1
    assert max(map(len, shown)) <= 60
    assert set(LONG.split()) <= set(" ".join(shown).split())
    assert shown[1].startswith(" " * indent)
    assert shown[1][indent] != " "


def test_a_command_to_be_typed_stays_on_one_line(terminal):
    command = f"resume with:  nanogpt train --init-from resume --out-dir out/{'long-' * 12}name"
    ui.say(command)
    assert terminal() == [command]


def test_a_file_gets_whole_lines(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    ui.console.cache_clear()
    ui.note(LONG)
    assert capsys.readouterr().err == f"note: {LONG}\n"
