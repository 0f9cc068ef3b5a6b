"""A conversation with one model: what was said, and the next reply. It knows no terminal."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.dialogue import ChatFormat, Turn, encode_prompt, stop_ids, stop_strings
from nanogpt_cli.errors import CheckpointError, MachineError
from nanogpt_cli.inference.engine import Decoder, Reply, sampling_generator, stream_reply


@dataclass
class Session:
    """The turns so far with one model."""

    loaded: LoadedModel
    config: SampleConfig
    turns: list[Turn] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the last reply had to leave out of the model's sight, for the user to read."""
    last: Reply | None = None

    def __post_init__(self) -> None:
        """Seed the sampling. Raises MachineError where the context does not fit in memory."""
        try:
            self._decoder = Decoder(self.loaded.model)
        except RuntimeError as error:
            raise MachineError(
                f"{self.loaded.path}: not enough memory for its context of "
                f"{self.loaded.config.block_size:,} tokens",
                "take a smaller model, or a machine with more memory",
            ) from error
        self._generator = sampling_generator(self.config.seed)
        self._forgetting = False

    def set(self, config: SampleConfig) -> None:
        """Change how tokens are drawn; a new seed starts anew."""
        if config.seed != self.config.seed:
            self._generator = sampling_generator(config.seed)
        self.config = config

    def clear(self) -> None:
        """Forget the conversation."""
        self.turns.clear()
        self._forgetting = False

    def reply(self, text: str) -> Generator[str, None, None]:
        """Yield the reply to ``text`` in pieces; both join the conversation, also a broken-off one.

        A model that continues text gets ``text`` alone and remembers nothing; an answer comes
        without the white space around it.
        """
        self.notes.clear()
        words, chat = self.loaded.tokenizer, self.loaded.chat_format
        if unknown := words.unknown(text):
            shown = ", ".join(map(repr, unknown[:8]))
            self.notes.append(f"the model does not know {shown}: left out")
        self.last = reply = Reply()
        if chat is None:
            prompt = self._plain_prompt(text)
            stops: set[int] = set(words.special_tokens.values())
            strings: tuple[str, ...] = ()
        else:
            self.turns.append(Turn("human", text))
            prompt = self._chat_prompt(chat)
            stops, strings = stop_ids(words, chat), stop_strings(words, chat)
        pieces = stream_reply(
            self._decoder,
            words,
            prompt,
            self.config,
            reply,
            stop_ids=stops,
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
            # any beginning will do where the model knows nothing of the text
            ids = self.loaded.tokenizer.encode("\n") or [0]
        if len(ids) > block:
            self.notes.append(f"the text is longer than the context: its last {block} tokens count")
        return ids[-block:]

    def _chat_prompt(self, chat: ChatFormat) -> list[int]:
        """Give the conversation's ids, with room for an answer of up to a quarter of the context.

        A longer answer goes on all the same: the decoder's window then moves.
        """
        block = self.loaded.config.block_size
        room = min(self.config.max_tokens, block // 4)
        prompt = encode_prompt(self.turns, self.loaded.tokenizer, chat, max(1, block - room))
        if prompt.cropped_tokens:
            self.notes.append(
                f"the message is longer than the context of {block} tokens: "
                f"its first {prompt.cropped_tokens} tokens are left out"
            )
        elif prompt.dropped_turns and not self._forgetting:
            self._forgetting = True
            self.notes.append(
                f"the context of {block} tokens is full: "
                "from here on the oldest turns are forgotten"
            )
        return prompt.ids


def _stripped(pieces: Iterable[str]) -> Iterator[str]:
    """Leave out the white space before and after the whole text."""
    begun, held = False, ""
    for piece in pieces:
        held += piece
        text = held.rstrip() if begun else held.strip()
        if text:
            held = held[len(held.rstrip()) :]
            begun = True
            yield text
