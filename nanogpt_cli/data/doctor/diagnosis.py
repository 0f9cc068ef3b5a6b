"""From what was measured and written to the doctor's findings."""

from collections.abc import Callable, Iterator, Mapping

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.data.doctor.capacity import capacity
from nanogpt_cli.data.doctor.examination import Examination
from nanogpt_cli.data.doctor.findings import Findings
from nanogpt_cli.data.doctor.near import near_copies
from nanogpt_cli.data.output import Part
from nanogpt_cli.data.split import Plan, Scan, Split

COMPARED = 2**20
"""Documents that are compared for being the same; of more, as many, drawn by their content."""


def diagnose(
    scan: Scan,
    plan: Plan,
    parts: Mapping[Split, Part],
    vocab_size: int,
    numbers: Mapping[str, int],
) -> Findings:
    """Return what is to be said of a dataset; ``numbers`` are those that formats counted."""
    assert scan.examination
    copies, val_copies = _copies(scan, plan)
    if scan.for_validation is not None:
        val_copies = scan.overlap
    tokens = sum(part.tokens for part in parts.values())
    per_token = sum(part.bytes for part in parts.values()) / max(1, tokens)
    return findings_of(
        scan.examination,
        side=_side(scan.examination, plan),
        train_tokens=parts["train"].tokens,
        vocab_size=vocab_size,
        documents=scan.documents,
        conversations=scan.conversations,
        turns=scan.turns,
        tokens=tokens,
        bytes_per_token=per_token,
        exact_copies=copies,
        val_copies=val_copies,
        cut=plan.cut,
        **{name: n for name, n in numbers.items() if n},
    )


def findings_of(
    found: Examination,
    side: Callable[[float, int], bool],
    train_tokens: int,
    vocab_size: int,
    **known: float,
) -> Findings:
    """Return findings of what is ``known`` and what was looked at.

    ``side`` says of a document of the sample, by its draw and its number, whether it is for
    validation.
    """
    sampled = found.sample.items()
    is_val = [side(draw, one.index) for draw, one in sampled]
    near: set[int] = set()
    across: set[int] = set()
    for one, other in near_copies([document for _, document in sampled]):
        near.add(max(one, other))
        if is_val[one] != is_val[other]:
            across.add(one if is_val[one] else other)
    block_size = ModelConfig.block_size
    characters = found.characters
    return Findings(
        capacity=capacity(train_tokens, vocab_size),
        block_size=block_size,
        sampled=len(sampled),
        near_copies=len(near),
        near_val_copies=0 if known.get("cut") else len(across),
        sampled_val=sum(is_val),
        without_reply=found.without_reply,
        long_turns=found.turn_lengths.longer_than(block_size * known["bytes_per_token"]),
        tags=dict(characters.tags),
        replaced_characters=characters.replaced,
        control_characters=characters.controls,
        twice_encoded=characters.twice_encoded,
        long_lines=characters.long_lines,
        long_line_share=characters.long_line_bytes / max(1, characters.size),
        **known,  # type: ignore[arg-type]
    )


def _side(found: Examination, plan: Plan) -> Callable[[float, int], bool]:
    """Return whether a document of the sample is for validation."""
    if plan.train is None:
        return lambda draw, index: plan.is_validation(draw)
    wanted = {one.index for _, one in found.sample.items()}
    none = {i for i, size in enumerate(plan.train) if size == 0 and i in wanted}
    return lambda draw, index: index in none


def _copies(scan: Scan, plan: Plan) -> tuple[int, int]:
    """Count the documents that are copies of one before, and copies across the split.

    Of very many documents those are counted that are drawn below a bound, as all copies of one
    are, and the rest is taken to be alike.
    """
    share = min(1.0, COMPARED / max(1, scan.documents))
    seen: dict[float, bool] = {}
    copies = across = 0
    for draw, is_val in _sides(scan, plan, share):
        if draw in seen:
            copies += 1
            across += seen[draw] != is_val
        else:
            seen[draw] = is_val
    return round(copies / share), 0 if plan.cut else round(across / share)


def _sides(scan: Scan, plan: Plan, share: float) -> Iterator[tuple[float, bool]]:
    """Yield the draws below ``share``, with whether the document is for validation."""
    if plan.train is None:
        yield from ((draw, plan.is_validation(draw)) for draw in scan.draws if draw < share)
        return
    for draw, size in zip(scan.draws, plan.train, strict=True):
        if draw < share:
            yield draw, size == 0
