"""The ``nanogpt`` executable, which is also ``python -m nanogpt_cli``.

Importing this module loads nothing else.
"""

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
