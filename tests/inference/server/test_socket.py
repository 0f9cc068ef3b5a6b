"""A real server on a real socket: OpenAI's own client, and clients that go."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import openai
import pytest
from served import gauge_of, on_a_socket, said, save, tiny_model, until

from nanogpt_cli.inference import scheduler
from nanogpt_cli.inference.server.limits import Limits

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def url():
    # a second for the server to end
    with on_a_socket(tiny_model(), token=TOKEN, limits=Limits(rows=2)) as found:
        yield found


@pytest.fixture(scope="module")
def api(url):
    with openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0) as client:
        yield client


def test_openais_client_chats(api):
    messages = said()["messages"]
    whole = api.chat.completions.create(
        model="tiny", messages=messages, seed=3, logprobs=True, top_logprobs=2, n=2
    )
    text = whole.choices[0].message.content
    assert whole.choices[0].logprobs.content[0].top_logprobs
    assert whole.usage.completion_tokens
    stream = api.chat.completions.create(
        model="tiny", messages=messages, seed=3, stream=True, stream_options={"include_usage": True}
    )
    parts = list(stream)
    assert "".join(p.choices[0].delta.content or "" for p in parts if p.choices) == text
    assert parts[-1].usage.completion_tokens


def test_openais_client_completes_and_lists(api):
    found = api.completions.create(
        model="tiny", prompt=["a", "b"], max_tokens=3, logprobs=1, echo=True, seed=1
    )
    assert [c.text[0] for c in found.choices] == ["a", "b"]
    assert found.choices[0].logprobs.token_logprobs[0] is None
    assert [m.id for m in api.models.list()] == ["tiny"]
    assert api.models.retrieve("tiny").id == "tiny"


def test_openais_client_raises_its_own_errors(api, url):
    with pytest.raises(openai.NotFoundError):
        api.chat.completions.create(model="other", messages=said()["messages"])
    with pytest.raises(openai.BadRequestError, match="temperature"):
        api.chat.completions.create(model="tiny", messages=said()["messages"], temperature=-1)
    wrong = openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError):
        wrong.models.list()


def test_a_client_that_goes_frees_its_row(api, url, monkeypatch):
    """Two rows, three clients that want 4,000 tokens and leave: the next is answered."""
    kept = threading.Event()
    step = scheduler.Scheduler.step
    monkeypatch.setattr(scheduler.Scheduler, "step", lambda self: kept.wait(0.01) or step(self))
    host, port = url.removeprefix("http://").split(":")
    for stream in (True, False, True):
        body = {"prompt": "a", "max_tokens": 4000, "n": 2, "stream": stream}
        content = json.dumps(body).encode()
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                f"POST /v1/completions HTTP/1.1\r\nHost: {host}:{port}\r\n"
                f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(content)}\r\n\r\n".encode()
                + content
            )
            until(lambda: gauge_of(url, TOKEN, "nanogpt_active_texts") == 2)
            if stream:
                assert client.recv(100).startswith(b"HTTP/1.1 200")
        until(lambda: gauge_of(url, TOKEN, "nanogpt_active_texts") == 0)
    assert gauge_of(url, TOKEN, "nanogpt_waiting_texts") == 0
    assert api.completions.create(model="tiny", prompt="a", max_tokens=2).choices


def test_streams_go_on_while_others_come_and_go(api):
    """Eight streams at once say what each says alone."""
    texts = [f"hello {i}" for i in range(8)]

    def ask(text, found):
        stream = api.completions.create(
            model="tiny", prompt=text, seed=5, max_tokens=20, stream=True
        )
        found[text] = "".join(part.choices[0].text for part in stream)

    together: dict = {}
    threads = [threading.Thread(target=ask, args=(text, together)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone: dict = {}
    for text in texts:
        ask(text, alone)
    assert together == alone


@pytest.mark.long
def test_the_command_says_where_it_listens_and_ends_at_a_signal():
    save(tiny_model())
    command = [sys.executable, "-P", "-m", "nanogpt_cli", "chat", "tiny", "--web", "--port=0"]
    process = subprocess.Popen(
        [*command, "--no-browser", "--device=cpu"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"NANOGPT_TOKEN": TOKEN},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        line = process.stderr.readline()
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/#token=(\S+)\n", line)
        assert found, line
        assert gauge_of(found[1], found[2], "nanogpt_engine_up") == 1
    finally:
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in rest
