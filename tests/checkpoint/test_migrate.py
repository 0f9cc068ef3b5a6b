"""A relative table beside absolute positions changes nothing until it is trained."""

from pathlib import Path

import torch
from old_checkpoints import RELATIVE, nanogpt_content

from nanogpt_cli.checkpoint.load import upgrade
from nanogpt_cli.checkpoint.migrate import add_relative_table
from nanogpt_cli.checkpoint.proof import largest_difference


def upgraded(content):
    return upgrade(content, Path("old.pt"))


def test_a_zero_relative_table_changes_nothing_at_all():
    before, changes = upgraded(nanogpt_content(block_size=64))
    after = add_relative_table(before, changes)
    assert after.config.pos_embd == "relative"
    assert after.model[RELATIVE].shape == (64, 2)
    assert not after.model[RELATIVE].any()
    assert torch.equal(
        after.model["transformer.wpe.weight"], before.model["transformer.wpe.weight"]
    )
    assert after.training is None
    assert largest_difference(before, after) == 0


def test_every_kind_of_position_is_migrated_once():
    for pos_embd in ("rope", "relative"):
        content = nanogpt_content(pos_embd=pos_embd)
        content["model_args"]["pos_embd"] = pos_embd
        checkpoint, changes = upgraded(content)
        assert add_relative_table(checkpoint, changes) is checkpoint
