"""Who is answered: this machine's own page and programs, and who has the token."""

import pytest
from served import HERE, client, said, tiny_model

from nanogpt_cli.errors import MachineError, UsageError
from nanogpt_cli.inference.server.serve import check_access, open_socket, url_of

TOKEN = "a-token-of-some-length"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def api():
    with client(tiny_model()) as found:
        yield found


@pytest.fixture(scope="module")
def guarded():
    with client(tiny_model(), token=TOKEN, host="0.0.0.0") as found:
        yield found


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9", "localhost", "[::1]:8000"])
def test_this_machines_names_are_answered(api, host):
    assert api.get("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.com", "evil.com:8000", "127.0.0.1.evil.com", "192.168.1.5:8000", "", "a:b:c", "["],
)
def test_other_names_are_not(api, host):
    """DNS rebinding: another site's name that leads here."""
    for path in ("/", "/health", "/v1/models"):
        assert api.get(path, headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.com", "null", "http://127.0.0.1:9999", "http://localhost:8000", ""]
)
def test_requests_of_other_pages_are_refused(api, origin):
    answer = api.post(CHAT, json=said(), headers={"origin": origin})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin")
    assert "access-control-allow-origin" not in answer.headers


def test_requests_of_the_own_page_are_answered(api):
    headers = {"origin": HERE, "sec-fetch-site": "same-origin"}
    assert api.post(CHAT, json=said(), headers=headers).status_code == 200
    cross = {"sec-fetch-site": "cross-site"}
    assert api.get("/v1/models", headers=cross).status_code == 403
    assert api.get("/", headers=cross).status_code == 200  # a link to it


def test_a_form_of_another_page_cannot_ask(api):
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = api.post(CHAT, content=b'{"messages": []}', headers={"content-type": kind})
        assert answer.status_code == 415
    assert api.options(CHAT).status_code == 405


@pytest.mark.parametrize(
    "value",
    [None, "", "Bearer", f"Basic {TOKEN}", "Bearer wrong", f"Bearer {TOKEN}x", "Bearer \xff"],
)
def test_without_the_token_nothing_is_told(guarded, value):
    headers = {} if value is None else {"authorization": value.encode("latin-1")}
    for path in ("/v1/models", "/metrics", "/api/settings", "/api/curve", "/nowhere"):
        answer = guarded.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert guarded.post(CHAT, json=said(), headers=headers).status_code == 401


def test_with_the_token_everything_is(guarded):
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.post(CHAT, json=said(), headers=headers).status_code == 200
    assert guarded.get("/v1/models", headers={"host": "10.0.0.7", **headers}).status_code == 200
    assert guarded.get("/v1/models", headers={"host": "evil.com", **headers}).status_code == 421
    assert guarded.get("/").status_code == guarded.get("/health").status_code == 200


def test_others_are_let_in_with_a_token_only():
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        check_access(host, None)
    for host in ("0.0.0.0", "::", "192.168.1.5", "box.example"):
        with pytest.raises(UsageError, match="there is no token"):
            check_access(host, None)
        check_access(host, TOKEN)
    for token in ("short", "with a space in it, and long", "\xe9" * 20):
        with pytest.raises(UsageError) as caught:
            check_access("127.0.0.1", token)
        assert "NANOGPT_TOKEN" in caught.value.hint


def test_a_port_that_is_taken_is_an_error_of_the_machine():
    with open_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert url_of(listening, "127.0.0.1", TOKEN) == f"http://127.0.0.1:{port}/#token={TOKEN}"
        with pytest.raises(MachineError, match="cannot listen"):
            open_socket("127.0.0.1", port)
    with pytest.raises(MachineError, match="cannot listen"):
        open_socket("no such host", 0)


def test_the_page_runs_its_own_script_and_nothing_else(api):
    answer = api.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert api.get("/nowhere").headers["x-frame-options"] == "DENY"
    text = answer.text
    assert "innerHTML" not in text
    outside = text.replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in outside
    assert "https://" not in outside


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "out/tiny/ckpt.pt", "tiny/../tiny", "tiny\0", ".", ""]
)
def test_no_name_becomes_a_path(api, name):
    answer = api.post(CHAT, json=said(model=name))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert api.get("/api/curve", params={"model": name}).status_code == 404
