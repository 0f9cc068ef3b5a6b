"""What is too large, too much or too slow is refused; the next request is answered."""

import json
import time
from functools import partial

import pytest
from served import client, gauge, said, tiny_model, until

from nanogpt_cli.inference import scheduler
from nanogpt_cli.inference.server.limits import Limits

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def api():
    with client(tiny_model(), limits=Limits(body=2000)) as found:
        yield found


def test_a_large_body_is_not_read(api):
    assert api.post(CHAT, json=said("x" * 2000)).status_code == 413
    parts = iter([b"x" * 1500] * 2)  # without a content-length
    assert api.post(CHAT, content=parts, headers=JSON).status_code == 413
    lies = api.post(CHAT, content=b"{}", headers=JSON | {"content-length": "9" * 30})
    assert lies.status_code == 413
    assert api.post(CHAT, json=said()).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"n": NaN}', b"[" * 1900, b'{"n": 1' + b"0" * 1900],
)
def test_what_is_not_an_object_of_json_is_refused(api, body):
    answer = api.post(CHAT, content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def slow(monkeypatch, seconds):
    """Let a step of any engine take its time."""
    step = scheduler.Scheduler.step

    def slower(self):
        time.sleep(seconds)
        return step(self)

    monkeypatch.setattr(scheduler.Scheduler, "step", slower)


def test_who_comes_when_too_many_wait_is_told_when_to_come_back(monkeypatch):
    slow(monkeypatch, 0.02)
    with client(tiny_model(), limits=Limits(rows=1, waiting=2)) as api:
        answer = api.post(CHAT, json=said(n=20))
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.json()["error"]["type"] == "rate_limit_error"
        until(lambda: gauge(api, "nanogpt_waiting") + gauge(api, "nanogpt_active") == 0)
        assert api.post(CHAT, json=said(n=2, max_tokens=1)).status_code == 200


def test_a_text_ends_when_its_time_is_over(monkeypatch):
    slow(monkeypatch, 0.05)
    with client(tiny_model(), limits=Limits(seconds=0.3)) as api:
        answer = api.post(CHAT, json=said(temperature=0, max_tokens=4000)).json()
        assert answer["choices"][0]["finish_reason"] in ("length", "stop")
        assert answer["usage"]["completion_tokens"] < 20


def test_a_text_has_a_longest_length():
    with client(tiny_model(), limits=Limits(new_tokens=3)) as api:
        answer = api.post("/v1/completions", json={"prompt": "a", "max_tokens": 10**9}).json()
        assert answer["usage"]["completion_tokens"] <= 3


def test_each_limit_counts_in_the_metrics(api):
    api.post(CHAT, json=said())
    assert gauge(api, 'nanogpt_requests_total{path="/v1/chat/completions",status="200"}') >= 1
    text = api.get("/metrics").text
    assert "# TYPE nanogpt_first_token_seconds histogram" in text
    assert 'nanogpt_engine_up{model="tiny"} 1' in text
    for line in text.splitlines():
        assert line.startswith("#") or float(line.rsplit(" ", 1)[1]) >= 0


def test_a_stream_of_events_is_json_lines(api):
    body = api.post(CHAT, json=said(stream=True)).text
    parse = partial(json.loads)
    assert all(parse(e[6:]) for e in body.split("\n\n") if e and not e.endswith("[DONE]"))
