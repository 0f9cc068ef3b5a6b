"""The chat in a real terminal, driven through a pseudo-terminal as a user would."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pexpect
import pytest

from nanogpt_cli import cli
from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import find_command
from nanogpt_cli.cli.terminal import Terminal
from nanogpt_cli.inference.session import Session

CHAT = "<human>hello {}<endOfText>\n<bot>hi there<endOfText>\n\n"


@pytest.fixture
def chatty():
    """Train a model that answers hello with hi there."""
    Path("chats.txt").write_text("".join(CHAT.format(number) for number in range(60)))
    assert cli.run(["prepare", "chats.txt", "--tokenizer", "char", "-q"]) == 0
    settings = ["--n-layer=1", "--n-head=2", "--n-embd=32", "--block-size=48", "--batch-size=4",
                "--eval-iters=1", "--sample-tokens=0", "--device=cpu"]  # fmt: skip
    assert cli.run(["train", *settings, "--max-iters=150", "-q"]) == 0


@contextmanager
def chat_in_a_terminal(*program: str):
    """Start the chat with the newest model in a terminal of 80 x 24; ``program`` is python's."""
    arguments = ["chat", "--temperature", "0", "--max-tokens", "1000000"]
    child = pexpect.spawn(
        sys.executable,
        [*(program or ("-m", "nanogpt_cli")), *arguments],
        encoding="utf-8", timeout=30, dimensions=(24, 80),
    )  # fmt: skip
    try:
        child.expect("Send a message")
        yield child
    finally:
        child.close(force=True)


@pytest.fixture
def terminal(chatty):
    with chat_in_a_terminal() as child:
        yield child


def leave(child):
    child.expect("Send a message")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_a_conversation(terminal):
    banner = " ".join(terminal.before.split())
    assert "M parameters, step 150, validation loss 0." in banner
    assert "untrained" not in banner
    terminal.send("hello\r")
    terminal.expect("hi there")
    terminal.expect("Send a message")
    terminal.send("hello\r")
    terminal.expect("hi there")
    assert leave(terminal) == 0


def test_slash_commands(terminal):
    terminal.send("/?\r")
    terminal.expect("/clear")
    terminal.expect("Ctrl-D +leave")
    terminal.send("/set temperature 0.5\r")
    terminal.send("/set\r")
    terminal.expect(r"temperature +0\.5")
    terminal.send("/set temperature -1\r")
    terminal.expect("at least 0")
    terminal.send("/set top_k many\r")
    terminal.expect("must be a number")
    terminal.send("/fly\r")
    terminal.expect("unknown command /fly")
    terminal.send("/clear\r")
    terminal.expect("conversation cleared")
    terminal.send("exit\r")
    terminal.expect("left the chat")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.mark.parametrize("typed", ["exit", "quit"])
def test_what_leaves_other_programs_leaves_with_a_line_that_says_so(typed, capsys):
    ui.console.cache_clear()
    chat = Terminal(cast(Session, None))
    chat.enter(typed)
    assert chat.is_leaving
    assert capsys.readouterr().err == f"left the chat: {typed} does that, as /bye and Ctrl-D do\n"
    assert find_command(typed) is find_command("bye")


def test_an_empty_line_does_not_leave(terminal):
    terminal.send("\r")
    terminal.send("hello\r")
    terminal.expect("hi there")
    assert leave(terminal) == 0


def test_interrupting_the_prompt_twice_leaves(terminal):
    terminal.sendintr()
    terminal.expect("Ctrl-C again")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130


def test_interrupting_a_line_only_clears_it(terminal):
    terminal.sendintr()
    terminal.expect("Ctrl-C again")
    for _ in range(3):
        terminal.send("half a line")
        terminal.expect("half a line")
        terminal.sendintr()
        terminal.expect("Send a message")
    terminal.sendintr()
    terminal.expect("Ctrl-C again")
    terminal.send("hello\r")
    terminal.expect("hi there")
    assert leave(terminal) == 0


def test_interrupting_a_reply_stops_only_the_reply(text_data):
    shape = ["--n-layer=1", "--n-head=2", "--n-embd=16", "--block-size=16", "--batch-size=2"]
    assert cli.run(["train", *shape, "--max-iters=1", "--eval-iters=1", "-q"]) == 0
    with chat_in_a_terminal() as child:
        child.send("To be\r")  # a model of plain text goes on for a million tokens
        child.expect(r"[^\x1b]{200}")  # the reply; what the editor draws is full of escapes
        child.sendintr()
        child.expect(r"\[stopped\]")
        assert leave(child) == 0


def test_history_is_kept_from_one_chat_to_the_next(terminal):
    terminal.send("hello\r")
    terminal.expect("hi there")
    assert leave(terminal) == 0
    history = Path("state/nanogpt/chat_history")
    assert "+hello" in history.read_text()


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


def test_a_command_from_outside_is_listed_completed_and_run(chatty):
    with chat_in_a_terminal("-c", WITH_A_COMMAND) as child:
        child.send("hello\r")
        child.expect("hi there")
        child.expect("Send a message")
        child.send("/help\r")
        child.expect("/shout TEXT, /! +say it louder")
        child.send("/sh\t")
        child.expect("/shout")
        child.send(" now\r")
        child.expect("NOW after 2 turns")
        child.send("/! again\r")
        child.expect("AGAIN after 2 turns")
        assert leave(child) == 0
