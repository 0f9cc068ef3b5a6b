"""Write docs/reference.md: every command and flag, as the program itself describes them.

Usage: python docs/make_reference.py [--check]
"""

import sys
from pathlib import Path

import typer

from nanogpt_cli.cli import app
from nanogpt_cli.config import PRESETS

TARGET = Path(__file__).with_name("reference.md")


def reference() -> str:
    """Return the whole page."""
    lines = [
        "# Reference",
        "",
        "Made by `make docs` from the program; every command says the same with `--help`,",
        "`train` with `--help-all`.",
        "Flags may be written with dashes or underscores, with a space or `=`; switches also as",
        "`--compile=False`.",
    ]
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        lines += ["", f"## nanogpt {name}", "", *_paragraphs(command.help), ""]
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option"]
        lines += [f"- `{p.metavar or p.name.upper()}` {p.help}" for p in arguments]
        if options:
            lines += ["", "| flag | default | meaning |", "|---|---|---|", *map(_row, options)]
    lines += ["", "## Presets", "", "What `--preset` sets; every flag overrides it.", ""]
    for name, values in PRESETS.items():
        settings = ", ".join(f"`{key}={value}`" for key, value in values.items())
        lines.append(f"- **{name}**: {settings}")
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n")]


def _row(option: object) -> str:
    """Return the table row of one option."""
    names = [*option.opts, *option.secondary_opts]  # type: ignore[attr-defined]
    default = option.default  # type: ignore[attr-defined]
    shown = "" if default is None or default is False else f"`{default}`"
    text = (option.help or "").replace("|", "\\|")  # type: ignore[attr-defined]
    return f"| {', '.join(f'`{n}`' for n in names)} | {shown} | {text} |"


def main() -> None:
    """Write the page, or with --check say whether it is up to date."""
    page = reference()
    if "--check" in sys.argv:
        sys.exit(0 if TARGET.read_text() == page else "docs/reference.md is old: make docs")
    TARGET.write_text(page)


if __name__ == "__main__":
    main()
