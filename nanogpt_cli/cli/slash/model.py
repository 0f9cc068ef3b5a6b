"""``/model``."""

from nanogpt_cli.cli import complete, ui
from nanogpt_cli.cli.chat_view import describe, is_untrained, untrained_note
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.text import printable


def run(chat: Chat, arguments: list[str]) -> None:
    """Continue with another run, or say which one answers."""
    session = chat.session
    if not arguments:
        ui.say(f"  {printable(session.loaded.path)} ({describe(session.loaded)})")
        if names := [name for name in complete.runs("") if name]:
            ui.say(f"  runs: {', '.join(map(printable, names[:20]))}")
        return
    from nanogpt_cli.inference.session import Session

    name = " ".join(arguments)
    with ui.working(f"loading {printable(name)}"):
        loaded = chat.open_model(name)
    other = Session(loaded, session.config, stop=session.stop)
    other.resume(session.transcript)
    chat.use(other)
    does = "answers you" if loaded.chat_format else "continues your text"
    ui.say(f"{printable(loaded.path)} ({describe(loaded)}) {does} from now on.")
    if is_untrained(loaded):
        ui.note(untrained_note(loaded))


COMMAND = SlashCommand(
    "model", "/model [RUN]", "continue with another run", run, complete=complete.runs
)
