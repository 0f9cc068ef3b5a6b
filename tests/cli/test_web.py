"""``nanogpt chat --web``: what is refused before anything is served."""

import pytest
from served import save, tiny_model

from nanogpt_cli.cli import web
from nanogpt_cli.inference.server.serve import open_socket


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "80"], "--port needs --web"),
        (["--host", "::1"], "--host needs --web"),
        (["--no-browser"], "--no-browser needs --web"),
        (["--web", "-p", "hello"], "--web does not go with -p"),
        (["--web", "--json"], "--web does not go with"),
        (["--web", "--port", "65536"], "--port 65536 is out of range"),
        (["--web", "--port", "-1"], "--port -1 is out of range"),
        (["--web", "--host", "0.0.0.0"], "there is no token"),
        (["--web", "--token", "short"], "fewer than 16 characters"),
    ],
)
def test_what_does_not_go_is_said(nanogpt, monkeypatch, flags, said):
    monkeypatch.delenv("NANOGPT_TOKEN", raising=False)
    code, _, err = nanogpt("chat", *flags)
    assert code == 2
    assert said in err
    assert "hint:" in err


def test_a_token_in_the_environment_alone_changes_nothing(nanogpt, monkeypatch):
    monkeypatch.setenv("NANOGPT_TOKEN", "short")
    code, _, err = nanogpt("chat", "--web")
    assert (code, "fewer than 16" in err) == (2, True)
    code, _, err = nanogpt("chat", "-p", "hello")
    assert (code, "there is no run" in err) == (4, True)


def test_without_the_extra_it_is_named(nanogpt, monkeypatch):
    monkeypatch.setattr(web, "find_spec", lambda name: None)
    code, _, err = nanogpt("chat", "--web")
    assert code == 2
    assert "nanogpt-cli[web]" in err


def test_checkpoints_that_cannot_be_used_end_it_as_everywhere(nanogpt):
    loaded = tiny_model()
    save(loaded)
    loaded.path.write_bytes(b"nothing")
    code, _, err = nanogpt("chat", "tiny", "--web", "--port", "0", "--no-browser")
    assert code == 4
    assert "Traceback" not in err


def test_a_port_that_is_taken(nanogpt):
    save(tiny_model())
    with open_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        code, _, err = nanogpt("chat", "tiny", "--web", "--port", port, "--no-browser")
    assert code == 5
    assert f"cannot listen on 127.0.0.1:{port}" in err
