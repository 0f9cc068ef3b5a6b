"""The ``nanogpt`` executable: its commands, its exit codes and how it reports errors.

Only this package imports typer. A command parses its arguments, calls the library and shows the
result; torch and numpy are imported inside the commands, so that ``nanogpt --help`` is fast.
"""

import sys
from traceback import clear_frames
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nanogpt_cli.cli import (
    chat,
    evaluate,
    export,
    info,
    migrate_ckpt,
    plot_log,
    prepare,
    train,
    ui,
)
from nanogpt_cli.cli.complete import any_of
from nanogpt_cli.cli.help import show_help
from nanogpt_cli.cli.interruption import Interruption
from nanogpt_cli.cli.options import Command
from nanogpt_cli.cli.streams import prepare_streams
from nanogpt_cli.cli.topics import TOPICS, show_topic, show_topics
from nanogpt_cli.cli.usage import in_our_words
from nanogpt_cli.errors import MachineError, NanoGPTError, UsageError, is_out_of_memory
from nanogpt_cli.text import nearest, printable
from nanogpt_cli.version import __version__


class Commands(TyperGroup):
    """The commands; an unknown name is answered with the nearest."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        show_help(self, ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what is before the command. Raises UsageError for what is not understood."""
        try:
            return super().parse_args(ctx, args)
        except typer.Exit as done:
            if done.exit_code:  # of --show-completion and --install-completion
                raise UsageError(
                    "this shell is not known", "start nanogpt from bash, zsh, fish or PowerShell"
                ) from None
            raise
        except typer.TyperException as error:
            if not str(error):  # the help was shown instead
                raise
            raise in_our_words(error, self, ctx) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command. Raises UsageError where there is none."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            near = nearest(name, self.list_commands(ctx))
            hint = f"did you mean {near}?" if near else "`nanogpt --help` lists the commands"
            raise UsageError(f"unknown command {printable(name)}", hint)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="nanogpt",
    cls=Commands,
    help="Train a small GPT on your own text or dialogues, and chat with it.",
    epilog="Start with: nanogpt prepare, nanogpt train, nanogpt chat.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("prepare", cls=Command)(prepare.prepare)
app.command("train", cls=Command)(train.train)
app.command("chat", cls=Command)(chat.chat)
app.command("eval", cls=Command)(evaluate.evaluate)
app.command("migrate-ckpt", cls=Command)(migrate_ckpt.migrate_ckpt)
app.command("plot-log", cls=Command)(plot_log.plot_log)
app.command("export", cls=Command)(export.export)
app.command("info", cls=Command)(info.info)


@app.command("help", cls=Command)
def show(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="COMMAND|TOPIC",
            help="One of the others, or a topic; `nanogpt help topics` lists these.",
            autocompletion=any_of(
                *(c.name for c in app.registered_commands if c.name), "topics", *TOPICS
            ),
        ),
    ] = None,
) -> None:
    """Show this help, that of a command, or a topic of the documentation."""
    parent: Any = context.parent
    group = parent.command
    if name == "topics":
        show_topics()
        return
    if name in TOPICS:
        show_topic(name)
        return
    if name is None:
        show_help(group, parent)
        return
    if group.get_command(parent, name) is None and (near := nearest(name, TOPICS)):
        raise UsageError(f"unknown command {printable(name)}", f"did you mean the topic {near}?")
    _, command, _ = group.resolve_command(parent, [name])
    show_help(command, typer.Context(command, parent=parent, info_name=name))


def _version(wanted: bool) -> None:
    if wanted:
        print(f"nanogpt {__version__}")
        raise typer.Exit


@app.callback()
def nanogpt(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Train a small GPT on your own text or dialogues, and chat with it."""


def main() -> None:
    """Run the executable and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(args: list[str]) -> int:
    """Run one command line and return its exit code: 0, or as ``errors`` defines them."""
    interruption = Interruption()
    try:
        with interruption.listening():
            prepare_streams()
            code = app(args, prog_name="nanogpt", standalone_mode=False)
            sys.stdout.flush()
    except BaseException as error:
        if interruption.received:
            return 128 + interruption.received
        return _explain(error)
    return code if isinstance(code, int) else 0


def _explain(error: BaseException) -> int:
    """Show an error, and return its exit code. One that is a bug is raised again."""
    match error:
        case NanoGPTError():
            shown = error
        case typer.TyperException():  # the help was shown instead
            return UsageError.exit_code
        case typer.Abort() | KeyboardInterrupt():
            return 130
        case SystemExit(code=int(code)):
            return code
        case _ if is_out_of_memory(error):
            clear_frames(error.__traceback__)  # what they held is needed to say so
            shown = MachineError("out of memory", _LESS_MEMORY)
        case OSError():
            shown = _machine_error(error)
        case _:
            raise error
    if shown.shown:
        ui.show_error(shown)
    return shown.exit_code


def _machine_error(error: OSError) -> MachineError:
    what = f"cannot use {error.filename}" if error.filename is not None else "the system failed"
    return MachineError(
        f"{what}: {error.strerror or error}", "check the name, the disk and its permissions"
    )


_LESS_MEMORY = "close other programs, or use a smaller model, --batch-size or --block-size"
