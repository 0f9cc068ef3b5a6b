"""The factory builds what a configuration names."""

import pytest

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.model.gpt import GPT
from nanogpt_cli.model.modern import ModernGPT


@pytest.mark.parametrize(("arch", "kind"), [("gpt2", GPT), ("modern", ModernGPT)])
def test_the_architecture_is_the_one_that_is_named(arch, kind):
    assert type(make_model(ModelConfig(16, 1, 2, 16, arch=arch, vocab_size=37))) is kind
