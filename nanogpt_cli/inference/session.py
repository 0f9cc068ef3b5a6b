"""A conversation with one model: its turns, and the next reply. Nothing here knows a terminal."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import ModelConfig, SampleConfig
from nanogpt_cli.dialogue import Prompt, Role, Turn, encode_prompt, stops
from nanogpt_cli.errors import CheckpointError, MachineError, UsageError
from nanogpt_cli.inference.engine import Decoder, stream_reply
from nanogpt_cli.inference.sampling import sampling_generator
from nanogpt_cli.inference.text_stream import Reply, Stripper

FRONT: tuple[Role, ...] = ("context", "emotion")
"""What may stand in front of a conversation, in this order."""


@dataclass
class Totals:
    """What was generated in a conversation, also what was undone or tried again."""

    replies: int = 0
    tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_sec(self) -> float | None:
        """Tokens per second, reading of the prompts included."""
        return self.tokens / self.seconds if self.seconds > 0 else None

    def add(self, reply: Reply) -> None:
        """Count a reply."""
        self.replies += 1
        self.tokens += reply.tokens
        self.seconds += reply.seconds


@dataclass(frozen=True)
class ContextUse:
    """How much of the context the conversation takes."""

    used: int
    """Tokens of the turns that the model would be shown."""
    limit: int
    """The model's context in tokens."""
    room: int
    """Tokens of the limit that are left free for an answer."""
    forgotten_turns: int
    """Turns, the oldest, that no longer fit."""


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
    stop: tuple[str, ...] = ()
    """Texts that end a reply, beside the tags; they are not part of it."""
    continued: list[Turn] = field(default_factory=list)
    """What a model that continues text was given and has written; it is shown none of it again."""
    totals: Totals = field(default_factory=Totals)

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

    # --- the turns ------------------------------------------------------------------------------

    @property
    def transcript(self) -> list[Turn]:
        """Both sides of the conversation, also with a model that continues text."""
        return self.turns if self.loaded.chat_format else self.continued

    @property
    def question(self) -> str | None:
        """The newest message to the model; None where there is none."""
        said = (turn.text for turn in reversed(self.transcript) if turn.role == "human")
        return next(said, None)

    def clear(self) -> None:
        """Start a new conversation; what stands in front of it stays."""
        self.turns[:] = [turn for turn in self.turns if turn.role in FRONT]
        self.continued.clear()
        self.last = None
        self._noted_forgetting = False

    def resume(self, turns: Iterable[Turn]) -> None:
        """Continue another conversation.

        What stands in front of it is left out where the model has no tag for it.
        """
        chat = self.loaded.chat_format
        known = [t for t in turns if t.role not in FRONT or (chat is not None and chat.tag(t.role))]
        self.turns.clear()
        self.clear()
        self.transcript[:] = known

    def undo(self) -> str | None:
        """Remove the newest message and its reply; return the message, None where there is none."""
        question = self.question
        while question is not None and self.transcript.pop().role != "human":
            pass
        self.last = None
        return question

    def front(self, role: Role) -> str | None:
        """Return the context or the emotion in front of the conversation; None without one."""
        return next((turn.text for turn in self.turns if turn.role == role), None)

    def set_front(self, role: Role, text: str | None) -> None:
        """Put a context or an emotion in front of the conversation, or remove it.

        Raises UsageError where the model was not trained with one.
        """
        chat = self.loaded.chat_format
        if text and (chat is None or not chat.tag(role)):
            raise UsageError(
                f"{self.loaded.path} was trained without a line of {role}",
                f"prepare its data with --with-{role}, and train again",
            )
        texts = {each: self.front(each) for each in FRONT} | {role: text}
        said = [turn for turn in self.turns if turn.role not in FRONT]
        self.turns[:] = [Turn(each, here) for each in FRONT if (here := texts[each])] + said

    def context(self) -> ContextUse:
        """Return how much of the context the conversation takes."""
        chat, limit = self.loaded.chat_format, self.loaded.config.block_size
        if chat is None:
            shown = len(self.last.prompt) + len(self.last.ids) if self.last else 0
            return ContextUse(min(shown, limit), limit, 0, 0)
        budget = prompt_budget(self.loaded.config, self.config)
        if not self.turns:
            return ContextUse(0, limit, limit - budget, 0)
        prompt = encode_prompt(self.turns, self.loaded.tokenizer, chat, budget)
        return ContextUse(len(prompt.ids), limit, limit - budget, prompt.dropped_turns)

    # --- replies --------------------------------------------------------------------------------

    def retry(self) -> Generator[str, None, None]:
        """Yield another reply to the newest message, in the place of the last one.

        Raises UsageError where there is none.
        """
        question = self.undo()
        if question is None:
            raise UsageError("there is no reply to try again", "write a message first")
        return self.reply(question)

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
        self.transcript.append(Turn("human", text))
        prompt = self._prompt()
        ids, strings = stops(tokenizer, chat)
        pieces = stream_reply(
            self._decoder,
            tokenizer,
            prompt,
            self.config,
            reply,
            stop_ids=ids,
            stop_strings=(*strings, *self.stop),
            generator=self._generator,
        )
        try:
            yield from pieces if chat is None else _stripped(pieces)
        except CheckpointError as error:
            raise CheckpointError(f"{self.loaded.path}: {error.message}", error.hint) from error
        finally:
            if chat is not None:
                reply.text = reply.text.strip()
            self.transcript.append(Turn("bot", reply.text))
            self.totals.add(reply)

    def _prompt(self) -> list[int]:
        """Return the ids that the model is shown, and note what is left out."""
        block = self.loaded.config.block_size
        prompt = prompt_for(self.loaded, self.transcript, self.config)
        if prompt.cropped_tokens:
            self.notes.append(cropped_note(self.loaded, prompt))
        elif prompt.dropped_turns and not self._noted_forgetting:
            self._noted_forgetting = True
            self.notes.append(
                f"the context of {block} tokens is full: from now on the oldest turns are forgotten"
            )
        return prompt.ids


def prompt_for(loaded: LoadedModel, turns: Sequence[Turn], sampling: SampleConfig) -> Prompt:
    """Return what a model is shown of a conversation that ends in a message, and what it is not.

    A model that continues text is shown the message alone.
    """
    if chat := loaded.chat_format:
        budget = prompt_budget(loaded.config, sampling)
        return encode_prompt(turns, loaded.tokenizer, chat, budget)
    # any beginning will do where the model knows no character of the text
    ids = loaded.tokenizer.encode(turns[-1].text) or loaded.tokenizer.encode("\n") or [0]
    block = loaded.config.block_size
    return Prompt(ids[-block:], 0, max(0, len(ids) - block))


def cropped_note(loaded: LoadedModel, prompt: Prompt) -> str:
    """Say what a model does not see of a message that is too long for it."""
    block = loaded.config.block_size
    if loaded.chat_format is None:
        return f"the text is longer than the context: only its last {block} tokens are used"
    return (
        f"the message is longer than the context of {block} tokens: "
        f"its first {prompt.cropped_tokens} tokens are left out"
    )


def prompt_budget(model: ModelConfig, sampling: SampleConfig) -> int:
    """Return how many ids of a conversation a model is shown: room is left for an answer.

    That is at most a quarter of the context. A longer answer is not cut off: the decoder's window
    then moves.
    """
    room = min(sampling.max_tokens, model.block_size // 4)
    return max(1, model.block_size - room)


def _stripped(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the text without the white space before and after the whole of it."""
    stripper = Stripper()
    for piece in pieces:
        if text := stripper.push(piece):
            yield text
