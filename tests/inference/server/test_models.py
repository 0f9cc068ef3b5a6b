"""Runs by name: found, loaded when asked for, replaced when training replaced them."""

import io
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from served import client, said, save, tiny_model

from nanogpt_cli.inference.server import models
from nanogpt_cli.inference.server.limits import Limits

CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def _always_look(monkeypatch):
    monkeypatch.setattr(models, "LOOK_AGAIN", 0.0)


def reply(api, name):
    answer = api.post(CHAT, json=said(model=name))
    return answer.status_code, answer.json().get("choices", [{}])[0].get("message")


def test_another_run_answers_when_it_is_asked_for():
    first, other = tiny_model(), tiny_model(name="out/a/b/ckpt.pt", seed=1)
    save(other)
    with client(first) as api:
        assert [m["id"] for m in api.get("/v1/models").json()["data"]] == ["tiny", "a/b"]
        assert not api.get("/v1/models/a/b").json()["nanogpt"]["loaded"]
        one, two = reply(api, "tiny"), reply(api, "a/b")
        assert (one[0], two[0]) == (200, 200)
        assert one != two
        assert api.get("/v1/models/a/b").json()["nanogpt"]["loaded"]
        assert reply(api, None) == one
        save(replace(tiny_model(name="out/a/b/ckpt.pt", seed=2)))
        assert reply(api, "a/b")[1] not in (None, two[1])


class Hostile:
    def __reduce__(self):
        return os.system, ("touch executed",)


def with_nan(content):
    content["model"]["transformer.wte.weight"][0] = torch.nan
    return content


CHARS = {"kind": "char", "characters": "To", "special_tokens": {}}
BAD = {
    "empty": lambda good: b"",
    "half": lambda good: good[: len(good) // 2],
    "a flipped bit": lambda good: good[: len(good) // 2] + b"?" + good[len(good) // 2 + 1 :],
    "a pickle": lambda good: pickle.dumps(Hostile(), 2),
    "a hostile entry": lambda good: changed(good, lambda old: old | {"train_config": Hostile()}),
    "NaN": lambda good: changed(good, with_nan),
    "newer": lambda good: changed(good, lambda old: old | {"version": 99}),
    "tokenizer": lambda good: changed(good, lambda old: old | {"tokenizer": CHARS}),
}


def changed(good, change):
    content = change(torch.load(io.BytesIO(good), weights_only=True))
    out = io.BytesIO()
    torch.save(content, out)
    return out.getvalue()


def test_a_bad_checkpoint_is_said_and_the_others_go_on_answering():
    """Rows 39, 40, 41, 44, 45 and 48 of docs/faults.md."""
    save(tiny_model(name="out/good/ckpt.pt"))
    good = Path("out/good/ckpt.pt").read_bytes()
    with client(tiny_model()) as api:
        for fault, make in BAD.items():
            path = Path("out", fault.replace(" ", "-"), "ckpt.pt")
            path.parent.mkdir()
            path.write_bytes(make(good))
            answer = api.post(CHAT, json=said(model=path.parent.name))
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (422, "model_unusable"), fault
            assert str(path) in error["message"]
        assert reply(api, "good")[0] == reply(api, "tiny")[0] == 200
        assert api.get("/health").status_code == 200
    assert not Path("executed").exists()


def test_few_models_are_in_memory_at_a_time():
    for name in "abc":
        save(tiny_model(name=f"out/{name}/ckpt.pt"))
    with client(tiny_model(), limits=Limits(models=2)) as api:
        for name in "abca":
            assert reply(api, name)[0] == 200
            known = {m["id"] for m in api.get("/v1/models").json()["data"]
                     if m["nanogpt"]["loaded"]}  # fmt: skip
            assert known == {"tiny", name}


def test_the_loss_curve_of_a_run():
    save(tiny_model(name="out/a/ckpt.pt"))
    lines = [{"event": "train", "step": i, "loss": 4 - i / 1000} for i in range(2000)]
    lines += [
        {"event": "eval", "step": 1000, "val_loss": 3.5},
        {"event": "eval", "step": 1999, "val_loss": 3.0},
    ]
    Path("out/a/metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with client(tiny_model()) as api:
        found = api.get("/api/curve", params={"model": "a"}).json()
        assert found["val"] == [[1000, 3.5], [1999, 3.0]]
        assert found["best"] == [1999, 3.0]
        assert found["train"][-1][0] == 1999
        assert len(found["train"]) <= 601
        empty = api.get("/api/curve", params={"model": "tiny"}).json()
        assert empty["train"] == empty["val"] == []
        assert api.get("/api/settings").json()["model"] == "tiny"


def test_rows_fit_into_the_memory_for_them():
    engine = models.start_engine(tiny_model(), "a", Limits(cache=3 * 2 * 2 * 64 * 16 * 4))
    assert engine.worker.scheduler.rows == 3
    engine.worker.stop()
