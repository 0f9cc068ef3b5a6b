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


def _wait_briefly() -> None:
    """Let torch's threads wait for each other without taking the processor for long.

    GNU's OpenMP, which torch has on Linux, reads this when it is loaded. Its threads else turn in
    circles for milliseconds at the end of each operation, and where other programs compete for the
    processors, those turns take what the thread that is waited for needs.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "1000"


def main() -> None:
    """Run the executable and exit with its code."""
    _wait_briefly()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # until a command runs, and once it has ended, Ctrl-C ends the process without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from nanogpt_cli import cli

    cli.main()


if __name__ == "__main__":
    main()
