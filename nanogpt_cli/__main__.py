"""The ``nanogpt`` executable, which is also ``python -m nanogpt_cli``.

Importing this module loads nothing else.
"""

import os
import sys
from contextlib import suppress

with suppress(OSError):  # there is no working folder any more
    # -m put it first, and what lies there is not to be imported in place of typer or torch
    own = os.path.dirname(os.path.dirname(__file__))
    if not sys.flags.safe_path and sys.path[0] == os.getcwd() != own:
        del sys.path[0]

import signal


def main() -> None:
    """Run the executable and exit with its code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # until a command runs, and once it has ended, Ctrl-C ends the process without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from nanogpt_cli import cli

    cli.main()


if __name__ == "__main__":
    main()
