"""nanogpt: train your own small GPT on your own text or dialogues, and talk to it."""

__version__ = "0.2.0"
"""The only place where the version is written."""
