"""OpenAI's endpoints say what the terminal says, in OpenAI's form."""

import json
from dataclasses import replace

import pytest
import torch
from served import SAMPLING, client, said, tiny_model

from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.inference import scheduler
from nanogpt_cli.inference.session import Session

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def loaded():
    return tiny_model()


@pytest.fixture(scope="module")
def api(loaded):
    with client(loaded) as found:
        yield found


def events(answer):
    lines = [line for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def in_the_terminal(loaded, *texts, **settings):
    session = Session(loaded, replace(SAMPLING, **settings))
    return ["".join(session.reply(text)) for text in texts]


def test_a_reply_is_the_terminals(loaded, api):
    answer = api.post(CHAT, json=said()).json()
    [choice] = answer["choices"]
    assert choice["message"]["content"] == in_the_terminal(loaded, "hello")[0]
    assert choice["finish_reason"] in ("stop", "length")
    assert answer["usage"]["total_tokens"] == 8 + answer["usage"]["completion_tokens"]
    assert answer["model"] == "tiny"
    assert answer["nanogpt"]["tokens_per_sec"] > 0


def test_a_stream_says_the_same(loaded, api):
    body = said(stream=True, stream_options={"include_usage": True})
    found = events(api.post(CHAT, json=body))
    text = "".join(e["choices"][0]["delta"].get("content", "") for e in found if e["choices"])
    assert text == in_the_terminal(loaded, "hello")[0]
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert found[-2]["choices"][0]["finish_reason"]
    assert found[-1]["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0},
        {"top_k": 3},
        {"top_p": 0.5},
        {"repeat_penalty": 1.5, "seed": 9},
        {"temperature": 0.7, "top_k": 10**6},
    ],
)
def test_each_request_has_its_own_settings(loaded, api, settings):
    answer = api.post(CHAT, json=said(**settings)).json()
    expected = in_the_terminal(loaded, "hello", **settings)
    assert [answer["choices"][0]["message"]["content"]] == expected


def test_choices_draw_from_seeds_that_follow(loaded, api):
    answer = api.post(CHAT, json=said(n=3)).json()
    expected = [in_the_terminal(loaded, "hello", seed=3 + i)[0] for i in range(3)]
    assert [c["message"]["content"] for c in answer["choices"]] == expected


def test_stop_texts_and_the_longest_length(api):
    whole = api.post(CHAT, json=said()).json()["choices"][0]["message"]["content"]
    middle = whole[4:6]
    cut = api.post(CHAT, json=said(stop=[middle])).json()["choices"][0]
    assert cut["message"]["content"] == whole[: whole.index(middle)].rstrip()
    assert cut["finish_reason"] == "stop"
    short = api.post(CHAT, json=said(max_completion_tokens=2)).json()
    assert short["usage"]["completion_tokens"] == 2
    assert short["choices"][0]["finish_reason"] == "length"


def test_probabilities_are_the_models(loaded, api):
    body = said(logprobs=True, top_logprobs=2, temperature=0, max_tokens=1)
    [token] = api.post(CHAT, json=body).json()["choices"][0]["logprobs"]["content"]
    tags = loaded.tokenizer.special_tokens
    ids = [tags["<human>"], *b"hello", tags["<endOfText>"], tags["<bot>"]]
    expected = loaded.model(torch.tensor([ids]))[0, -1].log_softmax(-1).max().item()
    assert token["logprob"] == pytest.approx(expected, abs=1e-4)
    assert token["top_logprobs"][0]["bytes"] == token["bytes"]
    assert len(token["top_logprobs"]) == 2


def test_tokens_are_those_of_the_text(api):
    body = said(logprobs=True, stop=["\n"])
    choice = api.post(CHAT, json=body).json()["choices"][0]
    joined = b"".join(bytes(token["bytes"]) for token in choice["logprobs"]["content"])
    assert joined.decode("utf-8", "replace").strip() == choice["message"]["content"]


def test_a_prompt_can_be_scored(loaded, api):
    body = {"prompt": "to be", "echo": True, "logprobs": 1, "max_tokens": 0}
    [choice] = api.post("/v1/completions", json=body).json()["choices"]
    with torch.no_grad():
        table = loaded.model(torch.tensor([list(b"to be")]))[0].log_softmax(-1)
    expected = [table[i, token].item() for i, token in enumerate(b"o be")]
    assert choice["text"] == "to be"
    assert choice["logprobs"]["token_logprobs"][0] is None
    assert choice["logprobs"]["token_logprobs"][1:] == pytest.approx(expected, abs=1e-4)
    assert choice["logprobs"]["text_offset"] == [0, 1, 2, 3, 4]
    assert [len(top or {1}) for top in choice["logprobs"]["top_logprobs"]] == [1] * 5


@pytest.mark.parametrize("prompt", [["a", "b"], [[97], [98]]])
def test_several_prompts_in_one_request(api, prompt):
    found = api.post("/v1/completions", json={"prompt": prompt, "n": 2}).json()["choices"]
    alone = [
        api.post("/v1/completions", json={"prompt": text, "seed": seed}).json()["choices"][0]
        for text in "ab"
        for seed in (3, 4)
    ]
    assert [c["text"] for c in found] == [c["text"] for c in alone]
    assert [c["index"] for c in found] == [0, 1, 2, 3]


def test_a_streamed_completion_repeats_its_prompt(api):
    body = {"prompt": "to be", "echo": True, "stream": True, "logprobs": 0}
    found = events(api.post("/v1/completions", json=body))
    whole = api.post("/v1/completions", json=body | {"stream": False}).json()["choices"][0]
    assert "".join(e["choices"][0]["text"] for e in found) == whole["text"]
    parts = [e["choices"][0]["logprobs"] for e in found if e["choices"][0]["logprobs"]]
    assert [t for p in parts for t in p["tokens"]] == whole["logprobs"]["tokens"]
    assert [o for p in parts for o in p["text_offset"]] == whole["logprobs"]["text_offset"]


def test_what_is_left_out_is_said(api):
    long = api.post(CHAT, json=said("x" * 100)).json()
    assert "longer than the context of 64 tokens" in long["nanogpt"]["notes"][0]
    turns = [{"role": role, "content": "x" * 20} for role in ("user", "assistant") * 3]
    full = api.post(CHAT, json={"messages": [*turns, *said()["messages"]]}).json()
    assert "turns were left out" in full["nanogpt"]["notes"][0]
    system = [{"role": "system", "content": "be kind"}, *said()["messages"]]
    assert (
        "system message" in api.post(CHAT, json={"messages": system}).json()["nanogpt"]["notes"][0]
    )
    text = api.post("/v1/completions", json={"prompt": "x" * 100, "max_tokens": 2}).json()
    assert "only its last 64 tokens" in text["nanogpt"]["notes"][0]


def test_a_system_message_reaches_a_model_that_knows_them():
    loaded = tiny_model(ChatFormat(context="<context>"), block_size=128)
    with client(loaded) as api:
        one = api.post(CHAT, json=said()).json()
        messages = [{"role": "system", "content": "be kind"}, *said()["messages"]]
        two = api.post(CHAT, json={"messages": messages}).json()
        assert two["nanogpt"]["notes"] == []
        assert two["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"] + 2 + len("be kind")


def test_a_model_that_continues_text_is_given_the_last_message():
    loaded = tiny_model(None)
    with client(loaded) as api:
        answer = api.post(CHAT, json=said()).json()
        assert answer["choices"][0]["message"]["content"] == in_the_terminal(loaded, "hello")[0]
        assert answer["nanogpt"]["notes"] == []


def test_what_a_terminal_would_obey_and_markup_come_as_they_are(monkeypatch, api):
    """JSON escapes the one, and the page shows both as text."""
    said_by_model = iter(b"\x1b[31m[/red]<b>")

    def draw(probs, generators):
        return [next(said_by_model, 10) for _ in generators]

    monkeypatch.setattr(scheduler, "draw_ids", draw)
    answer = api.post("/v1/completions", json={"prompt": "a", "max_tokens": 14})
    assert answer.json()["choices"][0]["text"] == "\x1b[31m[/red]<b>"
    assert "\x1b" not in answer.text


def test_half_a_character_is_never_sent(api):
    parts = [{"type": "text", "text": "é"}, {"type": "text", "text": "\ud83d"}]
    body = {"messages": [{"role": "user", "content": parts}], "stream": True}
    for event in events(
        api.post(CHAT, content=json.dumps(body), headers={"content-type": "application/json"})
    ):
        event["choices"][0]["delta"].get("content", "").encode()


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CHAT, {}, "messages"),
        (CHAT, {"messages": []}, "messages"),
        (CHAT, {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
         "messages[0].content"),
        (CHAT, said(temperature=-1), "temperature"),
        (CHAT, said(temperature="hot"), "temperature"),
        (CHAT, said(top_k=0), "top_k"),
        (CHAT, said(top_k=1.5), "top_k"),
        (CHAT, said(top_p=0), "top_p"),
        (CHAT, said(seed=-1), "seed"),
        (CHAT, said(n=0), "n"),
        (CHAT, said(n=10**30), "n"),
        (CHAT, said(n=True), "n"),
        (CHAT, said(max_tokens=0), "max_tokens"),
        (CHAT, said(max_tokens=-5), "max_tokens"),
        (CHAT, said(stop=[""]), "stop"),
        (CHAT, said(stop=["x"] * 17), "stop"),
        (CHAT, said(stream="yes"), "stream"),
        (CHAT, said(top_logprobs=2), "top_logprobs"),
        (CHAT, said(logprobs=True, top_logprobs=21), "top_logprobs"),
        (CHAT, said(presence_penalty=0.5), "presence_penalty"),
        (CHAT, said(tools=[{}]), "tools"),
        (CHAT, said(model=7), "model"),
        ("/v1/completions", {}, "prompt"),
        ("/v1/completions", {"prompt": []}, "prompt"),
        ("/v1/completions", {"prompt": [1, "a"]}, "prompt"),
        ("/v1/completions", {"prompt": [-1]}, "prompt"),
        ("/v1/completions", {"prompt": [10**30]}, "prompt"),
        ("/v1/completions", {"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ("/v1/completions", {"prompt": ["a"] * 100, "n": 100}, "prompt"),
        ("/v1/completions", {"prompt": "a" * 65, "echo": True, "logprobs": 1}, "prompt"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(api, path, body, param):
    answer = api.post(path, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param), error
    assert error["type"] == "invalid_request_error"
    assert "--" not in error["message"]


def test_the_models_are_listed(api):
    [model] = api.get("/v1/models").json()["data"]
    assert (model["id"], model["object"]) == ("tiny", "model")
    assert model["nanogpt"]["loaded"]
    assert model["nanogpt"]["val_loss"] is None
    assert api.get("/v1/models/tiny").json()["id"] == "tiny"
    assert api.get("/v1/models/other").status_code == 404
    answer = api.post(CHAT, json=said(model="other"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
