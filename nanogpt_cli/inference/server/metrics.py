"""Counters and histograms in the text format of Prometheus."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds."""

HELP = {
    "nanogpt_requests_total": "Answered requests, by path and status.",
    "nanogpt_texts_total": "Generated texts, by how they ended.",
    "nanogpt_prompt_tokens_total": "Prompt tokens that were computed.",
    "nanogpt_reused_tokens_total": "Prompt tokens that were still in the cache.",
    "nanogpt_generated_tokens_total": "Tokens that were drawn.",
    "nanogpt_steps_total": "Steps of the engine.",
    "nanogpt_engine_restarts_total": "Times the engine failed and began anew.",
    "nanogpt_engine_up": "1 where the engine runs, 0 where it died.",
    "nanogpt_active_texts": "Texts that are being generated.",
    "nanogpt_waiting_texts": "Texts that wait for a row.",
    "nanogpt_rows": "Texts that can be generated at a time.",
    "nanogpt_first_token_seconds": "From a request to its first token.",
    "nanogpt_text_seconds": "From a request to the end of its text.",
}

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """What was counted so far; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Labels], float] = defaultdict(float)
        self._observed: dict[str, list[float]] = {}  # a count per bucket, then sum and count

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        with self._lock:
            self._counts[name, tuple(labels.items())] += 1

    def observe(self, name: str, seconds: float) -> None:
        """Add a value to a histogram."""
        with self._lock:
            kept = self._observed.setdefault(name, [0.0] * (len(BUCKETS) + 2))
            for i, bound in enumerate(BUCKETS):
                kept[i] += seconds <= bound
            kept[-2] += seconds
            kept[-1] += 1

    def mean(self, name: str) -> float:
        """Return the mean of a histogram's values; 0 where it has none."""
        with self._lock:
            kept = self._observed.get(name)
            return kept[-2] / kept[-1] if kept else 0.0

    def text(self, gauges: Mapping[tuple[str, Labels], float]) -> str:
        """Return all of it, and ``gauges``, which are read when asked for."""
        with self._lock:
            counts = dict(self._counts) | dict(gauges)
            observed = {name: list(kept) for name, kept in self._observed.items()}
        return "\n".join([*_counters(counts), *_histograms(observed)]) + "\n"


def _counters(counts: Mapping[tuple[str, Labels], float]) -> Iterator[str]:
    previous = ""
    for (name, labels), value in sorted(counts.items()):
        if name != previous:
            yield f"# HELP {name} {HELP[name]}"
            yield f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
            previous = name
        yield f"{name}{_braces(labels)} {value:.15g}"


def _histograms(observed: Mapping[str, list[float]]) -> Iterator[str]:
    for name, kept in sorted(observed.items()):
        yield f"# HELP {name} {HELP[name]}"
        yield f"# TYPE {name} histogram"
        for bound, value in zip(BUCKETS, kept, strict=False):
            yield f'{name}_bucket{{le="{bound:g}"}} {value:.15g}'
        yield f'{name}_bucket{{le="+Inf"}} {kept[-1]:.15g}'
        yield f"{name}_sum {kept[-2]:.15g}"
        yield f"{name}_count {kept[-1]:.15g}"


def _braces(labels: Labels) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    inside = ",".join(f'{name}="{escaped(value)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""
