"""What can be extended, and all there is of each kind: one line an entry.

An entry is ``"module:name"``, imported when it is first asked for, so that listing the names (in
``--help``, say) imports nothing. Code outside of this package adds its own with ``register``.
"""

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from nanogpt_cli.errors import UsageError


class Registry:
    """Implementations of one kind, by name, in the order in which they were registered."""

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        """What an entry is called in messages."""
        self._entries: dict[str, Any] = dict(entries)

    def register(self, name: str, entry: Any) -> None:
        """Add an implementation, or ``"module:name"`` of one; a known name is replaced."""
        self._entries[name] = entry

    def unregister(self, name: str) -> None:
        """Remove an entry. Raises KeyError where there is none."""
        del self._entries[name]

    def get(self, name: str) -> Any:
        """Return the implementation called ``name``.

        Raises UsageError naming the nearest where there is none.
        """
        self.check(name)
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = self._entries[name] = getattr(import_module(module), attribute)
        return entry

    def check(self, name: str) -> None:
        """Raise UsageError where no entry is called ``name``."""
        if name not in self._entries:
            near = difflib.get_close_matches(name, self._entries, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose one of: {', '.join(self)}"
            raise UsageError(f"unknown {self.kind} {name}", hint)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class OrAuto:
    """The names in a registry, after ``auto``."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def __contains__(self, name: object) -> bool:
        return name == "auto" or name in self.registry

    def __iter__(self) -> Iterator[str]:
        yield "auto"
        yield from self.registry

    def __len__(self) -> int:
        return 1 + len(self.registry)


ARCHITECTURES = Registry(
    "--arch",
    {
        "gpt2": "nanogpt_cli.model.gpt:GPT",
        "modern": "nanogpt_cli.model.modern:ModernGPT",
    },
)
"""How a model's blocks are built."""

POSITIONS = Registry(
    "--pos-embd",
    {
        "default": "nanogpt_cli.model.positions:Learned",
        "rope": "nanogpt_cli.model.positions:Rotary",
        "relative": "nanogpt_cli.model.positions:Relative",
    },
)
"""How a model knows where a token stands."""

TOKENIZERS = Registry(
    "tokenizer",
    {
        "gpt2": "nanogpt_cli.tokenizer.bpe:GPT2",
        "char": "nanogpt_cli.tokenizer.char:CHAR",
        "byte": "nanogpt_cli.tokenizer.byte:BYTE",
        "bpe": "nanogpt_cli.tokenizer.bpe:BPE",
        "cl100k_base": "nanogpt_cli.tokenizer.bpe:CL100K_BASE",
        "o200k_base": "nanogpt_cli.tokenizer.bpe:O200K_BASE",
    },
)

FORMATS = Registry(
    "--format",
    {
        "text": "nanogpt_cli.data.formats.text:FORMAT",
        "dialogue": "nanogpt_cli.data.formats.dialogue:FORMAT",
        "jsonl": "nanogpt_cli.data.formats.jsonl:FORMAT",
        "json": "nanogpt_cli.data.formats.json:FORMAT",
        "csv": "nanogpt_cli.data.formats.csv:FORMAT",
        "telegram": "nanogpt_cli.data.formats.telegram:FORMAT",
        "whatsapp": "nanogpt_cli.data.formats.whatsapp:FORMAT",
        "eou": "nanogpt_cli.data.formats.eou:FORMAT",
        "empathetic": "nanogpt_cli.data.formats.empathetic:FORMAT",
        "subtitles": "nanogpt_cli.data.formats.subtitles:FORMAT",
        "html": "nanogpt_cli.data.formats.html:FORMAT",
        "separated": "nanogpt_cli.data.formats.separated:FORMAT",
    },
)
"""What files of text and dialogues may look like."""

CHECKPOINT_FORMATS = Registry(
    "checkpoint format",
    {
        "torch": "nanogpt_cli.checkpoint.formats.torch:FORMAT",
        "hf": "nanogpt_cli.checkpoint.formats.hf:FORMAT",
        "safetensors": "nanogpt_cli.checkpoint.formats.safetensors_file:FORMAT",
        "gguf": "nanogpt_cli.checkpoint.formats.gguf:FORMAT",
        "html": "nanogpt_cli.checkpoint.formats.html:FORMAT",
        "nanogpt": "nanogpt_cli.checkpoint.formats.nanogpt:FORMAT",
    },
)
"""What models of this and of other programs are stored as."""

METRICS = Registry(
    "metric",
    {
        "val_loss": "nanogpt_cli.evaluation.metrics.val_loss:METRIC",
        "perplexity": "nanogpt_cli.evaluation.metrics.perplexity:METRIC",
        "bits_per_byte": "nanogpt_cli.evaluation.metrics.bits_per_byte:METRIC",
        "bleu": "nanogpt_cli.evaluation.metrics.bleu:METRIC",
        "chrf": "nanogpt_cli.evaluation.metrics.chrf:METRIC",
        "rouge_l": "nanogpt_cli.evaluation.metrics.rouge_l:METRIC",
        "distinct": "nanogpt_cli.evaluation.metrics.distinct:METRIC",
        "length_ratio": "nanogpt_cli.evaluation.metrics.length_ratio:METRIC",
        "repetition": "nanogpt_cli.evaluation.metrics.repetition:METRIC",
        "ended": "nanogpt_cli.evaluation.metrics.ended:METRIC",
        "copies": "nanogpt_cli.evaluation.metrics.copies:METRIC",
        "bertscore": "nanogpt_cli.evaluation.metrics.bertscore:METRIC",
        "sentiment": "nanogpt_cli.evaluation.metrics.sentiment:METRIC",
        "label_ranking": "nanogpt_cli.evaluation.metrics.label_ranking:METRIC",
    },
)
"""What ``nanogpt eval`` can measure."""

TRACKERS = Registry(
    "--log-to",
    {
        "tensorboard": "nanogpt_cli.training.trackers.tensorboard:TRACKER",
        "wandb": "nanogpt_cli.training.trackers.wandb:TRACKER",
        "trackio": "nanogpt_cli.training.trackers.trackio:TRACKER",
        "csv": "nanogpt_cli.training.trackers.csv:TRACKER",
    },
)
"""Where a run is shown beside metrics.jsonl."""

SLASH_COMMANDS = Registry(
    "command",
    {
        "help": "nanogpt_cli.cli.slash.help:COMMAND",
        "set": "nanogpt_cli.cli.slash.set:COMMAND",
        "show": "nanogpt_cli.cli.slash.show:COMMAND",
        "clear": "nanogpt_cli.cli.slash.clear:COMMAND",
        "retry": "nanogpt_cli.cli.slash.retry:COMMAND",
        "undo": "nanogpt_cli.cli.slash.undo:COMMAND",
        "edit": "nanogpt_cli.cli.slash.edit:COMMAND",
        "context": "nanogpt_cli.cli.slash.context:COMMAND",
        "save": "nanogpt_cli.cli.slash.save:COMMAND",
        "load": "nanogpt_cli.cli.slash.load:COMMAND",
        "export": "nanogpt_cli.cli.slash.export:COMMAND",
        "model": "nanogpt_cli.cli.slash.model:COMMAND",
        "system": "nanogpt_cli.cli.slash.system:COMMAND",
        "emotion": "nanogpt_cli.cli.slash.emotion:COMMAND",
        "stats": "nanogpt_cli.cli.slash.stats:COMMAND",
        "why": "nanogpt_cli.cli.slash.why:COMMAND",
        "compare": "nanogpt_cli.cli.slash.compare:COMMAND",
        "source": "nanogpt_cli.cli.slash.source:COMMAND",
        "bye": "nanogpt_cli.cli.slash.bye:COMMAND",
    },
)
"""What can be typed after a slash in the terminal chat."""
