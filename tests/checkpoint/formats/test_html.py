"""The page computes what the same rounded parameters compute here, token for token."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import CHROMIUM, Browser
from exported import CELLS, CHAT, TEXT, checkpoint, names, tokenizers

from nanogpt_cli.checkpoint.export import export
from nanogpt_cli.checkpoint.int8 import rounded, to_int8
from nanogpt_cli.checkpoint.load import from_checkpoint, load, load_checkpoint
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.errors import CheckpointError, UsageError
from nanogpt_cli.evaluation.scorer import ModelScorer
from nanogpt_cli.inference.engine import Decoder, generate
from nanogpt_cli.inference.sampling import probabilities
from nanogpt_cli.inference.session import Session
from nanogpt_cli.inference.text_stream import TextStream
from nanogpt_cli.tokenizer.load import from_dict
from nanogpt_cli.tokenizer.patterns import PATTERNS

RUNNER = Path(__file__).resolve().parents[2] / "page_runner.mjs"
ODD = (
    "I'LL don't 'ſ 12345  x\n\n\n  y\r\n\t é😀日本 \u00a0\u2003end "
    "\u200b \u0085\ufeffa \u3000\n z   "
)
PROMPTS = [[i * 7 % 260 for i in range(n)] for n in (1, 20, 60)]


@pytest.fixture
def in_node():
    """Run jobs in Node.js; skip where there is none."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")

    def run(jobs):
        done = subprocess.run(
            [node, RUNNER], input=json.dumps(jobs), capture_output=True, text=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def page_and_twin(tiny, path, **settings):
    """Export a tiny model to a page; return it, and what computes the same here."""
    checkpoint(tiny, path, **settings)
    page = export(path, "html", path.with_suffix(".html")).output
    return page, from_checkpoint(rounded(load_checkpoint(path)), path, "cpu")


def continued(twin, prompt, count):
    """Return the likeliest tokens after a prompt."""
    config = SampleConfig(temperature=0, max_tokens=count)
    size = twin.tokenizer.vocab_size
    return [t.id for t in generate(Decoder(twin.model), prompt, config, vocab_size=size)]


@pytest.mark.long
def test_every_arrangement_is_computed_alike(tiny, in_node):
    text = list(TEXT.encode())[:73]
    made = {
        name: page_and_twin(tiny, Path(f"{name}.pt"), arch=arch, pos_embd=pos, **more)
        for name, (arch, pos, more) in zip(names(CELLS), CELLS, strict=True)
    }
    jobs = [
        {"page": str(page), "prompts": PROMPTS, "count": 10, "loss": text, "chat": ["hi", "x" * 99]}
        for page, _ in made.values()
    ]
    for (name, (_, twin)), found in zip(made.items(), in_node(jobs), strict=True):
        assert found["tokens"] == [continued(twin, prompt, 10) for prompt in PROMPTS], name
        ids = np.array(text, dtype=np.uint32)
        here = ModelScorer(twin).nats(ids).per_token
        assert found["loss"] == pytest.approx(here, abs=1e-4), name
        before = ModelScorer(load(Path(f"{name}.pt"), "cpu")).nats(ids).per_token
        assert abs(here / before - 1) < 0.005, name
        session = Session(twin, SampleConfig(temperature=0, max_tokens=10))
        replies = ["".join(session.reply(text)) for text in ("hi", "x" * 99)]
        # Python takes four control characters for white space
        assert [reply.strip() for reply in found["replies"]] == replies, name


def test_every_tokenizer_encodes_alike(tiny, in_node):
    texts = [TEXT, ODD, "", "<human>", "a" * 40]
    made = tokenizers()
    made["cl100k"] = {**made["bpe"], "pattern": PATTERNS["cl100k_base"]}
    jobs = []
    for name, described in made.items():
        size = from_dict(described).vocab_size
        page, _ = page_and_twin(
            tiny, Path(f"{name}.pt"), tokenizer=described, vocab_size=size, n_layer=1
        )
        ids = from_dict(described).encode(ODD)
        jobs.append({"page": str(page), "texts": texts, "stream": ids})
    for (name, described), found in zip(made.items(), in_node(jobs), strict=True):
        tokenizer = from_dict(described)
        assert found["ids"] == [tokenizer.encode(text) for text in texts], name
        stream = TextStream(tokenizer, set())
        pieces = [stream.push(token) for token in tokenizer.encode(ODD)]
        assert found["pieces"] == [*pieces, stream.finish()], name


def test_tags_end_answers_and_spelled_ones_do_too(tiny, in_node):
    plain = {"kind": "byte", "special_tokens": {}}  # as in the earlier project's models
    spelled, twin = page_and_twin(tiny, Path("spelled.pt"), tokenizer=plain, arch="modern")
    pairs, other = page_and_twin(tiny, Path("pairs.pt"), chat={**CHAT, "turns": "pair"})
    said = list(b"well<endOfTexx <bot>never")
    jobs = [
        {"page": str(page), "stream": said, "chat": ["a", "b", "c"], "count": 5}
        for page in (spelled, pairs)
    ]
    for loaded, found in zip((twin, other), in_node(jobs), strict=True):
        assert "".join(found["pieces"]) == "well<endOfTexx "
        assert found["pieces"][8] == ""
        session = Session(loaded, SampleConfig(temperature=0, max_tokens=5))
        replies = [reply.strip() for reply in found["replies"]]
        assert replies == ["".join(session.reply(text)) for text in "abc"]


def test_tokens_are_drawn_with_the_same_probabilities(tiny, in_node):
    page, _ = page_and_twin(tiny, Path("a.pt"), n_layer=1)
    logits = [0.0, 2.0, -1.0, 2.5, 0.5, 1.0]
    kinds = [(0.5, 200, 1.0), (1.5, 3, 1.0), (0.8, 200, 0.7), (0.0, 200, 1.0)]
    grid = [(i + 0.5) / 400 for i in range(400)]
    draws = [
        {"logits": logits, "sampling": {"temperature": t, "topK": k, "topP": p}, "random": grid}
        for t, k, p in kinds
    ]
    [found] = in_node([{"page": str(page), "draws": draws}])
    for (t, k, p), drawn in zip(kinds, found["drawn"], strict=True):
        wanted = probabilities(torch.tensor(logits), SampleConfig(temperature=t, top_k=k, top_p=p))
        share = torch.bincount(torch.tensor(drawn), minlength=6) / len(drawn)
        assert (share - wanted).abs().max() < 0.006, (t, k, p)


def test_rounding_is_by_row_and_survives_zeros():
    matrix = torch.tensor([[0.0, 0.0], [1.0, -2.0], [1e-3, 5e-4]])
    values, scales = to_int8(matrix)
    assert values.tolist() == [[0, 0], [64, -127], [127, 64]]
    torch.testing.assert_close(values * scales[:, None], matrix, rtol=0.01, atol=1e-8)


def test_nothing_of_the_model_becomes_markup(tiny):
    tag = "</script><img src=x onerror=alert(1)>"
    described = {"kind": "byte", "special_tokens": {tag: 256, "<bot>": 257, "$about": 258}}
    chat = {"human": tag, "bot": "<bot>", "end": "$about"}
    page, _ = page_and_twin(tiny, Path("a.pt"), tokenizer=described, chat=chat)
    text = page.read_text()
    assert text.count("<script") == text.count("</script>") == 3
    assert "<img" not in text
    assert re.findall(r"https?://|src=|@import|url\(", text.partition('id="about">')[0]) == []
    about = json.loads(re.findall(r'id="about">(.*?)</script>', text)[0])
    assert about["chat"]["human"] == tag


def test_pages_are_not_models_and_unknown_models_have_no_page(tiny):
    page, _ = page_and_twin(tiny, Path("a.pt"))
    with pytest.raises(CheckpointError, match=r"a\.html cannot be read as a model") as caught:
        load(page)
    assert "open it in a browser" in caught.value.hint
    described = {**tokenizers()["bpe"], "pattern": PATTERNS["o200k_base"]}
    checkpoint(tiny, Path("o.pt"), tokenizer=described, vocab_size=320)
    with pytest.raises(UsageError, match="does not know the tokenizer"):
        export(Path("o.pt"), "html")


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_in_a_real_browser_it_chats_and_asks_nothing_of_a_network(tiny, tmp_path):
    prompts = [[(i * 7 + n) % 260 for i in range(n + 1)] for n in range(20)]
    with Browser(tmp_path) as page:
        for name, (arch, pos, more) in list(zip(names(CELLS), CELLS, strict=True))[1::2]:
            path, twin = page_and_twin(tiny, Path(f"{name}.pt"), arch=arch, pos_embd=pos, **more)
            page.open(path.resolve().as_uri())
            found = page.js(
                f"{json.dumps(prompts)}.map((ids) => [...nanogpt.generate(nanogpt.session.model, "
                "ids, 200, {temperature: 0, topK: 200, topP: 1}, nanogpt.session.tokenizer.size)]"
                ".filter((id) => id !== null))"
            )
            assert found == [continued(twin, prompt, 200) for prompt in prompts], name
        page.js("document.getElementById('temperature').value = 0")
        for text in ("hi", "<b>you</b>"):
            page.js(f"document.getElementById('text').value = {json.dumps(text)}")
            page.js("document.getElementById('form').requestSubmit()")
            page.js(
                "new Promise((done) => { const look = () => document.querySelector('.coming') ? "
                "setTimeout(look, 10) : done(); look(); })"
            )
        session = Session(twin, SampleConfig(temperature=0, max_tokens=256))
        replies = ["".join(session.reply(text)) or "(no answer)" for text in ("hi", "<b>you</b>")]
        said = "[...document.querySelectorAll('.human, .bot')].map((e) => e.textContent)"
        assert page.js(said) == ["hi", replies[0], "<b>you</b>", replies[1]]
        assert all(url.startswith("file:") for url in page.requests)
