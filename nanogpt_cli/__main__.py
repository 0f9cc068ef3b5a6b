"""``python -m nanogpt_cli`` is the ``nanogpt`` executable."""

import os
import sys
from contextlib import suppress

with suppress(OSError):  # there is no working folder any more
    # -m put it first, and what lies there is not to be imported in place of typer or torch
    own = os.path.dirname(os.path.dirname(__file__))
    if not sys.flags.safe_path and sys.path[0] == os.getcwd() != own:
        del sys.path[0]

from nanogpt_cli.cli import main

if __name__ == "__main__":
    main()
