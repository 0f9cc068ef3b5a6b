"""The page in a real browser: what a user does with a mouse, a keyboard and a phone."""

import json
import re
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from served import on_a_socket, save, tiny_model

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]

TOKEN = "a-token-of-some-length"
IDLE = "document.querySelector('#send').textContent === 'Send'"


def turns(page, count):
    page.wait(f"document.querySelectorAll('.turn').length === {count} && {IDLE}")


def send(page, text):
    page.js("document.querySelector('#message').focus()")
    page.type(text)
    page.key("Enter")


@pytest.fixture
def page(tmp_path):
    save(tiny_model(name="out/other/ckpt.pt", seed=1))
    lines = [{"event": "train", "step": i, "loss": 4 - i / 100} for i in range(100)]
    lines.append({"event": "eval", "step": 99, "val_loss": 3.2})
    Path("out/other/metrics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in lines))
    with on_a_socket(tiny_model(), token=TOKEN) as url, Browser(tmp_path) as browser:
        browser.size(1100, 760)
        browser.open(f"{url}/#token={TOKEN}")
        browser.wait("document.querySelectorAll('#model option').length === 2")
        yield browser
        assert browser.errors == []


def test_a_conversation(page):
    assert "#" not in page.js("location.href")  # the token is not left for others to see
    send(page, "hello")
    turns(page, 1)
    first = page.js("document.querySelector('.text').textContent")
    assert first
    assert "tokens/s" in page.js("document.querySelector('.foot').textContent")
    page.point(".token")
    page.wait("!document.querySelector('#tip').hidden")
    assert "%" in page.js("document.querySelector('#tip').textContent")
    page.js("document.querySelector('.text').focus()")
    page.key("ArrowRight")
    assert re.match(r"token [12] of", page.js("document.querySelector('#tip').textContent"))
    send(page, "again")
    turns(page, 2)
    page.key("ArrowUp")  # edits the last message
    page.js("document.querySelector('.said textarea').value = 'changed'")
    page.key("Enter")
    page.wait(f"document.querySelectorAll('.said p')[1]?.textContent === 'changed' && {IDLE}")
    page.key("r", "KeyR", 1)
    turns(page, 2)
    page.js("location.reload()")
    page.wait("document.querySelectorAll('#model option').length === 2")
    assert page.js("document.querySelector('.text').textContent") == first
    page.key("n", "KeyN", 1)
    assert page.js("document.querySelectorAll('.turn').length") == 0


def test_a_reply_that_is_stopped_is_kept(page):
    page.js(
        "settings.max_tokens = 4000; settings.temperature = 5; settings.top_k = 1000;"
        "const plain = body; body = (...all) => ({ ...plain(...all), model: 'tiny' })"
    )
    send(page, "hello")
    page.wait("document.querySelector('.token') !== null || " + IDLE)
    page.key("Escape")
    page.wait(IDLE)
    send(page, "go on")
    page.wait("document.querySelectorAll('.turn').length === 2")
    page.js("stop()")


def test_two_models_side_by_side_and_their_loss(page):
    page.js("const s = document.querySelector('#beside'); s.value = 'other'")
    send(page, "hello")
    page.wait(f"document.querySelectorAll('.two .reply').length === 2 && {IDLE}")
    assert page.js("[...document.querySelectorAll('h3')].map(n => n.textContent)") == [
        "tiny",
        "other",
    ]
    seeds = page.js(
        "[...document.querySelectorAll('.foot')].map(n => n.textContent.split('seed')[1])"
    )
    assert seeds[0] == seeds[1]
    page.js("document.querySelector('#model').value = 'other'")
    page.key("l", "KeyL", 1)
    page.wait("document.querySelector('#plot svg') !== null")
    assert "best 3.2000 at step 99" in page.js("document.querySelector('.key').textContent")


@pytest.mark.parametrize("phone", [False, True])
def test_nothing_is_wider_than_the_screen_in_both_themes(page, phone):
    page.size(*((360, 640) if phone else (1280, 800)), phone)
    send(page, "a long word: " + "x" * 300)
    turns(page, 1)
    for _ in range(2):
        page.key("t", "KeyT", 1)
        assert page.js("document.documentElement.scrollWidth <= innerWidth")
    for key in "shl":
        page.key(key, f"Key{key.upper()}", 1)
        page.wait("document.querySelector('dialog[open]') !== null")
        assert page.js(
            "(() => { const b = document.querySelector('dialog[open]').getBoundingClientRect();"
            " return b.left >= 0 && b.right <= innerWidth && b.bottom <= innerHeight; })()"
        )
        page.key("Escape")
        page.wait("document.querySelector('dialog[open]') === null")


def test_markup_in_a_message_stays_text(page):
    send(page, "<img src=x onerror=alert(1)><b>bold</b>")
    turns(page, 1)
    assert page.js("document.querySelector('.said p').textContent").startswith("<img")
    assert page.js("document.querySelectorAll('#turns img, #turns b').length") == 0


def test_without_the_token_it_is_asked_for(page):
    page.js("sessionStorage.clear(); location.reload()")
    page.wait("document.querySelector('#login[open]') !== null")
    page.js("document.querySelector('#token').focus()")
    page.type(TOKEN)
    page.key("Enter")
    page.wait("document.querySelectorAll('#model option').length === 2")
    page.errors.clear()  # the browser notes the 401
