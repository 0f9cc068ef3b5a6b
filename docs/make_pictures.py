"""Draw the README's and the tutorial's pictures from the present program.

Usage: python docs/make_pictures.py RUN

RUN is the demo model, which `make demo` leaves in out/demo. The chat is a real one in a terminal of
80 columns, which tmux provides; the curves are those of three short runs on the demo corpus,
trained in a temporary folder.
"""

import argparse
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).resolve().parent
NANOGPT = [sys.executable, "-P", "-m", "nanogpt_cli"]
MESSAGES = (
    "hi, i'm Anna",
    "i passed my driving test!!",
    "yes, with my family",
    "what's my name?",
    "what's the capital of france",
)
COLUMNS, ROWS = 80, 24
POSITIONS = ("default", "rope", "relative")
SHORT = ["--preset", "shakespeare-char-cpu", "--max-iters", "400", "--log-interval", "5"]


def tmux(*arguments: str) -> str:
    """Run a command of tmux and return what it prints."""
    command = ["tmux", "-L", f"nanogpt-{os.getpid()}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def screen(*, colours: bool = False) -> str:
    """Return what the terminal shows."""
    return tmux("capture-pane", "-p", "-t", "chat", *(["-e"] if colours else [])).rstrip()


def wait_for_prompt() -> None:
    """Wait until the screen stays as it is, with an empty prompt at its end."""
    before = ""
    while True:
        time.sleep(1)
        now = screen()
        if now == before and now.splitlines()[-1:] and now.splitlines()[-1].startswith("> Send"):
            return
        before = now


def draw_chat(run: str, target: Path) -> None:
    """Talk to the model, and draw the screen at the end."""
    chat = shlex.join([*NANOGPT, "chat", run, "--seed", "1"])
    size = ["-c", os.getcwd(), "-x", str(COLUMNS), "-y", str(ROWS)]
    with tempfile.TemporaryDirectory() as state:
        environment = ["-e", f"XDG_STATE_HOME={state}"]
        tmux("-f", "/dev/null", "new-session", "-d", "-s", "chat", *size, *environment, chat)
        try:
            wait_for_prompt()
            for message in MESSAGES:
                tmux("send-keys", "-t", "chat", "-l", message)
                tmux("send-keys", "-t", "chat", "Enter")
                wait_for_prompt()
            shown = screen(colours=True)
        finally:
            tmux("kill-server")
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(shown))
    picture = console.export_svg(title="nanogpt chat", unique_id="chat")
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # fetched from elsewhere
    target.write_text(picture.replace("Fira Code", "monospace"), encoding="utf-8")


def draw_curves(target: Path) -> None:
    """Train with each position embedding, and draw the curves."""
    with tempfile.TemporaryDirectory() as folder:

        def nanogpt(*arguments: str) -> None:
            subprocess.run([*NANOGPT, *arguments], check=True, cwd=folder)

        nanogpt("prepare", "--tokenizer", "char")
        for name in POSITIONS:
            nanogpt("train", *SHORT, "--pos-embd", name, "--out-dir", f"out/{name}")
        nanogpt("plot-log", *POSITIONS, "-o", str(target), "--force")


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    draw_chat(parser.parse_args().run, DOCS / "chat.svg")
    draw_curves(DOCS / "loss.svg")
    print("look at docs/chat.svg and docs/loss.svg before you commit them")


if __name__ == "__main__":
    main()
