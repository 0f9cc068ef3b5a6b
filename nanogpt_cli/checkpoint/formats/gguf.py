"""GGUF, which llama.cpp runs: being written."""

from nanogpt_cli.checkpoint.formats.base import CheckpointFormat

FORMAT = CheckpointFormat("gguf", lambda path: False, None)
