"""The chat in a real terminal, driven through a pseudo-terminal as a user would.

A program that is started takes seconds, so each of these is a whole visit; what a /command says is
tested in ``test_slash.py``.
"""

import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pexpect
import pytest
from chat_models import write_models

from nanogpt_cli import cli
from nanogpt_cli.cli import ui
from nanogpt_cli.cli.background import Background
from nanogpt_cli.cli.slash.base import find_command
from nanogpt_cli.cli.terminal import Terminal
from nanogpt_cli.inference.session import Session

CHAT = "<human>hello {}<endOfText>\n<bot>hi there<endOfText>\n\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a model that answers hello with hi there."""
    folder = tmp_path_factory.mktemp("chatty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("chats.txt").write_text("".join(CHAT.format(number) for number in range(60)))
        assert cli.run(["prepare", "chats.txt", "--tokenizer", "char", "-q"]) == 0
        settings = ["--n-layer=1", "--n-head=2", "--n-embd=32", "--block-size=48",
                    "--batch-size=4", "--eval-iters=1", "--sample-tokens=0",
                    "--device=cpu"]  # fmt: skip
        assert cli.run(["train", *settings, "--max-iters=150", "-q"]) == 0
    return folder


@pytest.fixture
def chatty(trained):
    """Work in a folder that has that model."""
    shutil.copytree(trained, ".", dirs_exist_ok=True)


@contextmanager
def chat_in_a_terminal(*more: str, program=("-m", "nanogpt_cli"), size=(24, 80), **environment):
    """Start the chat with the newest model in a terminal; ``program`` is python's."""
    arguments = ["chat", "--temperature", "0", "--max-tokens", "1000000", *more]
    child = pexpect.spawn(
        sys.executable, [*program, *arguments], encoding="utf-8", timeout=120, dimensions=size,
        env={**os.environ, **environment},
    )  # fmt: skip
    try:
        child.expect("(Send a message|> )")
        yield child
    finally:
        child.close(force=True)


def leave(child):
    child.expect("> ")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def plain(text):
    """Return what is on a terminal without its control sequences, on one line."""
    return " ".join(re.sub(r"\x1b\[[\d;?]*\w", "", text).split())


EDITOR = '#!/bin/sh\nprintf "hello from elsewhere" > "$1"\n'


def test_a_visit(chatty):
    Path("editor.sh").write_text(EDITOR)
    Path("editor.sh").chmod(0o755)
    with chat_in_a_terminal(EDITOR=str(Path("editor.sh").resolve())) as child:
        child.send("hello\r")  # before the model is there
        child.send("/und")  # and before the reply
        child.expect("hi there")
        said = plain(child.before)
        assert "M parameters, step 150, validation loss 0." in said
        assert "answers you" in said
        assert "untrained" not in said
        child.send("\t")
        child.expect("/undo")
        child.send("\r")
        child.expect("removed: hello")
        child.send("\r")  # an empty line does not leave
        child.send("/fly\r")
        child.expect("unknown command /fly")
        child.send('"""hello\rhello\r"""\r')
        child.expect("hi there")
        child.expect("Send a message")
        child.send("\x1b[200~hello\nhello again\x1b[201~\r")  # a paste of two lines
        child.expect("hi there")
        child.send("/edit\r")
        child.expect("hello again")  # in the line, to be changed
        child.send("!\r")
        child.expect("hi there")
        child.send("/context\r")
        child.expect("of 48 tokens")
        child.send("\x07")  # Ctrl-G
        child.expect("hello from elsewhere")
        child.send("\r")
        child.expect("hi there")
        child.send("/why\r")
        child.expect("least expected")
        child.send("/retry\r")
        child.expect("hi there")
        child.send("exit\r")
        child.expect("left the chat")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
    assert "+hello" in Path("state/nanogpt/chat_history").read_text()
    with chat_in_a_terminal("--continue") as child:
        child.expect("hello from elsewhere.*hi there")
        child.send("/show\r")
        child.expect("temperature 0, max_tokens 1e")
        child.send("\x1b[A\x1b[A\r")  # history outlives the program: the message before it
        assert leave(child) == 0


@pytest.mark.long
def test_an_interrupted_line_and_an_interrupted_prompt(chatty):
    with chat_in_a_terminal() as child:
        child.sendintr()
        child.expect("Ctrl-C again")
        for _ in range(2):
            child.send("half a line")
            child.expect("half a line")
            child.sendintr()
            child.expect("Send a message")
        child.sendintr()
        child.expect("Ctrl-C again")
        child.send("hello\r")
        child.expect("hi there")
        child.expect("Send a message")
        for _ in range(2):
            child.sendintr()
            child.expect(["Ctrl-C again", pexpect.EOF])
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130


def test_interrupting_a_reply_stops_only_the_reply(tmp_path):
    write_models(tmp_path)
    with chat_in_a_terminal("text.pt", size=(24, 40)) as child:
        child.send("It was\r")  # a model of plain text goes on for a million tokens
        child.expect(r"[^\x1b]{200}")  # the reply; what the editor draws is full of escapes
        child.sendintr()
        child.expect(r"\[stopped\]")
        assert leave(child) == 0


@pytest.mark.long
def test_a_dumb_narrow_terminal_of_ascii(chatty):
    with chat_in_a_terminal(
        size=(24, 40), TERM="dumb", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    ) as child:
        child.send("hello\r")
        child.expect("hi there")
        child.send("/help\r")
        child.expect("Ctrl-D")
        child.expect("leave")
        child.send("/why 1\r")
        child.expect("token 1 of")
        child.send("/stats\r")
        child.expect("memory ")
        assert "\x1b" not in child.before
        child.send("/bye\r")  # here a prompt is shown before keys are read one by one
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0


def test_a_model_that_cannot_be_loaded_ends_the_prompt(chatty):
    Path("bad.pt").write_bytes(b"PK no")
    with chat_in_a_terminal("bad.pt") as child:
        child.expect(r"error:.*bad\.pt")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 4


def test_who_leaves_at_once_need_not_wait(chatty):
    with chat_in_a_terminal() as child:  # while the model loads
        child.sendeof()
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0


@pytest.mark.parametrize("typed", ["exit", "quit"])
def test_what_leaves_other_programs_leaves_with_a_line_that_says_so(typed, capsys):
    ui.console.cache_clear()
    chat = Terminal(Background(cast(Callable[[], Session], None)))  # which nobody needs
    chat.enter(typed)
    assert chat.is_leaving
    assert capsys.readouterr().err == f"left the chat: {typed} does that, as /bye and Ctrl-D do\n"
    assert find_command(typed) is find_command("bye")


def test_what_is_loaded_in_the_background_is_waited_for():
    ended = []
    loading = Background(lambda: 7)
    loading.start(lambda: ended.append(loading.is_over))
    assert loading.get() == 7
    loading.abandon(1)  # nothing to abandon
    assert loading.is_over
    for _ in range(100):
        time.sleep(0 if ended else 0.01)
    assert ended == [True]

    def fail() -> int:
        raise ValueError("no")

    failing: Background[int] = Background(fail)
    with pytest.raises(ValueError, match="no"):
        failing.get()
    assert isinstance(failing.error, ValueError)
    assert Background.of(3).get() == 3


WITH_A_COMMAND = """
import sys
from nanogpt_cli import cli
from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import SlashCommand
from nanogpt_cli.registry import SLASH_COMMANDS

def shout(chat, arguments):
    ui.say(" ".join(arguments).upper() + f" after {len(chat.session.turns)} turns")

COMMAND = SlashCommand("shout", "/shout TEXT", "say it louder", shout, aliases=("!",))
SLASH_COMMANDS.register("shout", COMMAND)
sys.exit(cli.run(sys.argv[1:]))
"""


@pytest.mark.long
def test_a_command_from_outside_is_listed_completed_and_run(chatty):
    with chat_in_a_terminal(program=("-c", WITH_A_COMMAND)) as child:
        child.send("hello\r")
        child.expect("hi there")
        child.expect("Send a message")
        child.send("/help\r")
        child.expect("/shout TEXT, /! +say it louder")
        child.send("/shou\t")
        child.expect("/shout")
        child.send(" now\r")
        child.expect("NOW after 2 turns")
        child.send("/! again\r")
        child.expect("AGAIN after 2 turns")
        assert leave(child) == 0
