"""From what a client sends to token ids, and what had to be left out of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.dialogue import Role, Turn, encode_prompt
from nanogpt_cli.inference.server.errors import ApiError
from nanogpt_cli.inference.session import prompt_budget
from nanogpt_cli.text import valid_text

ROLES: dict[str, Role] = {
    "user": "human",
    "assistant": "bot",
    "system": "context",
    "developer": "context",
}


@dataclass
class EncodedPrompt:
    """A prompt for the model, and notes for who sent it."""

    ids: list[int]
    text: str = ""
    notes: list[str] = field(default_factory=list)


def read_messages(content: object) -> list[Turn]:
    """Return the turns of a request's ``messages``. Raises ApiError where they are none."""
    if not isinstance(content, list) or not content:
        raise ApiError(400, "messages must be a list of at least one message", param="messages")
    return [_turn(message, f"messages[{i}]") for i, message in enumerate(content)]


def _turn(message: object, where: str) -> Turn:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        roles = ", ".join(ROLES)
        raise ApiError(400, f"the role must be one of {roles}", param=f"{where}.role")
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [p.get("text") if isinstance(p, dict) else None for p in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ApiError(400, "the content must be text", param=f"{where}.content")
    return Turn(ROLES[message["role"]], valid_text("".join(texts)))  # type: ignore[arg-type]


def encode_turns(
    loaded: LoadedModel, turns: Sequence[Turn], sampling: SampleConfig
) -> EncodedPrompt:
    """Return a conversation as a prompt, its oldest turns left out where it is too long.

    A model that continues text is given the newest message alone, as in the terminal.
    """
    chat, tokenizer = loaded.chat_format, loaded.tokenizer
    if chat is None:
        said = [turn.text for turn in turns if turn.role == "human"] or [turns[-1].text]
        prompt = encode_text(loaded, said[-1])
        if len(turns) > 1:
            prompt.notes.append("this model continues text: only the last message was read")
        return prompt
    notes = _unknown(loaded, "".join(turn.text for turn in turns))
    front = [turn for turn in turns if turn.role == "context"]
    spoken = [turn for turn in turns if turn.role != "context"]
    if front and not chat.context:
        front = []
        notes.append("this model was not trained with a system message: left out")
    shown = encode_prompt(
        [*front, *spoken], tokenizer, chat, prompt_budget(loaded.config, sampling)
    )
    if shown.cropped_tokens:
        notes.append(
            f"the message is longer than the context of {loaded.config.block_size} tokens: "
            f"its first {shown.cropped_tokens} tokens were left out"
        )
    elif shown.dropped_turns:
        notes.append(f"the context is full: the oldest {shown.dropped_turns} turns were left out")
    return EncodedPrompt(shown.ids, notes=notes)


def encode_text(loaded: LoadedModel, text: str) -> EncodedPrompt:
    """Return a text to be continued; a model that knows none of it gets a line break."""
    text = valid_text(text)
    ids = loaded.tokenizer.encode(text) or loaded.tokenizer.encode("\n") or [0]
    return _crop(loaded, ids, text, _unknown(loaded, text))


def encode_ids(loaded: LoadedModel, ids: Sequence[int]) -> EncodedPrompt:
    """Return a prompt that came as ids. Raises ApiError for ids without a token."""
    if not all(0 <= i < loaded.tokenizer.vocab_size for i in ids):
        raise ApiError(400, f"ids are 0 to {loaded.tokenizer.vocab_size - 1}", param="prompt")
    return _crop(loaded, list(ids), loaded.tokenizer.decode(ids), [])


def _crop(loaded: LoadedModel, ids: list[int], text: str, notes: list[str]) -> EncodedPrompt:
    block = loaded.config.block_size
    if len(ids) > block:
        notes.append(f"the text is longer than the context: only its last {block} tokens were read")
    return EncodedPrompt(ids[-block:], text, notes)


def _unknown(loaded: LoadedModel, text: str) -> list[str]:
    unknown = loaded.tokenizer.unknown(text)
    shown = ", ".join(map(repr, unknown[:8]))
    return [f"the model does not know {shown}: left out"] if unknown else []


def read_prompts(content: Any) -> list[str | list[int]]:
    """Return the prompts of a completion: a text, ids, or a list of either.

    Raises ApiError where it is none of these.
    """
    if isinstance(content, str):
        return [content]
    if isinstance(content, list) and content:
        if all(type(part) is int for part in content):
            return [content]
        texts = all(isinstance(part, str) for part in content)
        ids = all(
            isinstance(part, list) and part and all(type(i) is int for i in part)
            for part in content
        )
        if texts or ids:
            return content
    raise ApiError(400, "prompt must be a text, token ids, or a list of either", param="prompt")
