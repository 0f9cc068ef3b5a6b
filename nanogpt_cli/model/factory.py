"""From a configuration to a model. It knows every architecture, through the registry alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.registry import ARCHITECTURES


def make_model(config: ModelConfig) -> GPT:
    """Return a new model of the architecture and position embedding that ``config`` names.

    Its parameters are drawn from torch's global generator. Raises UsageError for an unknown name.
    """
    return architecture(config)(config)


def make_meta_model(config: ModelConfig) -> GPT:
    """Return a model whose parameters have shapes and no storage, on torch's meta device.

    Raises UsageError for an unknown name, and torch's RuntimeError for sizes that no tensor has.
    """
    with torch.device("meta"), _WithoutInit():
        return make_model(config)


class _WithoutInit(TorchFunctionMode):
    """Leaves out ``torch.nn.init``: on the meta device it draws nothing, and loads all of dynamo.

    That takes 1.5 s, a quarter of the time until a chat answered.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func``, or return its tensor where it would only fill that."""
        given = dict(kwargs or {})
        if getattr(func, "__module__", None) == torch.nn.init.__name__:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def architecture(config: ModelConfig) -> type[GPT]:
    """Return the class that ``config`` names. Raises UsageError for an unknown name."""
    found: type[GPT] = ARCHITECTURES.get(config.arch)
    return found
