"""A conversation with one model: its turns, and the next reply. Nothing here knows a terminal."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import ModelConfig, SampleConfig
from nanogpt_cli.dialogue import ChatFormat, Turn, encode_prompt, stops
from nanogpt_cli.errors import CheckpointError, MachineError
from nanogpt_cli.inference.engine import Decoder, stream_reply
from nanogpt_cli.inference.sampling import sampling_generator
from nanogpt_cli.inference.text_stream import Reply


@dataclass
class Session:
    """The turns so far with one model."""

    loaded: LoadedModel
    config: SampleConfig
    turns: list[Turn] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the model could not be shown before the last reply, for the user to read."""
    last: Reply | None = None
    """The newest reply, as far as it has come."""

    def __post_init__(self) -> None:
        """Seed the sampling. Raises MachineError where the context does not fit into memory."""
        try:
            self._decoder = Decoder(self.loaded.model)
        except RuntimeError as error:
            raise MachineError(
                f"{self.loaded.path}: not enough memory for its context of "
                f"{self.loaded.config.block_size:,} tokens",
                "use a smaller model, or a machine with more memory",
            ) from error
        self._generator = sampling_generator(self.config.seed)
        self._noted_forgetting = False

    def set(self, config: SampleConfig) -> None:
        """Change how tokens are drawn; a different seed restarts the random numbers."""
        if config.seed != self.config.seed:
            self._generator = sampling_generator(config.seed)
        self.config = config

    def clear(self) -> None:
        """Start a new conversation."""
        self.turns.clear()
        self._noted_forgetting = False

    def reply(self, text: str) -> Generator[str, None, None]:
        """Yield the reply to ``text`` in pieces; both become turns, also where it is interrupted.

        A model that continues text is given ``text`` alone and keeps no turns. An answer comes
        without the white space around it. Raises CheckpointError where the model's output is not
        finite.
        """
        self.notes.clear()
        tokenizer, chat = self.loaded.tokenizer, self.loaded.chat_format
        if unknown := tokenizer.unknown(text):
            shown = ", ".join(map(repr, unknown[:8]))
            self.notes.append(f"the model does not know {shown}: left out")
        self.last = reply = Reply()
        if chat is None:
            prompt = self._plain_prompt(text)
        else:
            self.turns.append(Turn("human", text))
            prompt = self._chat_prompt(chat)
        ids, strings = stops(tokenizer, chat)
        pieces = stream_reply(
            self._decoder,
            tokenizer,
            prompt,
            self.config,
            reply,
            stop_ids=ids,
            stop_strings=strings,
            generator=self._generator,
        )
        try:
            yield from pieces if chat is None else _stripped(pieces)
        except CheckpointError as error:
            raise CheckpointError(f"{self.loaded.path}: {error.message}", error.hint) from error
        finally:
            if chat is not None:
                reply.text = reply.text.strip()
                self.turns.append(Turn("bot", reply.text))

    def _plain_prompt(self, text: str) -> list[int]:
        block = self.loaded.config.block_size
        ids = self.loaded.tokenizer.encode(text)
        if not ids:
            # any beginning will do where the model knows no character of the text
            ids = self.loaded.tokenizer.encode("\n") or [0]
        if len(ids) > block:
            self.notes.append(
                f"the text is longer than the context: only its last {block} tokens are used"
            )
        return ids[-block:]

    def _chat_prompt(self, chat: ChatFormat) -> list[int]:
        """Return the conversation's ids, with room for an answer."""
        block = self.loaded.config.block_size
        budget = prompt_budget(self.loaded.config, self.config)
        prompt = encode_prompt(self.turns, self.loaded.tokenizer, chat, budget)
        if prompt.cropped_tokens:
            self.notes.append(
                f"the message is longer than the context of {block} tokens: "
                f"its first {prompt.cropped_tokens} tokens are left out"
            )
        elif prompt.dropped_turns and not self._noted_forgetting:
            self._noted_forgetting = True
            self.notes.append(
                f"the context of {block} tokens is full: from now on the oldest turns are forgotten"
            )
        return prompt.ids


def prompt_budget(model: ModelConfig, sampling: SampleConfig) -> int:
    """Return how many ids of a conversation a model is shown: room is left for an answer.

    That is at most a quarter of the context. A longer answer is not cut off: the decoder's window
    then moves.
    """
    room = min(sampling.max_tokens, model.block_size // 4)
    return max(1, model.block_size - room)


def _stripped(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the text without the white space before and after the whole of it."""
    begun, held = False, ""
    for piece in pieces:
        held += piece
        text = held.rstrip() if begun else held.strip()
        if text:
            held = held[len(held.rstrip()) :]
            begun = True
            yield text
