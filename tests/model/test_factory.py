"""From a configuration to a model, with and without storage."""

import subprocess
import sys

import pytest

from nanogpt_cli.config import ModelConfig
from nanogpt_cli.model.factory import make_meta_model, make_model

SMALL = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 8}


@pytest.mark.parametrize("arch", ["gpt2", "modern"])
@pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
def test_a_model_without_storage_has_the_shapes_of_one_with(arch: str, pos_embd: str) -> None:
    config = ModelConfig(**SMALL, arch=arch, pos_embd=pos_embd, ngram_rows=16)
    hollow, real = make_meta_model(config), make_model(config)
    assert all(parameter.is_meta for parameter in hollow.parameters())
    assert {k: v.shape for k, v in hollow.state_dict().items()} == {
        k: v.shape for k, v in real.state_dict().items()
    }
    assert any(parameter.abs().sum() > 0 for parameter in real.parameters())


def test_a_model_without_storage_does_not_load_the_compiler() -> None:
    program = (
        "import sys\n"
        "from nanogpt_cli.config import ModelConfig\n"
        "from nanogpt_cli.model.factory import make_meta_model\n"
        f"make_meta_model(ModelConfig(**{SMALL}))\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
