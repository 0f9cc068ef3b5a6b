"""Several processes train one model, and compute what one does."""

import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import TINY as ALONE
from parallel_runs import prepare_replies, stopped_at_one, trained
from short_runs import CPU
from workers import Workers

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.config import ModelConfig, TrainConfig
from nanogpt_cli.errors import CheckpointError, MachineError, UsageError
from nanogpt_cli.runs import state_folders
from nanogpt_cli.training.batches import Batches
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.parallel import Launch, group, join, launched
from nanogpt_cli.training.parallel.replicated import DataParallel
from nanogpt_cli.training.plan import Request, make_run


@pytest.fixture(scope="module")
def workers():
    """Processes that have loaded torch."""
    with Workers(2) as started:
        yield started


@pytest.fixture(scope="module")
def many():
    """As many as the long tests need."""
    with Workers(4) as started:
        yield started


def alike(found, expected):
    """Whether a run told the same losses and norms as another, to float32 rounding."""
    assert not any(isinstance(each, BaseException) for each in found), found
    assert all(each["steps"] == [] for each in found[1:]), "process 0 alone tells"
    (step, loss, norm), (same, others, norms) = (
        zip(*told["steps"], strict=True) for told in (found[0], expected)
    )
    assert step == same
    assert loss == pytest.approx(others, rel=1e-5)
    assert norm == pytest.approx(norms, rel=1e-4)
    assert found[0]["val"] == pytest.approx(expected["val"], rel=1e-5)


# --- the same losses ------------------------------------------------------------------------------


def test_two_processes_compute_what_one_does(workers):
    """Three positions of 8 windows count nothing, others up to 16 targets: no mean of means."""
    prepare_replies()
    (one,) = workers.run(1, trained, "out/one")
    for strategy in ("ddp", "fsdp"):
        alike(workers.run(2, trained, f"out/{strategy}", strategy=strategy), one)
        same = load_checkpoint(Path("out/one/ckpt.pt")).model
        for name, tensor in load_checkpoint(Path(f"out/{strategy}/ckpt.pt")).model.items():
            torch.testing.assert_close(tensor, same[name], atol=1e-4, rtol=1e-3)


@pytest.mark.long
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("pos_embd", ["rope", "relative", "default"])
def test_any_number_of_processes_computes_what_one_does(many, pos_embd, optimizer):
    prepare_replies()
    settings = {"pos_embd": pos_embd, "optimizer": optimizer}
    (one,) = many.run(1, trained, "out/one", **settings)
    for size, strategy in [(2, "ddp"), (4, "ddp"), (3, "fsdp"), (4, "fsdp")]:
        out = f"out/{size}-{strategy}"
        alike(many.run(size, trained, out, strategy=strategy, **settings), one)


@pytest.mark.long
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_activations_that_are_computed_again_change_nothing(many, strategy):
    prepare_replies()
    settings = {"strategy": strategy, "gradient_accumulation_steps": 4, "n_layer": 2}
    (one,) = many.run(1, trained, "out/one", **settings)
    again = many.run(2, trained, "out/two", activation_checkpointing=True, **settings)
    alike(again, one)


@pytest.mark.long
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_head_that_is_tied_stays_tied(many, strategy, optimizer):
    prepare_replies()
    settings = {"arch": "gpt2", "bias": True, "optimizer": optimizer, "n_layer": 2}
    (one,) = many.run(1, trained, "out/one", **settings)
    alike(many.run(2, trained, "out/two", strategy=strategy, **settings), one)
    found, same = (load_checkpoint(Path(f"out/{name}/ckpt.pt")) for name in ("two", "one"))
    assert found.model.keys() == same.model.keys()
    (rest, _) = many.run(2, trained, "out/two", resume=True, max_iters=5)
    assert [step for step, *_ in rest["steps"]] == [5]


def windows_of(size, batch_size=4, accumulation=3, step=5):
    """Give the first tokens of the windows of a step, as each of ``size`` processes sees them."""
    tokens = np.arange(4096, dtype=np.uint16)
    shape = ModelConfig(block_size=8, vocab_size=4096)
    config = TrainConfig(batch_size=batch_size, gradient_accumulation_steps=accumulation)
    seen, micro = [], set()
    for rank in range(size):
        batches = Batches(tokens, shape, config, DataParallel(CPU, rank, size))
        pairs = list(batches.of(step))
        micro.add(len(pairs))
        assert len(pairs) == batches.micro_batches
        assert max(len(inputs) for inputs, _ in pairs) <= batch_size
        seen += [int(x[0]) for i, t in pairs for x, y in zip(i, t, strict=True) if (y >= 0).all()]
    assert len(micro) == 1, "each backward pass has its counterpart in all processes"
    return seen


@pytest.mark.parametrize("size", [2, 3, 4, 5, 12])
@pytest.mark.parametrize("batch_size", [1, 4, 12])
def test_a_step_has_the_same_windows_for_any_number_of_processes(size, batch_size):
    cut = {"batch_size": batch_size, "accumulation": 12 // batch_size}
    assert windows_of(size, **cut) == windows_of(1)


def test_more_processes_than_sequences_are_refused():
    with pytest.raises(UsageError, match="a step has 12 sequences, too few for 13 processes"):
        windows_of(13)


# --- saving ---------------------------------------------------------------------------------------


def test_a_state_of_two_processes_is_continued_by_one(workers):
    prepare_replies()
    (whole,) = workers.run(1, trained, "out/whole")
    settings = {"max_iters": 2, "lr_decay_iters": 4, "strategy": "fsdp", "save_every": "1"}
    first = workers.run(2, trained, "out/parts", **settings)
    assert not any(isinstance(each, BaseException) for each in first), first
    (state,) = state_folders(Path("out/parts"))
    assert state.name == "state-00000002"
    assert not list(Path("out/parts").glob(".state*")), "nothing unfinished is left"
    (rest,) = workers.run(1, trained, "out/parts", resume=True, max_iters=4)
    assert rest["steps"] == [
        (step, pytest.approx(loss, rel=1e-5), pytest.approx(norm, rel=1e-4))
        for step, loss, norm in whole["steps"][2:]
    ]
    (part, *_) = state.glob("*.safetensors")
    part.write_bytes(part.read_bytes()[:100])
    (error,) = workers.run(1, trained, "out/parts", resume=True, max_iters=6)
    assert not isinstance(error, CheckpointError), "last.pt, which is newer, is taken"
    Path("out/parts/last.pt").unlink()
    (error,) = workers.run(1, trained, "out/parts", resume=True, max_iters=8)
    assert isinstance(error, CheckpointError)
    assert "state-00000002 is corrupt" in error.message


@pytest.mark.long
@pytest.mark.parametrize(
    ("first", "then"),
    [((4, "fsdp"), (2, "fsdp")), ((4, "fsdp"), (1, "ddp")), ((2, "fsdp"), (4, "fsdp")),
     ((1, "ddp"), (4, "fsdp")), ((4, "ddp"), (1, "ddp")), ((2, "ddp"), (4, "ddp")),
     ((2, "fsdp"), (4, "ddp")), ((4, "ddp"), (2, "fsdp"))],
)  # fmt: skip
def test_a_state_is_continued_by_any_number_of_processes(many, first, then):
    prepare_replies()
    (whole,) = many.run(1, trained, "out/whole")
    half = {"max_iters": 2, "lr_decay_iters": 4}
    begun = many.run(first[0], trained, "out/parts", strategy=first[1], **half)
    assert not any(isinstance(each, BaseException) for each in begun), begun
    again = {"resume": True, "max_iters": 4, "strategy": then[1]}
    rest = many.run(then[0], trained, "out/parts", **again)
    assert not any(isinstance(each, BaseException) for each in rest), rest
    assert [step for step, *_ in rest[0]["steps"]] == [3, 4]
    for (_, loss, norm), (_, same, as_large) in zip(
        rest[0]["steps"], whole["steps"][2:], strict=True
    ):
        assert (loss, norm) == (pytest.approx(same, rel=1e-5), pytest.approx(as_large, rel=1e-4))


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_signal_to_one_process_stops_all_after_a_save(workers, strategy):
    prepare_replies()
    settings = {"max_iters": 1000, "strategy": strategy, "save_every": "0"}
    reasons = workers.run(2, stopped_at_one, "out/a", 1, **settings)
    assert reasons == ["SIGTERM", "SIGTERM"]
    saved = Path("out/a/last.pt") if strategy == "ddp" else state_folders(Path("out/a"))[0]
    assert saved.exists()
    assert load_checkpoint(Path("out/a/ckpt.pt")).step > 0


@pytest.mark.long
def test_two_processes_that_stopped_continue_as_if_they_had_not(workers):
    prepare_replies()
    same = {"dropout": 0.3, "lr_decay_iters": 4}
    for strategy in ("ddp", "fsdp"):
        more = {**same, "strategy": strategy}
        (whole, _) = workers.run(2, trained, f"out/{strategy}-whole", **more)
        workers.run(2, trained, f"out/{strategy}-parts", max_iters=2, **more)
        (rest, _) = workers.run(2, trained, f"out/{strategy}-parts", resume=True, max_iters=4)
        assert rest["steps"] == whole["steps"][2:]
    (alone,) = workers.run(1, trained, "out/ddp-parts", resume=True, max_iters=5)
    assert "no longer bit for bit as before: processes 2 -> 1" in str(alone["notes"])


@pytest.mark.long
def test_evaluations_are_divided_and_their_parts_add_up(many):
    prepare_replies()
    flags = {"max_iters": 0, "eval_tokens": 0, "eval_iters": None}
    (one,) = many.run(1, trained, "out/one", **flags)
    (three, *_) = many.run(3, trained, "out/three", **flags)
    assert three["val"] == pytest.approx(one["val"], rel=1e-6)


@pytest.mark.long
def test_processes_that_see_other_data_are_named(many):
    prepare_replies()
    found = many.run(2, trained, "out/a", each={1: {"seed": 7}})
    assert [type(error).__name__ for error in found] == ["LostContactError", "DataError"]
    assert "process 1 of 2: this process would train something else" in found[1].message
    assert "seed" in found[1].message


# --- what the launcher says -----------------------------------------------------------------------

ELASTIC = ("TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS", "TORCHELASTIC_RUN_ID")
WHOLE = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
         "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}  # fmt: skip


@pytest.fixture
def environment(monkeypatch):
    """Set the launcher's variables, and no others of them."""

    def set_only(**variables):
        for name in (*WHOLE, *ELASTIC):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_only


def test_without_a_rank_a_process_is_alone(environment):
    for more in ({}, {"WORLD_SIZE": "0"}, {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "x"},
                 {"RANK": "", "WORLD_SIZE": "4"}):  # fmt: skip
        environment(**more)
        assert launched() == Launch()
    environment(**WHOLE)
    assert launched() == Launch(rank=1, size=2, local_rank=1, local_size=2)
    environment(**{name: WHOLE[name] for name in WHOLE if name != "LOCAL_WORLD_SIZE"})
    assert launched().local_size == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("RANK", "abc"), ("RANK", "-1"), ("RANK", "2"), ("RANK", "9" * 5000), ("WORLD_SIZE", "0"),
     ("WORLD_SIZE", "\u00b2"), ("WORLD_SIZE", "9" * 5000), ("WORLD_SIZE", "2.0"),
     ("LOCAL_RANK", "x"), ("LOCAL_RANK", "2"), ("LOCAL_WORLD_SIZE", "x"), ("LOCAL_WORLD_SIZE", "0"),
     ("MASTER_PORT", "http"), ("MASTER_PORT", "0"), ("MASTER_PORT", "99999")],
)  # fmt: skip
def test_a_wrong_variable_is_named_with_its_value(environment, name, value):
    environment(**WHOLE | {name: value})
    with pytest.raises(UsageError) as error:
        launched()
    assert error.value.message.startswith(f"{name}={value[:80]}")
    assert len(error.value.message) < 200
    assert "nanogpt train --devices N" in error.value.hint


@pytest.mark.parametrize("name", ["WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_a_missing_variable_is_named(environment, name):
    environment(**{other: WHOLE[other] for other in WHOLE if other != name})
    with pytest.raises(UsageError, match=f"RANK=1 is set, and {name} is not"):
        launched()


def test_train_answers_wrong_variables_in_two_lines(nanogpt, environment, text_data):
    for variables in ({"RANK": "0"}, WHOLE | {"RANK": "abc"}, WHOLE | {"LOCAL_WORLD_SIZE": "x"}):
        environment(**variables)
        code, out, err = nanogpt("train", *ALONE, "--max-iters=1", "--out-dir=out/a")
        assert (code, out) == (2, "")
        assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]
        assert not Path("out").exists()
    environment(WORLD_SIZE="0", LOCAL_WORLD_SIZE="x")
    assert nanogpt("train", *ALONE, "--max-iters=1", "--out-dir=out/a")[0] == 0
    environment(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0")
    assert nanogpt("train", *ALONE, "--max-iters=1", "--out-dir=out/b")[0] == 0


def test_processes_that_cannot_meet_are_the_machines_error(environment, monkeypatch):
    monkeypatch.setattr(group, "MEETING", timedelta(seconds=1))
    device = torch.device("cpu")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = str(free.getsockname()[1])
    environment(**WHOLE | {"MASTER_PORT": nobody})
    with (
        pytest.raises(MachineError, match=f"cannot meet at 127.0.0.1:{nobody}") as error,
        join("gloo", device),
    ):
        pytest.fail("it joined")
    assert "every node reaches that address" in error.value.hint
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment(**WHOLE | {"RANK": "0", "LOCAL_RANK": "0", "MASTER_PORT": str(port)})
        with (
            pytest.raises(MachineError, match=f"cannot meet at 127.0.0.1:{port}"),
            join("gloo", device),
        ):
            pytest.fail("it joined")
    environment(**WHOLE | {"MASTER_ADDR": "no host!"})
    with pytest.raises(UsageError, match="MASTER_ADDR=no host!"), join("gloo", device):
        pytest.fail("it joined")
    environment(**WHOLE)
    with pytest.raises(UsageError, match="--backend nccl needs cuda"), join("nccl", device):
        pytest.fail("it joined")


def test_processes_are_not_started_by_processes(nanogpt, environment):
    environment(**WHOLE)
    code, _, err = nanogpt("train", "--devices", "2")
    assert code == 2
    assert "leave out --devices under torchrun" in err


def test_a_job_that_was_started_again_resumes_what_it_has_saved(environment, text_data):
    environment(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", TORCHELASTIC_RUN_ID="job-1")
    settings = {"max_iters": 1, "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16,
                "eval_iters": 1, "sample_tokens": 0, "device": "cpu"}  # fmt: skip
    request = Request(settings, data="data/hamlet")
    first = make_run(request)
    train(first)
    train(make_run(replace(request, out_dir=Path("out/other"))))  # begun later, by the same job
    environment(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", TORCHELASTIC_RUN_ID="job-1",
                TORCHELASTIC_RESTART_COUNT="1")  # fmt: skip
    again = make_run(replace(request, out_dir=first.out_dir))
    assert (again.resume, again.out_dir) == (True, first.out_dir)
    assert make_run(request).resume
    environment(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", TORCHELASTIC_RUN_ID="job-2",
                TORCHELASTIC_RESTART_COUNT="1")  # fmt: skip
    assert not make_run(request).resume, "the run of another job"


def test_a_process_without_a_gpu_of_its_own_is_told(environment):
    environment(**WHOLE | {"WORLD_SIZE": "2000", "LOCAL_RANK": "1999"})
    with (
        pytest.raises(UsageError, match=r"LOCAL_RANK=1999: this machine has \d+ GPUs"),
        join("auto", torch.device("cuda")),
    ):
        pytest.fail("it joined")
