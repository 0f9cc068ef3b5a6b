"""How fast a model reads a prompt and writes an answer, and how near the machine's limit that is.

Writing reads all parameters, and the keys and values so far, for every token: with few sequences at
a time, that is limited by how fast memory can be read.

Shape letters: B sequences at a time, T tokens of a prompt, L layers.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import psutil
import torch

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import is_out_of_memory
from nanogpt_cli.evaluation.progress import Working, silent
from nanogpt_cli.inference.engine import generate_batch
from nanogpt_cli.model.gpt import GPT

BATCHES = (1, 4, 16)
SECONDS = 1.0
"""For which each thing is repeated; what is shown is the median."""
_READ = 256 << 20
"""Bytes that are read to measure the memory: more than processors have caches."""


@dataclass(frozen=True)
class BatchSpeed:
    """The speed with one number of sequences at a time; tokens are those of all together."""

    batch: int
    prompt: int
    """T: half a context."""
    prefill_tokens_per_sec: float | None
    decode_tokens_per_sec: float | None
    """As a user gets it, drawing of tokens included."""
    memory: int
    """Bytes of parameters, and of keys and values for a full context."""
    bandwidth_share: float | None
    """Bytes that decoding reads in a second, divided by what the memory gives."""
    reason: str | None = None
    """Why it was not measured."""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types; what was not measured has a ``reason`` instead."""
        if self.reason is not None:
            return {"batch": self.batch, "reason": self.reason}
        content = asdict(self)
        del content["reason"]
        return content


@dataclass(frozen=True)
class Speed:
    """The speed of a model on this machine."""

    device: str
    threads: int
    bandwidth: float
    """Bytes a second that were read from memory, measured."""
    parameter_bytes: int
    batches: list[BatchSpeed]
    process_memory: int
    """Bytes that the process holds at the end; on a GPU, that torch held there at most."""

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return asdict(self) | {"batches": [batch.to_dict() for batch in self.batches]}


def measure_speed(
    loaded: LoadedModel,
    batches: tuple[int, ...] = BATCHES,
    seconds: float = SECONDS,
    working: Working = silent,
) -> Speed:
    """Return how fast the model is with several numbers of sequences at a time.

    Each thing is repeated for about ``seconds``. ``working`` is told what is being measured.
    """
    device = next(loaded.model.parameters()).device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    working("memory bandwidth")
    bandwidth = memory_bandwidth(device, seconds)
    results = []
    for batch in batches:
        working(f"batch {batch}")
        try:
            results.append(_measure(loaded, batch, bandwidth, seconds))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = "not enough memory"
            results.append(BatchSpeed(batch, 0, None, None, 0, None, reason))
    if device.type == "cuda":
        used = int(torch.cuda.max_memory_allocated(device))
    else:
        used = int(psutil.Process().memory_info().rss)
    return Speed(
        str(device),
        torch.get_num_threads(),
        bandwidth,
        _parameter_bytes(loaded.model),
        results,
        used,
    )


def memory_bandwidth(device: torch.device, seconds: float = SECONDS) -> float:
    """Return the bytes a second that adding up a large tensor reads, with torch's threads."""
    data = torch.ones(_READ // 4, device=device)
    took = _median_seconds(lambda: data.sum(), device, seconds)
    return _READ / took


def _measure(loaded: LoadedModel, batch: int, bandwidth: float, seconds: float) -> BatchSpeed:
    model, device = loaded.model, next(loaded.model.parameters()).device
    T = max(1, model.config.block_size // 2)
    new = max(1, min(64, model.config.block_size - T))
    ids = torch.randint(loaded.tokenizer.vocab_size, (batch, T), device=device)

    @torch.no_grad()
    def prefill() -> None:
        hidden = model.hidden(ids, model.new_cache(batch))  # B, T, C
        model.lm_head(hidden[:, -1])

    prefill_seconds = _median_seconds(prefill, device, seconds)
    steps = _step_seconds(loaded, ids.tolist(), new, device, seconds)
    cache = _cache_bytes(model, batch)
    # half of a context before, and on average half of the new tokens
    read = _read_bytes(model) + cache * (T + new / 2) / model.config.block_size
    return BatchSpeed(
        batch,
        T,
        batch * T / prefill_seconds,
        batch / steps,
        _parameter_bytes(model) + cache,
        read / steps / bandwidth,
    )


def _step_seconds(
    loaded: LoadedModel, prompts: list[list[int]], new: int, device: torch.device, seconds: float
) -> float:
    """Return the median time of a step in which every sequence gets a token."""
    steps: list[float] = []
    config = SampleConfig(max_tokens=new + 1, seed=0)
    begin = time.perf_counter()
    while not steps or time.perf_counter() - begin < seconds:
        tokens = generate_batch(
            loaded.model, prompts, config, vocab_size=loaded.tokenizer.vocab_size
        )
        last = None
        for row, _ in tokens:
            if row == 0:  # its token comes first of each step
                now = time.perf_counter()
                steps += [] if last is None else [now - last]
                last = now
    return statistics.median(steps)


def _median_seconds(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Return the median time that ``work`` takes, after one time that does not count."""
    work()
    taken: list[float] = []
    while not taken or sum(taken) < seconds:
        _wait_for(device)
        begin = time.perf_counter()
        work()
        _wait_for(device)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _parameter_bytes(model: GPT) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _read_bytes(model: GPT) -> int:
    """Return the bytes of parameters that a step reads: all but tables, of which it looks up rows.

    A tied head is a table too, and read whole.
    """
    tables = {
        id(module.weight)
        for module in model.modules()
        if isinstance(module, torch.nn.Embedding) and module.weight is not model.lm_head.weight
    }
    return sum(p.numel() * p.element_size() for p in model.parameters() if id(p) not in tables)


def _cache_bytes(model: GPT, batch: int) -> int:
    """Return the bytes of keys and values of a full context: 2 L B block_size C numbers."""
    c, width = model.config, next(model.parameters()).element_size()
    return 2 * c.n_layer * batch * c.block_size * c.n_embd * width
