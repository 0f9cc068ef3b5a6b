"""``/why``."""

import codecs
from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.slash.base import Chat, SlashCommand
from nanogpt_cli.errors import UsageError
from nanogpt_cli.text import printable, whole_number, without_controls

if TYPE_CHECKING:
    from nanogpt_cli.inference.inspection import DrawnToken
    from nanogpt_cli.inference.session import Session

_COLOURS = ((0.8, "green"), (0.5, "cyan"), (0.2, "yellow"), (0.05, "magenta"), (0.0, "red"))
"""From which probability on a token has which colour."""
_SURPRISES = 5
_BAR = 20


def run(chat: Chat, arguments: list[str]) -> None:
    """Show how likely each token of the last reply was, or the candidates of some of them."""
    session = chat.session
    if session.last is None or not session.last.ids:
        raise UsageError("there is no reply to look into", "write a message first")
    from nanogpt_cli.inference.inspection import inspect_reply

    loaded, last = session.loaded, session.last
    tokens = list(inspect_reply(loaded.model, last.prompt, last.ids, loaded.tokenizer.vocab_size))
    wanted = " ".join(arguments)
    number = whole_number(wanted, 10**9)
    if not wanted:
        _show_all(session, tokens)
    elif wanted == "all":
        for i in range(len(tokens)):
            _show_row(session, tokens, i)
    elif number is not None and 1 <= number <= len(tokens):
        _show_candidates(session, tokens, number - 1)
    else:
        found = [i for i, t in enumerate(tokens) if wanted in piece(session, t.id)]
        if number is not None or not found:
            raise UsageError(
                f"the reply has no token {wanted}", f"name one of 1 to {len(tokens)}, or its text"
            )
        for i in found[:3]:
            _show_candidates(session, tokens, i)


def piece(session: "Session", id: int) -> str:
    """Return a token as text: a special one by its name, else what it writes."""
    tokenizer = session.loaded.tokenizer
    for name, special in tokenizer.special_tokens.items():
        if special == id:
            return name
    return tokenizer.token_bytes(id).decode(errors="backslashreplace")


def _colour(probability: float) -> str:
    return next(colour for least, colour in _COLOURS if probability >= least)


def _show_all(session: "Session", tokens: "list[DrawnToken]") -> None:
    """Show the reply coloured by probability, and the tokens that surprised the model most."""
    from rich.text import Text

    if ui.console().color_system is None:
        shown = (f"{_quoted(session, token.id)} {_share(token.probability)}" for token in tokens)
        ui.say(f"  {'  '.join(shown)}")
    else:
        text = Text()
        utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        special = set(session.loaded.tokenizer.special_tokens.values())
        for token in tokens:
            if token.id in special:
                said = piece(session, token.id)
            else:  # a character of several tokens has the colour of its last
                said = utf8.decode(session.loaded.tokenizer.token_bytes(token.id))
            text.append(without_controls(said), _colour(token.probability))
        ui.show(text)
        ui.console().print(
            "  ".join(f"[{colour}]{least:.0%}+[/]" for least, colour in _COLOURS), style="dim"
        )
    ui.say("least expected (/why NUMBER shows what else it could have been):")
    rarest = sorted(range(len(tokens)), key=lambda i: tokens[i].probability)[:_SURPRISES]
    for i in sorted(rarest):
        _show_row(session, tokens, i)


def _quoted(session: "Session", id: int) -> str:
    return f"'{printable(piece(session, id))}'"


def _share(probability: float) -> str:
    return f"{probability:.0%}" if probability >= 0.1 else f"{100 * probability:.2g}%"


def _show_row(session: "Session", tokens: "list[DrawnToken]", i: int) -> None:
    """Show a token, its probability, and what was likelier."""
    token = tokens[i]
    line = f"  {i + 1:>4}  {_quoted(session, token.id):<14} {_share(token.probability):>8}"
    if token.rank > 1:
        best, probability = token.candidates[0]
        line += f"  likelier: {_quoted(session, best)} {_share(probability)}"
    ui.say(line, _colour(token.probability))


def _show_candidates(session: "Session", tokens: "list[DrawnToken]", i: int) -> None:
    """Show the likeliest tokens at a place, and the one that was drawn among them."""
    token = tokens[i]
    before = "".join(piece(session, earlier.id) for earlier in tokens[:i])[-30:]
    ui.say(f"token {i + 1} of {len(tokens)}, after '{printable(before)}':")
    rows = list(token.candidates)
    if token.id not in [id for id, _ in rows]:
        rows.append((token.id, token.probability))
    for id, probability in rows:
        mark = "*" if id == token.id else " "
        bar = "#" * round(max(0, min(_BAR, ui.console().width - 32)) * probability)
        style = "bold" if id == token.id else ""
        ui.say(
            f"  {mark} {_quoted(session, id):<14} {_share(probability):>8}  {bar}".rstrip(), style
        )
    if token.rank > len(token.candidates):
        ui.say(f"  * was the {token.rank:,}th likeliest")


COMMAND = SlashCommand(
    "why", "/why [N|TEXT|all]", "how likely each token was, and what else could be", run
)
