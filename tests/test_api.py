"""The Python API does what the commands do, and costs nothing until it is used."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import nanogpt_cli as nanogpt

DOCS = Path(__file__).resolve().parents[1] / "docs"
CHATS = "".join(
    f"<human>{a} {b}<endOfText>\n<bot>I am {b} too.<endOfText>\n\n"
    for a in ("my dog is", "i am", "she was", "we are", "my aunt is", "they were", "my cat is")
    for b in ("glad", "ill", "tired", "hungry", "late", "fine", "busy", "sad")
)
TINY = {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 96, "arch": "gpt2",
        "max_iters": 40, "learning_rate": 0.05, "device": "cpu", "sample_tokens": 0}  # fmt: skip


def run_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_nothing():
    heavy = "[m for m in ('torch', 'numpy', 'typer', 'rich') if m in sys.modules]"
    code = f"import sys, nanogpt_cli; print({heavy})"
    assert run_python(code).strip() == "[]"
    assert run_python(f"{code[:-1]}, nanogpt_cli.prepare.__name__)").strip() == "[] prepare"


def test_the_public_names_are_these():
    assert set(nanogpt.__all__) <= set(dir(nanogpt))
    assert nanogpt.__all__ == [
        "CheckpointError", "DataError", "DivergedError", "MachineError", "Model", "NanoGPTError",
        "Turn", "UsageError", "__version__", "evaluate", "export", "load", "prepare",
        "train",
    ]  # fmt: skip
    assert all(getattr(nanogpt, name) for name in nanogpt.__all__)
    with pytest.raises(AttributeError, match="nothing_such"):
        nanogpt.nothing_such  # noqa: B018


def test_the_examples_of_the_documentation_run():
    Path("chats.txt").write_text(CHATS)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    assert len(blocks) >= 6
    out = run_python("\n".join(blocks))
    assert "done at step 20" in out
    assert "bits per byte" in out
    assert "no run, folder or file is called nothing" in out


@pytest.fixture
def model():
    Path("chats.txt").write_text(CHATS)
    nanogpt.prepare("chats.txt", tokenizer="byte")
    nanogpt.train(out_dir="out/a", **TINY)
    return nanogpt.load("a", device="cpu")


def test_streams_and_texts_are_the_same(model):
    for method in (model.reply, model.complete):
        whole = method("hello", seed=3, max_tokens=20)
        pieces = list(method("hello", seed=3, max_tokens=20, stream=True))
        assert "".join(pieces) == whole
        assert isinstance(whole, str)
    assert model.complete("hello", seed=3, max_tokens=20) != model.reply(
        "hello", seed=3, max_tokens=20
    )


def test_history_changes_the_reply_and_is_left_alone(model):
    history = [nanogpt.Turn("human", "my cat"), nanogpt.Turn("bot", "What of it?")]
    plain = [model.reply("well", seed=seed, max_tokens=30) for seed in range(20)]
    after = [model.reply("well", history=history, seed=seed, max_tokens=30) for seed in range(20)]
    assert plain != after
    assert len(history) == 2


def test_the_loss_is_that_of_the_module(model):
    import torch
    from torch.nn import functional as F

    text = "my dog is glad"
    ids = torch.tensor([model.tokenizer.encode(text)])
    logits = model.module(ids[:, :-1])[0].detach()
    wanted = F.cross_entropy(logits, ids[0, 1:], reduction="sum")
    loss = model.loss(text)
    assert loss.nats == pytest.approx(float(wanted), rel=1e-5)
    assert (loss.tokens, loss.text_bytes) == (len(text) - 1, len(text) - 1)
    with pytest.raises(nanogpt.DataError):
        model.loss("a")


def test_listeners_hear_every_step_and_evaluation(model):
    steps, losses, notes = [], [], []
    outcome = nanogpt.train(
        "data/chats", out_dir="out/b", on_step=lambda r: steps.append(r.step),
        on_evaluation=lambda r: losses.append(r.val_loss), on_note=notes.append,
        init_from="a", max_iters=4, eval_interval=2, device="cpu", sample_tokens=0,
    )  # fmt: skip
    assert steps == [1, 2, 3, 4]
    assert outcome.best_val_loss == min(losses)
    assert len(losses) == 3
    assert any("fine-tuning" in note for note in notes)


def test_evaluate_takes_names_and_loaded_models(model):
    by_name, loaded = nanogpt.evaluate("a", model, data="chats.txt", device="cpu")
    assert by_name.metrics == loaded.metrics
    (newest,) = nanogpt.evaluate(device="cpu")
    assert newest.data == Path("data/chats")


def test_training_works_outside_of_the_main_thread(model):
    outcomes = []
    thread = threading.Thread(
        target=lambda: outcomes.append(nanogpt.train("data/chats", out_dir="out/c", **TINY))
    )
    thread.start()
    thread.join()
    assert outcomes[0].reason == "done"


def test_a_text_model_does_not_reply():
    Path("book.txt").write_text("It was a bright cold day in April. " * 60)
    nanogpt.prepare("book.txt", tokenizer="char")
    nanogpt.train(out_dir="out/book", **TINY)
    book = nanogpt.load("book", device="cpu")
    assert not book.is_dialogue
    with pytest.raises(nanogpt.UsageError, match="not on dialogues") as error:
        book.reply("hello")
    assert "complete()" in error.value.hint
    assert book.complete("It was", temperature=0, max_tokens=5)


def test_wrong_names_and_values_are_refused(model):
    with pytest.raises(TypeError, match="n_layers"):
        nanogpt.train("data/chats", n_layers=3)
    with pytest.raises(nanogpt.UsageError, match="--n-head 5"):
        nanogpt.train("data/chats", n_head=5, n_embd=32)
    with pytest.raises(nanogpt.UsageError, match="--temperature"):
        model.reply("hello", temperature=-1)
    with pytest.raises(nanogpt.CheckpointError):
        nanogpt.load("nothing")
