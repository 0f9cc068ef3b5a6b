"""A tiny model behind the server's app, in this process or on a socket."""

import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import torch
from starlette.testclient import TestClient

from nanogpt_cli.checkpoint.load import LoadedModel
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import ModelConfig, SampleConfig
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.inference.server import serve
from nanogpt_cli.inference.server.app import make_app
from nanogpt_cli.inference.server.limits import Limits
from nanogpt_cli.model.factory import make_model
from nanogpt_cli.tokenizer.load import ByteTokenizer

CHAT = ChatFormat()
HERE = "http://127.0.0.1:8000"
SAMPLING = SampleConfig(temperature=1.0, max_tokens=24, seed=3)


def tiny_model(chat=CHAT, name="out/tiny/ckpt.pt", seed=0, **shape):
    """Return a model with random weights and a byte tokenizer."""
    tokenizer = ByteTokenizer().with_special(chat.tags if chat else ())
    shape = {"block_size": 64, "n_layer": 2, "n_head": 2, "n_embd": 16, "arch": "gpt2",
             "pos_embd": "rope"} | shape  # fmt: skip
    config = ModelConfig(**shape, vocab_size=tokenizer.vocab_size)
    torch.manual_seed(seed)
    model = make_model(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    about = {"step": 5, "val_loss": float("nan"), "data": {}, "train_config": {}}
    return LoadedModel(Path(name), config, model, tokenizer, chat, about)


def save(loaded):
    """Write a model where it says it is from."""
    chat = loaded.chat_format.to_dict() if loaded.chat_format else None
    state, tokenizer = loaded.model.state_dict(), loaded.tokenizer.to_dict()
    loaded.path.parent.mkdir(parents=True, exist_ok=True)
    Checkpoint(loaded.config, state, tokenizer, chat).save(loaded.path)


@contextmanager
def client(loaded, *, limits=None, token=None, host="127.0.0.1", sampling=SAMPLING):
    """Give a client of the app, in this process."""
    app = make_app(loaded, sampling, host=host, token=token, device="cpu", limits=limits)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as found:
        yield found


@contextmanager
def on_a_socket(loaded, *, limits=None, token=None, sampling=SAMPLING):
    """Serve in a thread, on a free port; give the URL."""
    import uvicorn

    limits = limits or Limits()
    app = make_app(loaded, sampling, token=token, device="cpu", limits=limits)
    with serve.open_socket("127.0.0.1", 0) as listening:
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield serve.url_of(listening, "127.0.0.1", None).rstrip("/")
        finally:
            server.should_exit = True
            thread.join()


def until(condition, seconds=20.0):
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def said(text="hello", **more):
    """Return the body of a chat request."""
    return {"messages": [{"role": "user", "content": text}], **more}


def gauge(client, name):
    """Return the sum of a metric over its labels."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def gauge_of(url, token, name):
    """Return the sum of a metric of a server over its labels."""
    request = urllib.request.Request(f"{url}/metrics", headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))
