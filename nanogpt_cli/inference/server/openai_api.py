"""OpenAI's endpoints: ``/v1/chat/completions``, ``/v1/completions`` and ``/v1/models``.

What is ours alone comes under the key ``nanogpt``: notes on what was left out, and speed.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nanogpt_cli.dialogue import stops
from nanogpt_cli.inference.server.errors import ApiError
from nanogpt_cli.inference.server.exchange import FINISH, EventStream, Exchange, whole
from nanogpt_cli.inference.server.forms import ChatForm, CompletionForm, Form
from nanogpt_cli.inference.server.generation import Mailbox, Piece, Stops, TextRequest
from nanogpt_cli.inference.server.limits import read_json
from nanogpt_cli.inference.server.models import Engine
from nanogpt_cli.inference.server.parameters import (
    MOST_LOGPROBS,
    Parameters,
    ranged,
    read_parameters,
    typed,
)
from nanogpt_cli.inference.server.prompts import (
    EncodedPrompt,
    encode_ids,
    encode_text,
    encode_turns,
    read_messages,
    read_prompts,
)
from nanogpt_cli.inference.server.security import is_loopback
from nanogpt_cli.inference.server.state import State, state_of


@dataclass(frozen=True)
class _Job:
    """What a request comes down to."""

    prompts: list[EncodedPrompt]
    stops: Stops
    logprobs: int | None
    echo: bool
    form: Form


async def chat_completions(request: Request) -> Response:
    """Answer a conversation."""
    state = state_of(request)
    body = await read_json(request, state.limits)
    turns = read_messages(body.get("messages"))
    parameters = read_parameters(body, state.sampling, state.limits)
    top = ranged(body, "top_logprobs", None, 0, MOST_LOGPROBS)
    logprobs = (top or 0) if typed(body, "logprobs", bool, False) else None
    if top is not None and logprobs is None:
        raise ApiError(400, "top_logprobs needs logprobs: true", param="top_logprobs")
    if parameters.new_tokens == 0:
        raise ApiError(400, "max_tokens must be at least 1", param="max_tokens")
    engine = await state.models.get(parameters.model)
    loaded = engine.loaded
    sampling = replace(parameters.sampling, max_tokens=parameters.new_tokens)
    prompt = await asyncio.to_thread(encode_turns, loaded, turns, sampling)
    ids, strings = stops(loaded.tokenizer, loaded.chat_format)
    ending = Stops(ids, (*strings, *parameters.stop), strip=loaded.chat_format is not None)
    form = ChatForm(_id("chatcmpl"), engine.name)
    return await _answer(request, parameters, engine, _Job([prompt], ending, logprobs, False, form))


async def completions(request: Request) -> Response:
    """Continue texts, and score them where asked to."""
    state = state_of(request)
    body = await read_json(request, state.limits)
    given = read_prompts(body.get("prompt"))
    parameters = read_parameters(body, state.sampling, state.limits)
    logprobs = ranged(body, "logprobs", None, 0, MOST_LOGPROBS)
    echo = typed(body, "echo", bool, False)
    if parameters.new_tokens == 0 and not echo:
        raise ApiError(400, "max_tokens 0 needs echo: true", param="max_tokens")
    if len(given) * parameters.n > state.limits.choices:
        raise ApiError(400, f"at most {state.limits.choices} texts a request", param="prompt")
    engine = await state.models.get(parameters.model)
    prompts = await asyncio.to_thread(_encode, engine, given)
    if echo and logprobs is not None and any(len(p.notes) for p in prompts):
        raise ApiError(400, f"to be scored, {prompts[0].notes[0]}", param="prompt")
    ids, _ = stops(engine.loaded.tokenizer, None)
    form = CompletionForm(_id("cmpl"), engine.name, prompts, parameters.n, echo)
    job = _Job(prompts, Stops(ids, parameters.stop, strip=False), logprobs, echo, form)
    return await _answer(request, parameters, engine, job)


def _encode(engine: Engine, given: list[str | list[int]]) -> list[EncodedPrompt]:
    return [
        encode_text(engine.loaded, p) if isinstance(p, str) else encode_ids(engine.loaded, p)
        for p in given
    ]


async def _answer(request: Request, parameters: Parameters, engine: Engine, job: _Job) -> Response:
    """Generate the texts, and send them as the client wants them."""
    state = state_of(request)
    mailbox = Mailbox(state.limits.send_every if parameters.stream else None)
    texts = [
        _text_request(request, parameters, engine, job, mailbox, number)
        for number in range(len(job.prompts) * parameters.n)
    ]
    exchange = Exchange(texts, mailbox, state.metrics, state.limits)
    exchange.submit(engine.worker)
    if parameters.stream:
        events = partial(_events, exchange, job, parameters.include_usage)
        return EventStream(exchange, events, state.limits)
    return await whole(request.receive, exchange, _collect(exchange, job))


def _text_request(
    request: Request,
    parameters: Parameters,
    engine: Engine,
    job: _Job,
    mailbox: Mailbox,
    number: int,
) -> TextRequest:
    """Return the text with some number; those of one prompt draw from seeds that follow it."""
    state, sampling = state_of(request), parameters.sampling
    prompt, choice = divmod(number, parameters.n)
    if sampling.seed is not None:
        sampling = replace(sampling, seed=(sampling.seed + choice) % 2**63)
    return TextRequest(
        job.prompts[prompt].ids,
        sampling,
        engine.loaded.tokenizer,
        job.stops,
        partial(mailbox.put, number),
        new_tokens=parameters.new_tokens,
        logprobs=job.logprobs,
        echo=job.echo,
        client=_client(request),
        seconds=state.limits.seconds,
    )


def _client(request: Request) -> object:
    """Return whom a request counts for: a machine, and on this one a connection."""
    client = request.client
    if client is None:
        return None
    return (client.host, client.port) if is_loopback(client.host) else client.host


async def _events(
    exchange: Exchange, job: _Job, include_usage: bool
) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a stream."""
    form = job.form
    for index in range(len(exchange.requests)):
        for choice in form.opening(index):
            yield form.chunk([choice])
    async for index, piece in exchange.pieces():
        if piece.text or piece.tokens:
            yield form.chunk([form.delta(index, piece, None)])
        if piece.end:
            last = form.chunk([form.delta(index, Piece(), FINISH[piece.end])])
            yield last | {"nanogpt": _ours(job, [exchange.requests[index]], [piece.end])}
    if include_usage:
        yield form.chunk([]) | {"usage": _usage(job, exchange)}


async def _collect(exchange: Exchange, job: _Job) -> dict[str, Any]:
    """Return the answer in one piece."""
    pieces = [Piece() for _ in exchange.requests]
    async for index, piece in exchange.pieces():
        known = pieces[index]
        known.text += piece.text
        known.tokens += piece.tokens
        known.end = piece.end or known.end
    choices = [
        job.form.choice(index, piece, FINISH[piece.end or "stop"], job.logprobs is not None)
        for index, piece in enumerate(pieces)
    ]
    ours = _ours(job, exchange.requests, [piece.end for piece in pieces])
    return job.form.whole(choices) | {"usage": _usage(job, exchange), "nanogpt": ours}


def _usage(job: _Job, exchange: Exchange) -> dict[str, int]:
    prompt = sum(len(prompt.ids) for prompt in job.prompts)
    new = sum(request.tokens for request in exchange.requests)
    return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}


def _ours(job: _Job, requests: Any, ends: list[Any]) -> dict[str, Any]:
    notes = list(dict.fromkeys(note for prompt in job.prompts for note in prompt.notes))
    if "time" in ends:
        notes.append("the time for an answer is over")
    return {"notes": notes, **requests[0].timing()}


def _id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(12)}"


async def list_models(request: Request) -> Response:
    """List the models that can be asked for."""
    state = state_of(request)
    names = await state.models.names()
    return JSONResponse({"object": "list", "data": [_model(state, name) for name in names]})


async def one_model(request: Request) -> Response:
    """Describe one model."""
    state, name = state_of(request), request.path_params["name"]
    if name not in await state.models.names():
        raise ApiError(404, "there is no such model", param="model", code="model_not_found")
    return JSONResponse(_model(state, name))


def _model(state: State, name: str) -> dict[str, Any]:
    engine = state.models.engine(name)
    about: dict[str, Any] = {"default": name == state.models.default, "loaded": engine is not None}
    if engine:
        loaded = engine.loaded
        about |= {
            "parameters": loaded.model.parameter_count(),
            "block_size": loaded.config.block_size,
            "vocab_size": loaded.tokenizer.vocab_size,
            "tokenizer": loaded.tokenizer.name,
            "dialogue": loaded.chat_format is not None,
            "system": bool(loaded.chat_format and loaded.chat_format.context),
            "step": loaded.about["step"],
            "val_loss": state.finite(loaded.about["val_loss"]),
        }
    created = int(state.started if engine is None else time.time())
    return {
        "id": name, "object": "model", "created": created, "owned_by": "nanogpt", "nanogpt": about
    }  # fmt: skip
