"""Where memory runs out, the micro-batches are cut and a step stays the same."""

from pathlib import Path

import pytest
import torch
from short_runs import Spoil, events, start, weights

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.config import TrainConfig
from nanogpt_cli.errors import MachineError
from nanogpt_cli.training.batches import smaller_micro_batches
from nanogpt_cli.training.loop import train


class Full(Spoil):
    """Lets micro-batches of more than ``most`` windows find no memory from ``step`` on."""

    def __init__(self, step, most, error):
        super().__init__()
        self.from_step, self.most, self.error, self.passed = step, most, error, 0

    def start(self, run, model, device):
        super().start(run, model, device)
        model.register_forward_pre_hook(self._full)

    def _full(self, module, inputs):
        if module.training and self.at > self.from_step and len(inputs[0]) > self.most:
            self.passed += 1
            if self.passed % 2 == 0:  # in the middle of a step
                raise self.error


@pytest.mark.usefixtures("text_data")
class TestMemory:
    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate"
                         " memory: you tried to allocate 8 bytes."),
            MemoryError(),
        ],
    )  # fmt: skip
    def test_smaller_micro_batches_see_the_same_and_learn_the_same(self, error):
        settings = {
            "batch_size": 6, "gradient_accumulation_steps": 2, "preset": "shakespeare-char-cpu",
        }  # fmt: skip
        train(start("out/whole", **settings))
        told = Full(5, 2, error)
        train(start("out/tight", **settings), told)
        assert "4 micro-batches of 3" in told.notes[0]
        assert "12 micro-batches of 1" in told.notes[1]
        assert [e["batch_size"] for e in events("out/tight", "memory")] == [3, 1]
        assert events("out/tight", "train")[-1]["tokens"] == 12 * 6 * 2 * 16
        for name, tensor in weights("out/whole").items():
            torch.testing.assert_close(tensor, weights("out/tight")[name], atol=1e-4, rtol=1e-3)
        assert start("out/tight", resume=True).config.batch_size == 1

    def test_where_a_single_window_does_not_fit_the_hint_is_a_smaller_model(self):
        run = start(save_every="2", gradient_accumulation_steps=2)
        with pytest.raises(MachineError, match="out of memory") as error:
            train(run, Full(5, 0, MemoryError()))
        assert "--block-size" in error.value.hint
        assert load_checkpoint(Path("out/a/last.pt")).step == 4

    def test_other_errors_are_bugs(self):
        broken = Full(5, 0, RuntimeError("shapes cannot be multiplied"))
        with pytest.raises(RuntimeError, match="multiplied"):
            train(start(gradient_accumulation_steps=2), broken)

    def test_odd_sizes_are_cut_evenly(self):
        sizes = []
        config = TrainConfig(batch_size=45, gradient_accumulation_steps=1)
        while config:
            sizes.append((config.batch_size, config.gradient_accumulation_steps))
            config = smaller_micro_batches(config)
        assert sizes == [(45, 1), (15, 3), (5, 9), (1, 45)]
