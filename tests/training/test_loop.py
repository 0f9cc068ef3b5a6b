"""Training computes the same whatever interrupts it, and writes what it promises."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nanogpt_cli.checkpoint.load import load_checkpoint
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.checkpoint.torchfile import read
from nanogpt_cli.checkpoint.weights import build_model
from nanogpt_cli.config import TrainConfig
from nanogpt_cli.data.batches import training_batch
from nanogpt_cli.errors import DivergedError, MachineError, UsageError
from nanogpt_cli.evaluation.loss import evaluate_loss, token_byte_counts
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.training.batches import Batches, smaller_micro_batches
from nanogpt_cli.training.guard import Guard
from nanogpt_cli.training.loop import train
from nanogpt_cli.training.optim import make_optimizers
from nanogpt_cli.training.parallel import Parallel
from nanogpt_cli.training.plan import Request, make_run
from nanogpt_cli.training.recorder import Recorder
from nanogpt_cli.training.reporter import Reporter
from nanogpt_cli.training.saver import Saver
from nanogpt_cli.training.state import TrainState
from nanogpt_cli.training.step import apply, gradients, step_seed

SHAPE = {"block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16, "batch_size": 4}
SETTINGS = {**SHAPE, "max_iters": 12, "eval_interval": 4, "eval_iters": 2, "log_interval": 1,
            "sample_tokens": 4, "device": "cpu", "warmup_iters": 2}  # fmt: skip


def start(out="out/a", *, resume=False, preset="quick", **settings):
    request = Request(
        settings=settings if resume else {**SETTINGS, **settings},
        data="data/hamlet",
        out_dir=Path(out),
        init_from="resume" if resume else "scratch",
        preset=preset,
    )
    return make_run(request)


def weights(out, name="last.pt"):
    return read(Path(out) / name)["model"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def events(out, *kinds):
    lines = map(json.loads, (Path(out) / "metrics.jsonl").read_text().splitlines())
    return [e for e in lines if not kinds or e["event"] in kinds]


def timeless(out):
    """Give the log without what differs from run to run: times, and a line for each start."""
    rest = ("time", "tokens_per_sec")
    return [
        {k: v for k, v in e.items() if k not in rest} for e in events(out) if e["event"] != "run"
    ]


class Listener(Reporter):
    """Keeps the notes."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


class StopAt(Reporter):
    """Sends this process a signal when a step is done."""

    def __init__(self, step, number=signal.SIGINT):
        self.at, self.number = step, number

    def step(self, report):
        if report.step == self.at:
            os.kill(os.getpid(), self.number)


@pytest.mark.usefixtures("text_data")
class TestRun:
    @pytest.mark.parametrize("preset", ["quick", "shakespeare-char-cpu"])
    def test_the_same_seed_gives_the_same_run(self, preset):
        train(start("out/a", preset=preset, dropout=0.2))
        train(start("out/b", preset=preset, dropout=0.2))
        train(start("out/c", preset=preset, dropout=0.2, seed=2))
        assert timeless("out/a") == timeless("out/b")
        assert same(weights("out/a"), weights("out/b"))
        assert not same(weights("out/a"), weights("out/c"))

    @pytest.mark.parametrize("pos_embd", ["default", "rope", "relative"])
    @pytest.mark.parametrize("optimizer", ["adamw", "muon"])
    @pytest.mark.parametrize("stop", [1, 4, 7])
    def test_an_interrupted_run_ends_as_if_it_had_not_been(self, pos_embd, optimizer, stop):
        settings = {
            "pos_embd": pos_embd, "optimizer": optimizer, "dropout": 0.2,
            "gradient_accumulation_steps": 2, "max_iters": 9,
        }  # fmt: skip
        train(start("out/whole", **settings))
        outcome = train(start("out/parts", **settings), StopAt(stop))
        assert (outcome.reason, outcome.step) == ("SIGINT", stop)
        assert events("out/parts")[-1]["reason"] == "SIGINT"
        outcome = train(start("out/parts", resume=True))
        assert (outcome.reason, outcome.step) == ("done", 9)
        for name in ("last.pt", "ckpt.pt"):
            assert same(weights("out/whole", name), weights("out/parts", name))
        assert timeless("out/whole") == timeless("out/parts")

    def test_sigterm_is_told_apart(self):
        assert train(start(), StopAt(3, signal.SIGTERM)).reason == "SIGTERM"
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def test_the_loss_falls(self):
        train(start(max_iters=60, eval_interval=30, eval_iters=0))
        losses = [e["val_loss"] for e in events("out/a", "eval")]
        assert losses[-1] < losses[0] - 0.5

    def test_accumulation_is_the_same_as_a_larger_batch(self):
        settings = {"max_iters": 4, "preset": "shakespeare-char-cpu"}
        train(start("out/a", batch_size=8, **settings))
        train(start("out/b", batch_size=2, gradient_accumulation_steps=4, **settings))
        for name, tensor in weights("out/a").items():
            torch.testing.assert_close(tensor, weights("out/b")[name], atol=1e-4, rtol=1e-3)

    def test_ckpt_keeps_the_best_and_its_loss_is_the_defined_one(self):
        run = start(max_iters=40, eval_interval=5, eval_iters=0, learning_rate=0.2, decay_lr=False)
        train(run)
        evals = {e["step"]: e["val_loss"] for e in events("out/a", "eval")}
        best = min(evals, key=evals.get)
        assert best < 40, "the learning rate is meant to be too high"
        ckpt = load_checkpoint(Path("out/a/ckpt.pt"))
        assert (ckpt.step, ckpt.val_loss) == (best, evals[best])
        assert load_checkpoint(Path("out/a/last.pt")).step == 40
        counts = token_byte_counts(run.dataset.tokenizer, run.dataset.vocab_size)
        loss = evaluate_loss(build_model(ckpt), run.dataset.val, counts)
        assert loss.per_token == pytest.approx(ckpt.val_loss, abs=1e-4)

    def test_always_save_checkpoint_follows_the_newest(self):
        train(start(max_iters=40, learning_rate=0.5, always_save_checkpoint=True))
        assert load_checkpoint(Path("out/a/ckpt.pt")).step == 40

    def test_patience_ends_a_run_that_gets_worse(self):
        outcome = train(start(max_iters=400, learning_rate=0.5, patience=2))
        assert outcome.reason == "patience"
        losses = [e["val_loss"] for e in events("out/a", "eval")]
        assert losses.index(min(losses)) == len(losses) - 3

    def test_a_time_budget_is_kept_and_lands_on_the_final_rate(self):
        outcome = train(start(time=1.5, max_iters=10**6, eval_interval=0))
        assert outcome.reason == "done"
        assert 1.2 < outcome.seconds < 1.8
        rates = [e["lr"] for e in events("out/a", "train")]
        assert rates[-1] < max(rates) / 5

    def test_the_log_has_what_the_contract_says(self):
        train(start())
        kinds = {e["event"]: e for e in events("out/a")}
        assert list(kinds) == ["run", "checkpoint", "eval", "sample", "train", "end"]
        assert {"model", "config", "data", "machine", "versions"} <= kinds["run"].keys()
        assert {"step", "time", "tokens", "loss", "lr", "grad_norm", "tokens_per_sec"} <= kinds[
            "train"
        ].keys()
        assert {"step", "time", "tokens", "train_loss", "val_loss", "bits_per_byte"} <= kinds[
            "eval"
        ].keys()
        assert kinds["train"]["tokens"] == 12 * 4 * 16
        assert kinds["end"]["reason"] == "done"
        first = Path("out/a/metrics.jsonl").read_text()
        assert first.startswith('{"event": "run"')

    def test_a_checkpoint_needs_nothing_beside_it(self):
        train(start(max_iters=1))
        Path("out/a/ckpt.pt").rename("alone.pt")
        ckpt = load_checkpoint(Path("alone.pt"))
        assert ckpt.tokenizer["kind"] == "char"
        assert ckpt.training is None

    def test_two_runs_cannot_share_a_folder(self):
        late = start("out/a")

        class Second(Reporter):
            def start(self, *_):
                with pytest.raises(UsageError, match="another run"):
                    train(late)

        assert train(start("out/a"), Second()).reason == "done"

    def test_eval_only_writes_no_checkpoint(self):
        outcome = train(start(eval_only=True))
        assert (outcome.reason, outcome.step) == ("done", 0)
        assert not Path("out").exists()

    def test_eval_only_of_a_finished_run_evaluates_and_changes_nothing(self):
        train(start(time=0.5))
        before = {p: p.read_bytes() for p in Path("out/a").glob("*.*")}
        heard = []

        class Ears(Reporter):
            def evaluation(self, report):
                heard.append(report.val_loss)

        run = make_run(Request({"eval_only": True}, None, Path("out/a"), "resume"))
        assert train(run, Ears()).reason == "done"
        assert len(heard) == 1
        assert {p: p.read_bytes() for p in Path("out/a").glob("*.*")} == before

    def test_compiling_leaves_the_random_numbers_as_they_were(self, monkeypatch):
        monkeypatch.setattr(torch, "compile", lambda model: model)
        settings = {"dropout": 0.2, "compile": True}
        train(start("out/whole", **settings))
        train(start("out/parts", **settings), StopAt(5))
        train(start("out/parts", resume=True))
        assert same(weights("out/whole"), weights("out/parts"))

    @pytest.mark.parametrize("at", [6, 8])
    def test_parameters_that_are_not_finite_are_never_saved(self, at):
        class Spoil(Reporter):
            def start(self, run, model, device):
                self.model = model

            def step(self, report):
                if report.step == at:  # a save or an evaluation follows, before the next loss
                    with torch.no_grad():
                        self.model.lm_head.weight.fill_(float("nan"))

        with pytest.raises(DivergedError):
            train(start(save_every="2"), Spoil())
        assert load_checkpoint(Path("out/a/last.pt")).step == at - 2
        assert events("out/a", "diverged")[-1]["recent"][-1]["step"] == at

    def test_steps_that_are_asked_for_replace_a_time_budget(self):
        train(start(time=0.3))
        run = make_run(Request({"max_iters": 10**6}, None, Path("out/a"), "resume"))
        assert (run.config.time, run.config.max_iters) == (0.0, 10**6)

    def test_stale_temporary_files_are_swept(self):
        Path("out/a").mkdir(parents=True)
        living = Path(f"out/a/.loss.png.{os.getppid()}.tmp-nanogpt")
        for path in (living, Path("out/a/.last.pt.4194399.tmp-nanogpt")):
            path.write_text("half")
        train(start(max_iters=1))
        assert list(Path("out/a").glob(".*tmp*")) == [living]

    def test_compile_falls_back_and_says_so(self, monkeypatch):
        def broken(model):
            raise RuntimeError("no compiler here\nand a long story")

        monkeypatch.setattr(torch, "compile", broken)
        told = Listener()
        assert train(start(compile=True, max_iters=2), told).reason == "done"
        assert "no compiler here" in told.notes[0]
        assert "\n" not in told.notes[0]

    def test_bfloat16_trains_too(self):
        outcome = train(start(dtype="bfloat16", max_iters=30))
        assert outcome.best_val_loss < 3.2

    def test_weights_of_another_run_are_a_beginning(self):
        train(start(max_iters=30))
        run = make_run(Request({**SETTINGS, "max_iters": 0}, "data/hamlet", Path("out/b"), "out/a"))
        train(replace(run))
        first = events("out/b", "eval")[0]["val_loss"]
        assert first < events("out/a", "eval")[0]["val_loss"] - 0.3


class Spoil(Reporter):
    """Changes the loss or a gradient of some steps, by hooks on the model that is trained."""

    def __init__(self, loss=None, grads=None):
        self.loss, self.grads = loss or {}, grads or {}
        self.at, self.notes = 1, []

    def start(self, run, model, device):
        self.at = run.start.step + 1 if run.resume else 1
        model.register_forward_hook(self._forward)
        weight = dict(model.named_parameters())["transformer.h.0.attn.c_attn.weight"]
        weight.register_hook(lambda grad: grad * self.grads.get(self.at, 1.0))

    def _forward(self, module, inputs, output):
        change = self.loss.get(self.at)
        return output + inputs[0].numel() * change if module.training and change else output

    def step(self, report):
        self.at = report.step + 1

    def note(self, text):
        self.notes.append(text)


CPU = torch.device("cpu")
NAN, INF = float("nan"), float("inf")


@pytest.mark.usefixtures("text_data")
class TestDivergence:
    @pytest.mark.parametrize("loss", [NAN, INF])
    def test_a_loss_that_is_not_finite_stops_and_says_what_led_there(self, loss):
        run = start(save_every="2", gradient_accumulation_steps=2)
        with pytest.raises(DivergedError) as error:
            train(run, Spoil(loss={6: loss}))
        assert error.value.exit_code == 6
        assert "step 6" in error.value.message
        assert "--learning-rate" in error.value.hint
        assert "good state of step 4" in error.value.hint
        assert load_checkpoint(Path("out/a/last.pt")).step == 4
        event = events("out/a", "diverged")[0]
        assert (event["step"], event["loss"]) == (6, None)
        assert [past["step"] for past in event["recent"]] == [1, 2, 3, 4, 5]
        norms = event["norms"]["lm_head.weight"]
        assert norms["weight"] > 0 < norms["grad"]
        assert events("out/a")[-1] == {"event": "end", "step": 5, "reason": "diverged"}

    def test_the_windows_of_the_step_are_named(self):
        run = start(gradient_accumulation_steps=2)
        with pytest.raises(DivergedError):
            train(run, Spoil(loss={6: NAN}))
        seen = []
        for micro, starts in enumerate(events("out/a", "diverged")[0]["windows"]):
            inputs, _ = training_batch(
                run.dataset.train, seed=1337, index=5 * 2 + micro, batch_size=4, block_size=16
            )
            text = torch.from_numpy(run.dataset.train.astype(int))
            seen += [
                torch.equal(text[s : s + 16], row) for s, row in zip(starts, inputs, strict=True)
            ]
        assert seen == [True] * 8

    @pytest.mark.parametrize("factor", [NAN, INF])
    def test_one_gradient_that_is_not_finite_moves_nothing(self, factor):
        class Moves(Spoil):
            def __init__(self):
                super().__init__(grads={6: factor, 9: factor})
                self.moved, self.before = [], None

            def start(self, run, model, device):
                super().start(run, model, device)
                self.weight = model.transformer.wte.weight

            def step(self, report):
                super().step(report)
                if self.before is None or not torch.equal(self.weight, self.before):
                    self.moved.append(report.step)
                self.before = self.weight.detach().clone()

        told = Moves()
        assert train(start(), told).reason == "done"
        assert told.moved == [1, 2, 3, 4, 5, 7, 8, 10, 11, 12]
        assert [(e["step"], e["grad_norm"]) for e in events("out/a", "skipped")] == [
            (6, None), (9, None)
        ]  # fmt: skip
        assert "step 6" in told.notes[0]

    def test_two_in_a_row_stop_the_run_even_across_a_resume(self):
        class StopAfter(Spoil):
            def step(self, report):
                super().step(report)
                if report.step == 6:
                    os.kill(os.getpid(), signal.SIGINT)

        train(start(), StopAfter(grads={6: INF}))
        with pytest.raises(DivergedError, match="two steps in a row"):
            train(start(resume=True), Spoil(grads={7: INF}))
        assert [e["event"] for e in events("out/a", "skipped", "diverged")] == [
            "skipped",
            "diverged",
        ]

    def test_what_is_wrong_with_an_overflowing_gradient_can_still_be_seen(self):
        run = start(grad_clip=1.0, optimizer="adamw", preset="shakespeare-char-cpu", max_iters=2,
                    save_every="0")  # fmt: skip

        class Huge(Reporter):
            def start(self, run, model, device):
                self.model = model

            def evaluation(self, report):
                with torch.no_grad():
                    self.model.transformer.ln_f.weight.fill_(1e38)

        with pytest.raises(DivergedError):
            train(run, Huge())
        norms = [e["grad"] for e in events("out/a", "diverged", "skipped")[0]["norms"].values()]
        assert None in norms
        assert any(norm for norm in norms), "some are finite and not 0"

    def test_a_jump_of_the_loss_is_logged(self):
        told = Spoil(loss={40: 5.0})
        train(start(max_iters=45), told)
        (event,) = events("out/a", "spike")
        assert event["step"] == 40
        assert event["loss"] > event["mean"] + 4
        assert "jumped" in told.notes[0]


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


@pytest.mark.usefixtures("text_data")
class TestSaving:
    class Steps(Reporter):
        """Looks at ``last.pt`` after each step."""

        def __init__(self):
            self.saved = {}

        def step(self, report):
            path = Path("out/a/last.pt")
            self.saved[report.step] = load_checkpoint(path).step if path.exists() else None

    @pytest.fixture
    def at_once(self, monkeypatch):
        """Let each save be on the disk when it returns."""
        real = Saver.save

        def save(saver, name, *args, **kwargs):
            real(saver, name, *args, **kwargs)
            saver.wait(name)

        monkeypatch.setattr(Saver, "save", save)

    def test_an_interval_in_steps_saves_at_its_multiples(self, at_once):
        seen = self.Steps()
        train(start(save_every="3"), seen)
        assert [seen.saved[step] for step in range(1, 13)] == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9]
        assert load_checkpoint(Path("out/a/last.pt")).step == 12

    def test_an_interval_of_time_saves_that_often(self, at_once, monkeypatch):
        clock = iter(range(10**6))  # each look at the clock is a second later
        monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
        seen = self.Steps()
        train(start(save_every="20s", max_iters=40), seen)
        saves = sorted(set(seen.saved.values()))
        assert saves[0] == 0
        assert 3 < len(saves) < 15

    def test_without_an_interval_it_is_saved_at_the_end_alone(self, at_once):
        seen = self.Steps()
        train(start(save_every="0"), seen)
        assert set(seen.saved.values()) == {None}
        assert load_checkpoint(Path("out/a/last.pt")).step == 12

    def test_the_loop_does_not_outrun_a_slow_disk_by_more_than_the_interval(self, monkeypatch):
        real = Checkpoint.save

        def slow(self, path, **kwargs):
            time.sleep(0.5)
            real(self, path, **kwargs)

        monkeypatch.setattr(Checkpoint, "save", slow)
        lost = []

        class Watch(Reporter):
            def step(self, report):
                time.sleep(0.02)
                path = Path("out/a/last.pt")
                lost.append(report.step - (load_checkpoint(path).step if path.exists() else 0))

        train(start(save_every="0.6s", max_iters=100, eval_interval=1000), Watch())
        assert 0.02 * max(lost) < 0.6  # 1.1 if it went on during the write

    def test_a_full_disk_ends_the_run_soon(self, monkeypatch):
        def full(self, path, **kwargs):
            raise MachineError(f"cannot write {path}: no space", "free some")

        monkeypatch.setattr(Checkpoint, "save", full)
        with pytest.raises(MachineError, match="cannot write"):
            train(start(max_iters=10**6))

    def test_kept_states_are_there_and_can_be_gone_on_with(self):
        train(start(save_every="3", keep=2))
        kept = [path.name for path in sorted(Path("out/a").glob("step-*"))]
        assert kept == ["step-00000009.pt", "step-00000012.pt"]
        whole = weights("out/a")
        Path("out/a/step-00000012.pt").unlink()
        Path("out/a/last.pt").write_bytes(b"torn")
        run = start("out/a", resume=True)
        assert run.start.step == 9
        assert "resuming from out/a/step-00000009.pt" in " ".join(run.notes)
        train(run)
        assert same(weights("out/a"), whole)


@pytest.mark.usefixtures("text_data")
class TestGoingOn:
    def test_a_signal_during_an_evaluation_leaves_the_whole_of_it_for_later(self):
        train(start("out/whole"))

        class StopInside(Reporter):
            evaluations = 0

            def evaluation(self, report):
                self.evaluations += 1

            def evaluating(self, tokens):
                if self.evaluations == 1:
                    os.kill(os.getpid(), signal.SIGTERM)

        outcome = train(start("out/parts"), StopInside())
        assert (outcome.reason, outcome.step) == ("SIGTERM", 4)
        assert [e["step"] for e in events("out/parts", "eval", "sample")] == [0, 0]
        train(start("out/parts", resume=True))
        assert timeless("out/whole") == timeless("out/parts")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_during_compilation_is_heeded(self, monkeypatch, number):
        def compiles_for_long(model):
            os.kill(os.getpid(), number)
            time.sleep(30)

        monkeypatch.setattr(torch, "compile", compiles_for_long)
        told = Listener()
        begun = time.perf_counter()
        outcome = train(start(compile=True), told)
        assert time.perf_counter() - begun < 20
        assert (outcome.reason, outcome.step) == (signal.Signals(number).name, 0)
        assert told.notes == []
        assert load_checkpoint(Path("out/a/last.pt")).step == 0

    @pytest.mark.parametrize(
        ("change", "word"),
        [({"torch": "1.0"}, "torch 1.0 -> "), ({"threads": 64}, "threads 64 -> 1"),
         ({"processes": 8}, "processes 8 -> 1"), ({"device": "cuda"}, "device cuda -> cpu")],
    )  # fmt: skip
    def test_what_makes_a_resume_inexact_is_said(self, change, word):
        train(start(), StopAt(3))
        last = load_checkpoint(Path("out/a/last.pt"))
        machine = last.training["machine"] | change
        replace(last, training=last.training | {"machine": machine}).save(Path("out/a/last.pt"))
        told = Listener()
        assert train(start(resume=True), told).reason == "done"
        assert "no longer bit for bit" in told.notes[0]
        assert word in told.notes[0]

    def test_the_same_machine_is_not_spoken_of(self):
        train(start(), StopAt(3))
        told = Listener()
        train(start(resume=True), told)
        assert told.notes == []

    def test_dropout_differs_from_step_to_step_and_process_to_process(self):
        seeds = {step_seed(*args) for args in [(1, 0, 0), (1, 1, 0), (1, 0, 1), (2, 0, 0)]}
        assert len(seeds) == 4

    @pytest.mark.parametrize("optimizer", ["adamw", "muon"])
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda training: training.update(optimizers=[]),
            lambda training: training.update(optimizers=7),
            lambda training: training["optimizers"][-1].update(state={}, param_groups=[]),
            lambda training: training["optimizers"][-1]["state"][0].clear(),
            lambda training: next(iter(training["optimizers"][-1]["state"].values())).update(
                momentum_buffer=torch.ones(3), exp_avg=torch.ones(3)
            ),
            lambda training: training.update(tokens="many", watch={"recent": 7}, machine=[]),
        ],
        ids=["none", "a number", "no groups", "no moments", "shapes", "counters"],
    )
    def test_a_damaged_training_state_does_not_stop_a_run(self, optimizer, spoil):
        train(start(optimizer=optimizer), StopAt(3))
        last = load_checkpoint(Path("out/a/last.pt"))
        spoil(last.training)
        last.save(Path("out/a/last.pt"))
        told = Listener()
        assert train(start(resume=True), told).reason == "done"
        assert load_checkpoint(Path("out/a/last.pt")).step == 12
        assert "starts anew" in "".join(told.notes)

    def test_a_run_killed_before_its_first_state_begins_again_with_one_log(self, monkeypatch):
        train(start("out/whole", patience=3))
        real = Saver.save

        def killed(saver, name, *args, **kwargs):
            if name == "last.pt":
                raise KeyboardInterrupt
            real(saver, name, *args, **kwargs)
            saver.wait(name)

        with monkeypatch.context() as patch:
            patch.setattr(Saver, "save", killed)
            with pytest.raises(KeyboardInterrupt):
                train(start("out/parts", patience=3))
        assert [path.name for path in Path("out/parts").glob("*.pt")] == ["ckpt.pt"]
        train(start("out/parts", resume=True))
        assert timeless("out/whole") == timeless("out/parts")
        assert same(weights("out/whole"), weights("out/parts"))

    def test_without_a_state_the_clock_is_taken_from_the_log(self):
        train(start())
        before = events("out/a", "eval")[-1]["time"]
        Path("out/a/last.pt").unlink()
        make_run(Request({"max_iters": 13}, None, Path("out/a"), "resume"))
        train(make_run(Request({"max_iters": 13}, None, Path("out/a"), "resume")))
        assert events("out/a", "train")[-1]["time"] >= before

    def test_starting_over_leaves_nothing_that_could_be_gone_on_with(self):
        train(start(save_every="3", keep=3))

        class Killed(Reporter):
            def start(self, *args):
                raise KeyboardInterrupt

        again = Request({**SETTINGS, "seed": 3}, "data/hamlet", Path("out/a"), force=True)
        with pytest.raises(KeyboardInterrupt):
            train(make_run(again), Killed())
        assert {path.name for path in Path("out/a").iterdir()} == {".lock", "metrics.jsonl"}
        with pytest.raises(UsageError) as error:
            start("out/a")
        assert error.value.hint == "start over: --force"

    def test_a_folder_of_kept_states_is_not_free(self):
        train(start(save_every="3", keep=3))
        for name in ("last.pt", "ckpt.pt", "metrics.jsonl"):
            Path("out/a", name).unlink()
        with pytest.raises(UsageError, match="holds a run"):
            start("out/a")
        assert start("out/a", resume=True).start.step == 12

    def test_a_run_that_went_on_since_it_was_planned_is_not_set_back(self):
        train(start(), StopAt(3))
        late = start(resume=True)
        train(start(resume=True))
        with pytest.raises(UsageError, match="replaced by another run just now"):
            train(late)
        assert load_checkpoint(Path("out/a/last.pt")).step == 12


@pytest.mark.usefixtures("text_data")
class TestScaledGradients:
    """What fp16 does on a GPU, with its scaler put on a CPU."""

    @pytest.fixture
    def parts(self):
        run = start()
        model = make_model(run.model_config)
        self.state = TrainState(model, make_optimizers(model, run.config))
        batches = Batches(run.dataset.train, run.model_config, run.config, Parallel(CPU))
        weight = dict(model.named_parameters())["transformer.h.0.attn.c_attn.weight"]
        self.hook = weight.register_hook(lambda grad: grad * INF)
        return batches, Guard(run, batches, Recorder())

    def step(self, batches, guard):
        loss, norm, _ = gradients(self.state, self.state.model, batches, grad_clip=1.0)
        if guard.accepts(self.state, loss, norm, 1e-3):
            apply(self.state, 1e-3)
        self.state.step += 1

    def test_an_overflow_moves_nothing_and_scales_less(self, parts):
        self.state.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        before = {k: v.clone() for k, v in self.state.model.state_dict().items()}
        self.step(*parts)
        assert same(before, self.state.model.state_dict())
        assert self.state.scaler.get_scale() == 4.0
        self.hook.remove()
        self.step(*parts)
        assert not same(before, self.state.model.state_dict())
        assert self.state.watch.skipped == 0

    def test_where_no_scale_helps_the_run_diverges(self, parts):
        self.state.scaler = torch.amp.GradScaler("cpu", init_scale=0.5)
        self.step(*parts)
        assert self.state.watch.skipped == 1
        with pytest.raises(DivergedError, match="two steps in a row"):
            self.step(*parts)
