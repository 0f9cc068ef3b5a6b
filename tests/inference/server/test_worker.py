"""The engine's thread: what it survives, and how its death is known."""

import pytest
from served import client, said, tiny_model, until

from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.requests import Request
from nanogpt_cli.inference.scheduler import Scheduler
from nanogpt_cli.inference.server.worker import RESTARTS, EngineDiedError, Worker

CHAT = "/v1/chat/completions"


class Told(Request):
    def __init__(self):
        super().__init__([1], SampleConfig(max_tokens=3))
        self.ends = []

    def on_end(self, reason, error=None):
        self.ends.append((reason, error))


def ended(worker):
    request = Told()
    worker.submit(request)
    until(lambda: request.ends)
    return request.ends[0]


@pytest.fixture
def failing(tiny, monkeypatch):
    """Give a worker, and a list of what its next steps raise."""
    scheduler = Scheduler(tiny())
    raised, step = [], scheduler.step

    def failing_step():
        if raised and scheduler.waiting:
            raise raised.pop(0)
        return step()

    monkeypatch.setattr(scheduler, "step", failing_step)
    worker = Worker(scheduler, "test")
    yield worker, raised
    worker.stop()


def test_a_failure_ends_what_runs_and_the_engine_begins_anew(failing):
    worker, raised = failing
    assert ended(worker) == ("length", None)
    raised.append(RuntimeError("broken"))
    reason, error = ended(worker)
    assert (reason, str(error)) == ("error", "broken")
    assert ended(worker) == ("length", None)
    assert (worker.state, worker.restarts) == ("ok", 1)


@pytest.mark.parametrize("how", ["again and again", "at once"])
def test_a_dead_engine_takes_nothing(failing, how):
    worker, raised = failing
    raised += [SystemExit()] if how == "at once" else [RuntimeError()] * (RESTARTS + 1)
    while raised:
        assert ended(worker)[0] == "error"
    until(lambda: worker.state != "ok")
    assert worker.state.startswith("died")
    with pytest.raises(EngineDiedError):
        worker.submit(Told())


def test_a_stalled_engine_is_known(tiny, monkeypatch):
    import threading

    scheduler, go = Scheduler(tiny()), threading.Event()
    monkeypatch.setattr(scheduler, "step", lambda: go.wait(20) and False)
    worker = Worker(scheduler, "test", stall_seconds=0.05)
    worker.submit(Told())
    until(lambda: worker.state == "stalled")
    with pytest.raises(EngineDiedError):
        worker.submit(Told())
    go.set()
    worker.stop()


def test_health_turns_red_and_requests_are_answered_503(monkeypatch):
    loaded = tiny_model()
    with client(loaded) as api:
        assert api.get("/health").json() == {"status": "ok"}

        def dying(*args):
            raise SystemExit

        monkeypatch.setattr(loaded.model, "hidden", dying)
        for _ in range(2):
            answer = api.post(CHAT, json=said())
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_died")
            assert answer.headers["retry-after"]
        assert "engine_died" in api.post(CHAT, json=said(stream=True)).text
        assert api.get("/health").status_code == 503
        assert 'nanogpt_engine_up{model="tiny"} 0' in api.get("/metrics").text


def test_a_request_that_fails_is_told_little_and_fails_alone(monkeypatch, caplog):
    loaded = tiny_model()
    with client(loaded) as api:
        hidden = loaded.model.hidden

        def failing(ids, cache=None, counts=None):
            if ids.size(1) > 40:
                raise ZeroDivisionError("secret")
            return hidden(ids, cache, counts)

        monkeypatch.setattr(loaded.model, "hidden", failing)
        answer = api.post(CHAT, json=said("x" * 42))
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "secret" in caplog.text
        streamed = api.post(CHAT, json=said("x" * 42, stream=True)).text
        assert '"server_error"' in streamed
        assert api.post(CHAT, json=said()).status_code == 200


def test_parameters_that_are_not_finite_are_said(monkeypatch):
    import torch

    loaded = tiny_model()
    with torch.no_grad():
        loaded.model.transformer.wte.weight[104] = torch.nan  # h
    with client(loaded) as api:
        answer = api.post(CHAT, json=said())
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "model_unusable")
