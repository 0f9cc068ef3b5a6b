"""What ``nanogpt eval`` measures beside its table, on the command line and in JSON."""

import json
from pathlib import Path

import pytest

from nanogpt_cli.checkpoint.load import load
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.evaluation.speed import measure_speed
from nanogpt_cli.evaluation.studies import studies


@pytest.fixture
def run(tiny, text_data, monkeypatch) -> str:
    """Save a model of the text's tokenizer as a run, to be studied briefly; return its name."""
    monkeypatch.setattr("nanogpt_cli.evaluation.studies.SAMPLES", 2)
    monkeypatch.setattr("nanogpt_cli.evaluation.yardsticks.PPMD_WINDOWS", 3)
    dataset = open_dataset(text_data)
    model = tiny(vocab_size=dataset.vocab_size, pos_embd="rope")
    data = {"folder": str(text_data), "fingerprint": dataset.fingerprint}
    made = Checkpoint(model.config, model.state_dict(), dataset.tokenizer.to_dict(), data=data)
    made.save(Path("out/hamlet/ckpt.pt"))
    return "hamlet"


def test_json_has_a_key_for_each_study_beside_models(run, nanogpt):
    asked = ("--yardsticks", "--positions", "--memorisation")
    code, out, err = nanogpt("eval", run, *asked, "--json", "--device=cpu")
    assert code == 0, err
    document = json.loads(out)
    assert set(document) == {"models", "yardsticks", "positions", "memorisation"}
    (found,) = document["yardsticks"]
    assert (found["checkpoint"], found["trained_on"]) == ("out/hamlet/ckpt.pt", "data/hamlet")
    names = [yardstick["name"] for yardstick in found["yardsticks"]]
    assert names == ["uniform", "unigram", "5-gram", "xz", "ppmd", "ppmd adaptive"]
    (positions,) = document["positions"]
    assert [context["context"] for context in positions["contexts"]] == [16, 32, 64]
    assert positions["contexts"][0]["loss"] == pytest.approx(document["models"][0]["val_loss"])
    (memorised,) = document["memorisation"]
    assert memorised["val_loss"] == pytest.approx(document["models"][0]["val_loss"])
    assert memorised["validation"]["longest"]["file"] == "hamlet.txt"


def test_tables_and_the_verdict_are_printed(run, nanogpt):
    asked = ("--yardsticks", "--positions", "--memorisation")
    code, out, err = nanogpt("eval", run, run, *asked, "--device=cpu")
    assert code == 0, err
    assert out.count("5-gram") == 1  # the same for both
    assert "out/hamlet/ckpt.pt is not better than a compressor that has read the same text" in out
    assert out.count("33 to 64") == 2
    assert "longest verbatim span" in out
    assert "hamlet.txt:1" in out
    assert "indexing" in err


def test_nothing_more_is_measured_than_was_asked_for(run, nanogpt):
    assert set(json.loads(nanogpt("eval", run, "--json", "--device=cpu")[1])) == {"models"}


def test_a_model_whose_data_is_gone_says_so(run, nanogpt):
    Path("text.txt").write_text("To be, or not to be, that is the question." * 3)
    Path("data").rename("elsewhere")
    arguments = ("eval", run, "--data", "text.txt", "--yardsticks", "--memorisation")
    code, out, err = nanogpt(*arguments, "--device=cpu")
    assert code == 0, err
    assert "memorisation of out/hamlet/ckpt.pt: not measured" in out
    assert "xz: not measured, the training text is not known" in err
    assert "uniform" in out
    document = json.loads(nanogpt(*arguments, "--device=cpu", "--json")[1])
    assert "is not known" in document["memorisation"][0]["reason"]


def test_data_that_changed_since_is_mentioned(run):
    path = Path("out/hamlet/ckpt.pt")
    loaded = load(path, "cpu")
    loaded.about["data"]["fingerprint"] = "another"
    notes: list[str] = []
    list(studies([loaded], ["yardsticks"], note=notes.append))
    assert notes == ["data/hamlet has changed since out/hamlet/ckpt.pt was trained on it"]


def test_speed_is_measured_for_each_batch(run, nanogpt, monkeypatch):
    monkeypatch.setattr("nanogpt_cli.evaluation.speed._READ", 1 << 20)
    found = measure_speed(load(Path("out/hamlet/ckpt.pt"), "cpu"), batches=(1, 3), seconds=0.02)
    one, three = found.batches
    assert (one.batch, three.batch) == (1, 3)
    assert one.prompt == 8
    for batch in found.batches:
        assert batch.prefill_tokens_per_sec > 0
        assert batch.decode_tokens_per_sec > 0
        assert batch.bandwidth_share > 0
    # 2 layers, 16 wide, 16 tokens, keys and values of 4 bytes
    cache = 2 * 2 * 16 * 16 * 4
    assert three.memory - one.memory == 2 * cache
    assert one.memory == found.parameter_bytes + cache
    assert found.bandwidth > 1e6
    assert json.loads(json.dumps(found.to_dict()))["batches"][1]["batch"] == 3


def test_too_little_memory_for_a_batch_is_its_reason(run, monkeypatch):
    def none_left(*args: object, **settings: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nanogpt_cli.evaluation.speed._READ", 1 << 20)
    monkeypatch.setattr("nanogpt_cli.evaluation.speed.generate_batch", none_left)
    found = measure_speed(load(Path("out/hamlet/ckpt.pt"), "cpu"), batches=(1,), seconds=0.01)
    assert found.to_dict()["batches"] == [{"batch": 1, "reason": "not enough memory"}]
