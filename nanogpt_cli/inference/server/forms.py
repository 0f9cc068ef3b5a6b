"""How OpenAI's API writes a text: one class for each endpoint. Nothing here generates."""

import codecs
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nanogpt_cli.inference.server.generation import Piece, TokenInfo
from nanogpt_cli.inference.server.prompts import EncodedPrompt

LEAST = -9999.0
"""What stands for a log-probability below it: JSON has no infinity."""


@dataclass
class Form:
    """What both endpoints share: the envelope."""

    id: str
    model: str
    created: int = field(default_factory=lambda: int(time.time()), kw_only=True)
    chunk_kind: str = field(default="", kw_only=True)
    whole_kind: str = field(default="", kw_only=True)

    def _envelope(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return head | {"choices": choices}

    def chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """Return an event of a stream."""
        return self._envelope(self.chunk_kind, choices)

    def whole(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """Return an answer in one piece."""
        return self._envelope(self.whole_kind, choices)

    def opening(self, index: int) -> list[dict[str, Any]]:
        """Return what a stream says of a text before it begins."""
        return []

    def delta(self, index: int, piece: Piece, finish: str | None) -> dict[str, Any]:
        """Return the next piece of a text."""
        raise NotImplementedError

    def choice(self, index: int, piece: Piece, finish: str, with_logprobs: bool) -> dict[str, Any]:
        """Return a whole text."""
        raise NotImplementedError


@dataclass
class ChatForm(Form):
    """``chat.completion``."""

    chunk_kind: str = field(default="chat.completion.chunk", kw_only=True)
    whole_kind: str = field(default="chat.completion", kw_only=True)

    def opening(self, index: int) -> list[dict[str, Any]]:
        """Say who speaks."""
        delta = {"role": "assistant", "content": ""}
        return [{"index": index, "delta": delta, "logprobs": None, "finish_reason": None}]

    def delta(self, index: int, piece: Piece, finish: str | None) -> dict[str, Any]:
        """Return the next piece of a reply."""
        delta = {} if finish else {"content": piece.text}
        logprobs = _chat_logprobs(piece.tokens) if piece.tokens else None
        return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}

    def choice(self, index: int, piece: Piece, finish: str, with_logprobs: bool) -> dict[str, Any]:
        """Return a whole reply."""
        message = {"role": "assistant", "content": piece.text, "refusal": None}
        logprobs = _chat_logprobs(piece.tokens) if with_logprobs else None
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _chat_logprobs(tokens: Sequence[TokenInfo]) -> dict[str, Any]:
    def one(token: bytes, logprob: float | None) -> dict[str, Any]:
        return {"token": _name(token), "logprob": _finite(logprob), "bytes": list(token)}

    return {
        "content": [
            one(info.data, info.logprob) | {"top_logprobs": [one(*other) for other in info.top]}
            for info in tokens
        ],
        "refusal": None,
    }


@dataclass
class CompletionForm(Form):
    """``text_completion``."""

    prompts: Sequence[EncodedPrompt]
    n: int
    echo: bool
    chunk_kind: str = field(default="text_completion", kw_only=True)
    whole_kind: str = field(default="text_completion", kw_only=True)

    def __post_init__(self) -> None:
        count = len(self.prompts) * self.n
        self._offsets = [0 if self.echo else len(self._prompt(i)) for i in range(count)]
        self._utf8 = [codecs.getincrementaldecoder("utf-8")("replace") for _ in range(count)]

    def _prompt(self, index: int) -> str:
        return self.prompts[index // self.n].text

    def opening(self, index: int) -> list[dict[str, Any]]:
        """Repeat the prompt where that is wanted."""
        return [self.delta(index, Piece(self._prompt(index)), None)] if self.echo else []

    def delta(self, index: int, piece: Piece, finish: str | None) -> dict[str, Any]:
        """Return the next piece of a text."""
        logprobs = self._logprobs(index, piece.tokens) if piece.tokens else None
        return {"index": index, "text": piece.text, "logprobs": logprobs, "finish_reason": finish}

    def choice(self, index: int, piece: Piece, finish: str, with_logprobs: bool) -> dict[str, Any]:
        """Return a whole text."""
        text = (self._prompt(index) if self.echo else "") + piece.text
        logprobs = self._logprobs(index, piece.tokens) if with_logprobs else None
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}

    def _logprobs(self, index: int, tokens: Sequence[TokenInfo]) -> dict[str, Any]:
        offsets = []
        for info in tokens:
            offsets.append(self._offsets[index])
            self._offsets[index] += len(self._utf8[index].decode(info.data))
        return {
            "tokens": [_name(info.data) for info in tokens],
            "token_logprobs": [_finite(info.logprob) for info in tokens],
            "top_logprobs": [
                {_name(token): _finite(logprob) for token, logprob in info.top}
                if info.logprob is not None
                else None
                for info in tokens
            ],
            "text_offset": offsets,
        }


def _finite(logprob: float | None) -> float | None:
    return None if logprob is None else max(logprob, LEAST)


def _name(token: bytes) -> str:
    """Return a token as text; one that is no whole character as OpenAI writes it."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)
