"""``python -m nanogpt_cli`` is the ``nanogpt`` executable."""

from nanogpt_cli.cli import main

if __name__ == "__main__":
    main()
