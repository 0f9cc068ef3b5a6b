"""``/set``."""

from dataclasses import fields, replace
from typing import Any

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import NanoGPTError
from nanogpt_cli.text import printable

_STOP = "stop"
"""What is no field of SampleConfig."""
_NONE = ("none", "off")


def run(chat: Chat, arguments: list[str]) -> None:
    """Show how tokens are sampled, or change one setting of it."""
    settings = {f.name: f for f in fields(SampleConfig)}
    session = chat.session
    if not arguments:
        for name in settings:
            ui.say(f"  {name:<16}{getattr(session.config, name)}")
        ui.say(f"  {_STOP:<16}{', '.join(map(repr, session.stop)) or None}")
        return
    name, value = arguments[0].replace("-", "_"), " ".join(arguments[1:])
    if name not in (*settings, _STOP) or not value:
        ui.say("usage: /set NAME VALUE, where NAME is one of")
        ui.say(f"  {', '.join((*settings, _STOP))}")
    elif name == _STOP:
        from nanogpt_cli.cli.chat import stop_texts

        session.stop = () if value in _NONE else stop_texts([value])
    else:
        _set(chat, name, value, isinstance(settings[name].default, float))


def _set(chat: Chat, name: str, value: str, is_float: bool) -> None:
    try:
        is_none = name == "seed" and value in _NONE
        number = None if is_none else float(value) if is_float else int(value)
        change: dict[str, Any] = {name: number}
        chat.session.set(replace(chat.session.config, **change))
    except NanoGPTError as error:
        ui.say(f"{error.message}; {error.hint}")
    except ValueError:
        ui.say(f"{name} must be a number, not {printable(value)!r}")


def _complete(typed: str) -> list[str]:
    names = [*(f.name for f in fields(SampleConfig)), _STOP]
    return [f"{name} " for name in names if name.startswith(typed)]


COMMAND = SlashCommand(
    "set", "/set [NAME VALUE]", "show or change temperature, top_k, ...", run, complete=_complete
)
