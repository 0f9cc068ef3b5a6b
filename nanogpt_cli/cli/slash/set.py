"""``/set``."""

from dataclasses import fields, replace
from typing import Any

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import NanoGPTError
from nanogpt_cli.text import printable


def run(chat: Chat, arguments: list[str]) -> None:
    """Show how tokens are sampled, or change one setting of it."""
    settings = {f.name: f for f in fields(SampleConfig)}
    if not arguments:
        for name in settings:
            ui.say(f"  {name:<16}{getattr(chat.session.config, name)}")
        return
    name, value = arguments[0], " ".join(arguments[1:])
    if name not in settings or not value:
        ui.say("usage: /set NAME VALUE, where NAME is one of")
        ui.say(f"  {', '.join(settings)}")
        return
    number = float if isinstance(settings[name].default, float) else int
    try:
        change: dict[str, Any] = {name: number(value)}
        chat.session.set(replace(chat.session.config, **change))
    except NanoGPTError as error:
        ui.say(f"{error.message}; {error.hint}")
    except ValueError:
        ui.say(f"{name} must be a number, not {printable(value)!r}")


COMMAND = SlashCommand("set", "/set [NAME VALUE]", "show or change temperature, top_k, ...", run)
