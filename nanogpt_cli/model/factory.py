"""From a configuration to a model. It knows every architecture, through the registry alone."""

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.registry import ARCHITECTURES


def make_model(config: ModelConfig) -> GPT:
    """Return a new model of the architecture and position embedding that ``config`` names.

    Its parameters are drawn from torch's global generator. Raises UsageError for an unknown name.
    """
    return architecture(config)(config)


def architecture(config: ModelConfig) -> type[GPT]:
    """Return the class that ``config`` names. Raises UsageError for an unknown name."""
    found: type[GPT] = ARCHITECTURES.get(config.arch)
    return found
