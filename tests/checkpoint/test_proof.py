"""The proof of a migration sees every difference."""

from pathlib import Path

from old_checkpoints import RELATIVE, nanogpt_content

from nanogpt_cli.checkpoint.load import upgrade
from nanogpt_cli.checkpoint.migrate import add_relative_table
from nanogpt_cli.checkpoint.proof import largest_difference


def upgraded(content):
    return upgrade(content, Path("old.pt"))


def test_the_proof_sees_a_difference():
    before, changes = upgraded(nanogpt_content())
    after = add_relative_table(before, changes)
    after.model[RELATIVE][15, 1] = 0.5  # the farthest distance of one head
    assert largest_difference(before, after) > 1e-6
