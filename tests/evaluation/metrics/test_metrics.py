"""The registered metrics, and one that is added from outside."""

import json
import math
from pathlib import Path

import pytest

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.evaluation.loss import Loss
from nanogpt_cli.evaluation.metrics.base import Metric, TextSample, registered_metrics
from nanogpt_cli.registry import METRICS


@pytest.fixture
def register():
    """Register metrics for one test."""
    names = []

    def add(metric: Metric) -> None:
        METRICS.register(metric.name, metric)
        names.append(metric.name)

    yield add
    for name in names:
        METRICS.unregister(name)


@pytest.fixture
def model(tiny) -> str:
    made = tiny(vocab_size=256)
    tokenizer = {"kind": "byte", "special_tokens": {}}
    Checkpoint(made.config, made.state_dict(), tokenizer).save(Path("x.pt"))
    Path("a.txt").write_text("to be, or not to be\n" * 9)
    return "x.pt"


def test_the_metrics_of_a_text():
    loss = Loss(nats=8 * math.log(2), tokens=4, text_bytes=2)
    metrics = [m for m in registered_metrics().values() if m.needs == "text"]
    values = {m.name: m.numbers(TextSample(loss))[m.name].value for m in metrics}
    assert values == pytest.approx(
        {"val_loss": 2 * math.log(2), "perplexity": 4.0, "bits_per_byte": 4.0}
    )


def test_a_metric_from_outside_is_in_json_and_in_the_table(nanogpt, register, model):
    register(Metric("bytes", "text", lambda sample: sample.loss.text_bytes, "toy bytes", ",.1f"))
    _, out, _ = nanogpt("eval", model, "--data", "a.txt", "--json")
    (row,) = json.loads(out)["models"]
    assert row["bytes"] == 176
    _, out, _ = nanogpt("eval", model, "--data", "a.txt")
    head, line = out.splitlines()
    assert "toy bytes" in head
    assert "176.0" in line.split()


def test_what_cannot_be_computed_is_null_and_shown_as_a_dash(nanogpt, register, model):
    register(Metric("never", "text", lambda sample: None))
    _, out, _ = nanogpt("eval", model, "--data", "a.txt", "--json")
    assert json.loads(out)["models"][0]["never"] is None
    _, out, _ = nanogpt("eval", model, "--data", "a.txt")
    assert "never" in out.splitlines()[0]
    assert "-" in out.splitlines()[1].split()


def test_a_metric_whose_sample_was_not_taken_is_absent(nanogpt, register, model):
    register(Metric("humour", "laughter", lambda sample: 1.0))
    code, out, _ = nanogpt("eval", model, "--data", "a.txt", "--json")
    assert code == 0
    assert "humour" not in json.loads(out)["models"][0]
    assert "humour" not in nanogpt("eval", model, "--data", "a.txt")[1]
