"""A request's JSON read and checked: what is to be generated, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import UsageError
from nanogpt_cli.inference.server.errors import ApiError
from nanogpt_cli.inference.server.limits import Limits
from nanogpt_cli.setting import flag, types_of
from nanogpt_cli.text import shortened, valid_text

Body = Mapping[str, Any]

MOST_STOPS, LONGEST_STOP = 16, 256
MOST_LOGPROBS = 20
NEUTRAL: dict[str, tuple[object, ...]] = {
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "functions": ([],),
    "best_of": (1,),
    "suffix": ("",),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
"""What OpenAI's API has and this server does not, with the values that change nothing."""


@dataclass(frozen=True)
class Parameters:
    """What both endpoints understand."""

    model: str | None
    stream: bool
    include_usage: bool
    n: int
    sampling: SampleConfig
    new_tokens: int
    stop: tuple[str, ...]


def read_parameters(body: Body, defaults: SampleConfig, limits: Limits) -> Parameters:
    """Return the parameters in a request. Raises ApiError naming the one that cannot be."""
    for name, neutral in NEUTRAL.items():
        if body.get(name) is not None and body[name] not in neutral:
            raise ApiError(400, f"{name} is not supported", param=name, code="unsupported")
    options = typed(body, "stream_options", dict, {})
    new_tokens = typed(body, "max_completion_tokens", int, typed(body, "max_tokens", int, None))
    if new_tokens is not None and new_tokens < 0:
        raise ApiError(400, "max_tokens must be at least 0", param="max_tokens")
    sampling = _sampling(body, defaults)
    return Parameters(
        model=typed(body, "model", str, None),
        stream=typed(body, "stream", bool, False),
        include_usage=typed(options, "include_usage", bool, False),
        n=ranged(body, "n", 1, 1, limits.choices),
        sampling=sampling,
        new_tokens=min(
            sampling.max_tokens if new_tokens is None else new_tokens, limits.new_tokens
        ),
        stop=_stop(body),
    )


def _sampling(body: Body, defaults: SampleConfig) -> SampleConfig:
    """Return how tokens are drawn: every setting of the command line can be given."""
    given: dict[str, Any] = {}
    for name in (f.name for f in fields(SampleConfig) if f.name != "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        kind = types_of(SampleConfig)[name]
        whole = int in (kind, *get_args(kind))
        if whole and isinstance(value, float):
            if not value.is_integer():
                raise ApiError(400, f"{name} must be a whole number", param=name)
            value = int(value)
        try:
            replace(defaults, **{name: value})
        except UsageError as error:
            message = f"{error.message}: {error.hint}".replace(flag(name), name)
            raise ApiError(400, message, param=name) from None
        given[name] = value
    return replace(defaults, **given)


def _stop(body: Body) -> tuple[str, ...]:
    value = body.get("stop")
    stops = [] if value is None else [value] if isinstance(value, str) else value
    texts = isinstance(stops, list) and all(isinstance(s, str) and s for s in stops)
    if not texts or len(stops) > MOST_STOPS or any(len(s) > LONGEST_STOP for s in stops):
        raise ApiError(
            400,
            f"stop must be up to {MOST_STOPS} texts of up to {LONGEST_STOP} characters",
            param="stop",
        )
    return tuple(map(valid_text, stops))


def typed(body: Body, name: str, kind: type, default: Any) -> Any:
    """Return a value of a type; null is the default. Raises ApiError for another type."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        names = {str: "text", int: "a whole number", bool: "true or false", dict: "an object"}
        raise ApiError(400, f"{name} must be {names.get(kind, 'a list')}", param=name)
    return value


def ranged(body: Body, name: str, default: Any, least: int, most: int) -> Any:
    """Return a whole number. Raises ApiError where it is out of range."""
    value = typed(body, name, int, default)
    if value is not None and not least <= value <= most:
        raise ApiError(
            400, f"{name} {shortened(value)} is not between {least} and {most}", param=name
        )
    return value
