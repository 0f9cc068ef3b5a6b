"""From a configuration to a model. It knows every architecture, through the registry alone."""

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.registry import ARCHITECTURES


def make_model(config: ModelConfig) -> GPT:
    """Return a new model of the architecture and position embedding that ``config`` names.

    Its parameters are drawn from torch's global generator. Raises UsageError for an unknown name.
    """
    model: GPT = ARCHITECTURES.get(config.arch)(config)
    return model
