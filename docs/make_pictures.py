"""Make docs/chat.svg and docs/loss.svg with the present program.

Usage: python docs/make_pictures.py [chat] [loss]

``chat`` talks to the model that ``make demo`` leaves in out/demo, in a terminal of 80 columns, for
which it needs tmux.
``loss`` trains three short runs on data/demo, one for each position embedding.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLUMNS, ROWS = 80, 50
CHAT = "nanogpt chat demo --seed 1"
MESSAGES = (
    "hi, i'm Anna",
    "I am so happy, I passed my driving test!",
    "it feels great!",
    "tell me a joke",
)
STEPS = 500
"""Steps of each of the three runs, which take half a minute each on two cores."""
PATIENCE = 300.0
"""Seconds that a reply may take, on a busy machine too."""

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
"""The colours in what tmux returns."""

FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"
 viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""A terminal without fonts from elsewhere: a picture in a README may not load any."""


class Screen:
    """A terminal in which programs run as a user sees them."""

    def __init__(self, command: str, environment: dict[str, str]) -> None:
        self._socket = f"pictures-{os.getpid()}"
        size = ("-x", str(COLUMNS), "-y", str(ROWS))
        self._tmux("-f", os.devnull, "new", "-d", *size, command, env=environment)

    def _tmux(self, *args: str, env: dict[str, str] | None = None) -> str:
        command = ("tmux", "-L", self._socket, *args)
        return subprocess.run(command, check=True, text=True, capture_output=True, env=env).stdout

    def type(self, text: str) -> None:
        """Type a line and Enter."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def wait(self, done: Callable[[list[str]], bool]) -> None:
        """Wait until ``done`` is true of the lines. Raises TimeoutError where it never is."""
        end = time.monotonic() + PATIENCE
        while not done(self._tmux("capture-pane", "-p").rstrip().splitlines()):
            if time.monotonic() > end:
                raise TimeoutError(self._tmux("capture-pane", "-p"))
            time.sleep(0.2)

    def content(self) -> str:
        """Return what is seen, with its colours as escape sequences."""
        return self._tmux("capture-pane", "-e", "-p").rstrip()

    def close(self) -> None:
        """End all that runs in it."""
        self._tmux("kill-server")


def chat() -> None:
    """Talk to the demo model and draw what is seen."""
    if not (ROOT / "out" / "demo" / "ckpt.pt").is_file():
        sys.exit("docs/chat.svg needs the model in out/demo: make demo")
    if shutil.which("tmux") is None:
        sys.exit("docs/chat.svg needs tmux")
    with tempfile.TemporaryDirectory() as home:
        screen = Screen("env 'PS1=$ ' sh", _environment() | {"XDG_STATE_HOME": home})
        try:
            screen.wait(lambda lines: lines[-1:] == ["$"])
            screen.type(CHAT)
            for count, message in enumerate(MESSAGES, 1):
                screen.wait(_asked(count))
                screen.type(message)
            screen.wait(_asked(len(MESSAGES) + 1))
            content = without_gap(screen.content())
        finally:
            screen.close()
    (ROOT / "docs" / "chat.svg").write_text(terminal_svg(content), encoding="utf-8")


def _asked(count: int) -> Callable[[list[str]], bool]:
    """Return whether the chat waits for a message, for the ``count``-th time."""

    def is_asked(lines: list[str]) -> bool:
        asked = [line for line in lines if line.startswith(">")]  # the bottom line is below
        return len(asked) == count and bool(re.fullmatch(r">( Send a message .*)?", asked[-1]))

    return is_asked


def without_gap(content: str) -> str:
    """Remove the rows between what was said and the bottom line, but not what they colour."""
    *rows, bottom = content.splitlines()
    while rows and not ESCAPES.sub("", rows[-1]).strip():
        bottom = "".join(ESCAPES.findall(rows.pop())) + bottom
    return "\n".join([*rows, bottom])


def terminal_svg(content: str) -> str:
    """Draw a screen: text with its colours as escape sequences."""
    import io

    from rich.console import Console
    from rich.text import Text

    console = Console(width=COLUMNS, file=io.StringIO(), record=True, force_terminal=True)
    console.print(Text.from_ansi(content))
    drawn = console.export_svg(title="nanogpt chat", code_format=FRAME, unique_id="chat")
    blank = r'<text class="chat-r\d+" [^>]*>(\s|&#160;)*</text>'
    return re.sub(r"\n\s*\n+", "\n", re.sub(blank, "", drawn))


def loss() -> None:
    """Train three short runs and draw their losses."""
    if not (ROOT / "data" / "demo" / "meta.json").is_file():
        sys.exit("docs/loss.svg needs the dataset data/demo: make demo")
    with tempfile.TemporaryDirectory() as folder:
        runs = [f"{folder}/{name}" for name in ("default", "rope", "relative")]
        for run in runs:
            _nanogpt(
                *("train", "--data-dir", "data/demo", "--pos-embd", Path(run).name, "--quiet"),
                *("--preset", "shakespeare-char-cpu"),
                *("--max-iters", str(STEPS), "--eval-interval", str(STEPS // 10)),
                *("--sample-tokens", "0"),
                *("--out-dir", run),
            )
        _nanogpt("plot-log", *runs, "-o", "docs/loss.svg", "--force")


def _nanogpt(*args: str) -> None:
    print("$ nanogpt", shlex.join(args), flush=True)
    command = (sys.executable, "-P", "-m", "nanogpt_cli", *args)
    subprocess.run(command, check=True, cwd=ROOT, env=_environment())


def _environment() -> dict[str, str]:
    """Return the environment, in which this program is the one called nanogpt."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


PICTURES = {"chat": chat, "loss": loss}

if __name__ == "__main__":
    names = sys.argv[1:] or list(PICTURES)
    if not set(names) <= set(PICTURES):
        sys.exit(__doc__)
    os.chdir(ROOT)
    for picture in names:
        PICTURES[picture]()
