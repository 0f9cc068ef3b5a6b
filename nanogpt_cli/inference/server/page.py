"""The page, and what it asks for beside the API. It is one file, with nothing from elsewhere."""

import asyncio
import base64
import hashlib
import re
from dataclasses import asdict
from functools import cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nanogpt_cli.errors import DataError
from nanogpt_cli.inference.server.state import state_of
from nanogpt_cli.logs.curves import Points, to_curve
from nanogpt_cli.logs.load import load

MOST_POINTS = 600
"""Of one curve: more than a screen has room for."""


@cache
def _page() -> tuple[bytes, str]:
    """Return the page, and the policy that lets it run its own script and nothing else."""
    content = resources.files("nanogpt_cli").joinpath("assets/chat.html").read_bytes()

    def hashes(tag: str) -> str:
        parts = re.findall(rb"<%s>(.*?)</%s>" % (tag.encode(), tag.encode()), content, re.DOTALL)
        digests = (base64.b64encode(hashlib.sha256(part).digest()).decode() for part in parts)
        return " ".join(f"'sha256-{digest}'" for digest in digests)

    policy = (
        f"default-src 'none'; script-src {hashes('script')}; style-src {hashes('style')}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return content, policy


async def page(request: Request) -> Response:
    """Return the page."""
    content, policy = _page()
    headers = {"content-security-policy": policy}
    return Response(content, headers=headers, media_type="text/html; charset=utf-8")


async def settings(request: Request) -> Response:
    """Return how tokens are drawn where a request does not say."""
    state = state_of(request)
    return JSONResponse({"sampling": asdict(state.sampling), "model": state.models.default})


async def curve(request: Request) -> Response:
    """Return the losses of a run, by its name."""
    path = await state_of(request).models.log_of(request.query_params.get("model", ""))
    try:
        found = None if path is None else to_curve("run", await asyncio.to_thread(load, path))
    except DataError:
        found = None
    if found is None:
        return JSONResponse({"train": [], "val": [], "best": None, "overfits_after": None})
    content = {
        "train": _thinned(found.smooth_train),
        "val": _thinned(found.val),
        "best": found.best,
        "overfits_after": found.overfits_after,
    }
    return JSONResponse(content)


def _thinned(points: Points) -> Points:
    """Return at most MOST_POINTS points, the last among them."""
    step = -(-len(points) // MOST_POINTS) or 1
    return points[:-1][::step] + points[-1:]
