"""The /commands of the chat, in this process; ``test_terminal.py`` types them."""

import io
import json
import re
from pathlib import Path

import pytest
from chat_models import write_models

from nanogpt_cli import cli
from nanogpt_cli.checkpoint.load import load
from nanogpt_cli.cli import saved_chats, ui
from nanogpt_cli.cli.line_editor import complete, is_open, unquoted
from nanogpt_cli.cli.saved_chats import Keeper
from nanogpt_cli.cli.slash.base import all_commands
from nanogpt_cli.cli.terminal import Terminal
from nanogpt_cli.config import SampleConfig
from nanogpt_cli.inference.conversation import load_conversation
from nanogpt_cli.inference.session import Session


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


class Typed:
    """A chat without a line editor: what is typed, and what it prints."""

    def __init__(
        self, models: Path, capsys: pytest.CaptureFixture[str], name: str = "a.pt"
    ) -> None:
        ui.console.cache_clear()
        config = SampleConfig(temperature=1.0, seed=1, max_tokens=12)
        session = Session(load(models / name, "cpu"), config)
        self.terminal = Terminal(
            session, open_model=lambda name: load(models / name, "cpu"), keeper=Keeper()
        )
        self._capsys = capsys

    def __call__(self, *lines: str) -> str:
        self._capsys.readouterr()
        for line in lines:
            self.terminal.enter(line)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return out + err

    @property
    def texts(self) -> list[str]:
        return [turn.text for turn in self.terminal.session.turns]


@pytest.fixture
def chat(models, capsys):
    yield Typed(models, capsys)
    ui.console.cache_clear()


def test_before_the_first_message_each_command_says_what_is_missing(chat):
    for command in all_commands():
        if command.name != "bye":
            assert chat(f"/{command.name}").strip(), command.name
    assert "error: there is no reply to try again" in chat("/retry")
    assert "there is nothing to undo" in chat("/undo")
    assert "hint: write a message first" in chat("/why")
    assert "no conversation is kept yet" in chat("/load")
    assert chat.texts == []
    chat("/bye")
    assert chat.terminal.is_leaving


def test_retry_undo_and_edit(chat):
    chat("How was day 1?", "How was day 2?")
    first = chat.texts[-1]
    chat("/retry")
    assert chat.texts[::2] == ["How was day 1?", "How was day 2?"]
    assert chat.texts[-1] != first
    chat("/edit How was day 3?")
    assert chat.texts[::2] == ["How was day 1?", "How was day 3?"]
    assert chat("/edit") == ""  # the message waits in the next line
    chat("How was day 4?")
    assert chat.texts[::2] == ["How was day 1?", "How was day 4?"]
    chat("/edit", "/stats", "How was day 5?")  # a command in between gives that up
    assert chat.texts[::2] == ["How was day 1?", "How was day 4?", "How was day 5?"]
    assert "removed: How was day 5?" in chat("/undo")
    assert len(chat.texts) == 4


def test_settings_are_shown_and_changed(chat):
    assert "at least 0" in chat("/set temperature -1")
    assert "must be a number" in chat("/set top_k many")
    chat("/set min-p 0.2", "/set seed none", r"/set stop \n\n")
    shown = chat("/set")
    assert re.search(r"min_p +0\.2\n", shown)
    assert re.search(r"seed +None\n", shown)
    assert r"'\n\n'" in shown
    assert "min_p 0.2" in chat("/show")
    chat("/set stop off")
    assert chat.terminal.session.stop == ()
    assert "where NAME is one of" in chat("/set speed 3")


def test_context_stats_and_show_count(chat):
    chat("How was day 1?")
    used = chat.terminal.session.context().used
    assert f"{used} of 96 tokens" in chat("/context")
    for _ in range(6):
        chat("How was day 2?")
    assert "the oldest, no longer fit" in chat("/context")
    stats = chat("/stats")
    assert re.search(r"last reply +\d+ tokens?, \d+ tokens/s, the first after \d", stats)
    assert "7 replies" in stats
    assert "perplexity" in stats
    assert "3 steps" in chat("/show")
    assert re.fullmatch(r"models\S* \| context \d+/96 \| \d+ tokens/s", chat.terminal.status())


def test_what_stands_in_front_is_set_where_the_model_knows_it(chat):
    assert "context: none" in chat("/system")
    assert "context: A day at sea" in chat("/system A day at sea")
    assert chat.terminal.session.front("context") == "A day at sea"
    assert "trained without a line of emotion" in chat("/emotion joy")
    chat("How was day 1?", "/clear")
    assert chat.texts == ["A day at sea"]
    chat("/system off")
    assert chat.texts == []


def test_saved_conversations_are_listed_loaded_and_exported(chat):
    chat("How was day 1?", "/save mine", "/save there/b.jsonl")
    kept = chat.terminal.keeper.path
    said = list(chat.texts)
    assert [turn.text for turn in load_conversation(kept).turns] == said
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert saved_chats.find() in (kept, kept.with_name("mine.jsonl"))
    chat("/clear", "How was day 2?")
    assert load_conversation(kept).turns[0].text == "How was day 1?"  # it stays
    assert "  mine\n" in chat("/load")
    assert "> How was day 1?" in chat("/load mine")
    assert chat.texts == said
    chat("/load there/b.jsonl")
    assert chat.texts == said
    assert "did you mean mine?" in chat("/load mime")
    Path("x.jsonl").write_text("{}")
    assert "x.jsonl is not a conversation" in chat("/load x.jsonl")
    assert "holds something else" in chat("/save x.jsonl")
    assert "written: talk.md" in chat("/export talk")
    assert "> How was day 1?" in Path("talk.md").read_text()
    assert "already exists" in chat("/export talk.md")
    assert "written: talk.jsonl" in chat("/export talk.jsonl")
    assert json.loads(Path("talk.jsonl").read_text())["messages"][0]["role"] == "user"


def test_a_chat_that_cannot_be_kept_goes_on(chat, monkeypatch):
    Path("file").write_text("")
    chat.terminal.keeper = Keeper(Path("file/chat.jsonl"))
    chat("How was day 1?", "How was day 2?")
    assert len(chat.texts) == 4
    assert chat.terminal.keeper.problem is not None


def test_only_so_many_unnamed_conversations_are_kept(chat, monkeypatch):
    monkeypatch.setattr(saved_chats, "KEPT", 2)
    chat("How was day 1?", "/save mine")
    for number in range(3):
        chat.terminal.keeper = Keeper(saved_chats.folder() / f"chat-9-{number}.jsonl")
        chat("How was day 1?")
    assert saved_chats.names() == ["chat-9-1", "chat-9-2", "mine"]


def test_another_model_continues_the_conversation(chat):
    chat("How was day 1?")
    said = list(chat.texts)
    assert "b.pt (0.0 M parameters, step 3, validation loss 2.5000) answers you" in chat(
        "/model b.pt"
    )
    assert chat.texts == said
    chat("How was day 2?")
    assert len(chat.texts) == 4
    assert "continues your text" in chat("/model text.pt")
    assert len(chat.terminal.session.transcript) == 4
    assert "error: " in chat("/model gone.pt")
    assert chat.terminal.session.loaded.path.name == "text.pt"


def test_two_models_are_compared_with_one_seed(chat):
    assert "no message to compare" in chat("/compare a.pt")
    chat("How was day 1?")
    before = list(chat.texts)
    shown = chat("/compare a.pt")
    assert "both with seed 1" in shown
    assert chat.texts == before
    rows = [row for row in shown.splitlines()[1:] if "tokens/s" not in row and "both" not in row]
    assert any(row.strip() for row in rows)
    halves = [(row[:39].strip(), row[39:].strip()) for row in rows]
    assert all(left in right or right in left for left, right in halves)  # the same model twice
    assert "both with seed" in chat("/compare b.pt How was day 7?")


def test_why_shows_each_token_and_its_candidates(chat):
    chat("How was day 1?")
    ids = chat.terminal.session.last.ids
    everything = chat("/why all").splitlines()
    assert len(everything) == len(ids)
    assert [line.split()[0] for line in everything] == [str(i + 1) for i in range(len(ids))]
    assert "least expected" in chat("/why")
    candidates = chat("/why 1")
    assert f"token 1 of {len(ids)}" in candidates
    assert len(re.findall(r"^  \*", candidates, re.M)) >= 1
    assert "has no token 99" in chat("/why 99")
    letter = chat.terminal.session.loaded.tokenizer.decode(ids[:1])
    assert f"token 1 of {len(ids)}" in chat(f"/why {letter}") or letter.isspace()


def test_source_finds_the_reply_in_the_training_text(chat, models, monkeypatch):
    chat("How was day 1?")
    chat.terminal.session.last.text = "Oh, it was. It was a fine day! Yes"
    shown = chat("/source")
    assert re.search(r"17 characters of 34 stand verbatim .* \d\d times", shown)
    assert re.search(r"first at .*chats\.txt:\d+", shown)
    assert ">>>It was a fine day<<<." in shown
    about = chat.terminal.session.loaded.about
    monkeypatch.setitem(about, "data", {"folder": "gone"})
    assert "the training data is not at hand" in chat("/source")


def test_a_model_that_continues_text_has_the_commands_too(models, capsys):
    chat = Typed(models, capsys, "text.pt")
    chat("It was", "/retry", "/why", "/source", "/stats", "/context", "/save text")
    assert [turn.role for turn in chat.terminal.session.transcript] == ["human", "bot"]
    chat("/undo")
    assert chat.terminal.session.transcript == []
    chat("/load text")
    assert len(chat.terminal.session.transcript) == 2
    ui.console.cache_clear()


# --- the line -------------------------------------------------------------------------------------


def test_commands_and_their_arguments_are_completed():
    Path("out/run").mkdir(parents=True)
    Path("out/run/ckpt.pt").touch()
    assert ("/retry", -3) in complete("/re")
    assert list(complete("/model r")) == [("run", -1)]
    assert list(complete("/compare ")) == [("run", 0)]
    assert list(complete("/set te")) == [("temperature ", -2)]
    for text in ("", "re", "//re", "/undo x", "/nothing x"):
        assert list(complete(text)) == []


def test_quotes_hold_several_lines():
    assert all(map(is_open, ('"""', '"""a\nb', ' """ a""')))
    assert not any(map(is_open, ('"""a\nb"""', 'a """')))
    assert unquoted('"""a\nb\n"""') == "a\nb"
    assert unquoted('"""a') == '"""a'


# --- answers without a conversation ---------------------------------------------------------------


def test_several_replies_have_seeds_of_their_own(nanogpt, models):
    ask = ("chat", models / "a.pt", "-p", "How was day 1?", "--max-tokens=8", "--temperature=1")
    code, out, err = nanogpt(*ask, "--n", 3, "--seed", 5, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert len(document["replies"]) == 3
    assert document["reply"] == document["replies"][0]["reply"]
    for number, reply in enumerate(document["replies"]):
        alone = json.loads(nanogpt(*ask, "--seed", 5 + number, "--json")[1])
        assert alone["reply"] == reply["reply"]
        assert 0 <= alone["first_token_seconds"] <= 60
    out = nanogpt(*ask, "--n=3", "--seed=5")[1]
    assert out == "\n\n".join(reply["reply"] for reply in document["replies"]) + "\n"


def test_each_line_of_a_file_is_answered(nanogpt, models, monkeypatch):
    lines = [
        '"How was day 1?"',
        '{"id": [7], "prompt": "How was day 2?", "context": "A day 2"}',
        "",
        '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hm"}, '
        '{"role": "user", "content": "How was day 3?"}], "answer": "not shown"}',
        json.dumps("How? " * 60),
    ]
    Path("asked.jsonl").write_text("\n".join(lines))
    ask = ("chat", models / "a.pt", "--max-tokens=8", "--seed=2")
    code, out, err = nanogpt(*ask, "--batch", "asked.jsonl")
    assert code == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert [set(a) - {"reply", "tokens", "stop_reason"} for a in answers] == [
        {"prompt"}, {"prompt", "id"}, set(), {"prompt", "cropped_tokens"}
    ]  # fmt: skip
    alone = json.loads(nanogpt(*ask, "-p", "How was day 1?", "--json")[1])
    assert answers[0]["reply"] == alone["reply"]
    stdin = io.TextIOWrapper(io.BytesIO(b'"How was day 1?"\n'))
    monkeypatch.setattr("sys.stdin", stdin)
    assert json.loads(nanogpt(*ask, "--batch", "-")[1]) == answers[0]


@pytest.mark.parametrize(
    "line", ["{", "3", "[]", "{}", '""', '{"prompt": 3}', '{"messages": 3}', "[" * 99_999,
             '{"messages": [{"role": "assistant", "content": "Hm"}]}']
)  # fmt: skip
def test_a_line_that_asks_nothing_is_named(nanogpt, models, line):
    Path("asked.jsonl").write_text(f'"How was day 1?"\n{line}\n')
    code, out, err = nanogpt("chat", models / "a.pt", "--batch", "asked.jsonl")
    assert (code, out) == (3, "")
    assert err.startswith("error: asked.jsonl, line 2: not a question\nhint: write ")


@pytest.mark.parametrize(
    ("flags", "code", "error"),
    [
        (["-p", "a", "--stop", ""], 2, "--stop needs a text"),
        (["-p", "a", "--batch", "x"], 2, "cannot be used together"),
        (["--batch", "x", "--n", "2"], 2, "cannot be used together"),
        (["--batch", "gone.jsonl"], 3, "cannot read gone.jsonl"),
        (["-p", "a", "--continue"], 2, "--continue needs a terminal"),
        (["-p", "a", "--emotion", "joy"], 2, "without a line of emotion"),
        (["-p", "a", "--n", "0"], 2, "--n 0 is out of range"),
    ],
)
def test_what_does_not_go_together_is_said(nanogpt, models, flags, code, error):
    got, out, err = nanogpt("chat", models / "a.pt", *flags)
    assert (got, out) == (code, "")
    assert error in err
    assert "hint: " in err


def test_stdin_is_the_context_of_a_prompt(nanogpt, models, monkeypatch):
    ask = ("chat", models / "a.pt", "-p", "How was it?", "--seed=1", "--max-tokens=9")
    Path("context.txt").write_text("A day 5\n")
    with Path("context.txt").open() as file, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", file)
        code, out, err = nanogpt(*ask)
    assert code == 0, err
    assert nanogpt(*ask, "--system", "A day 5")[1] == out
    text = ("chat", models / "text.pt", "--seed=1", "--max-tokens=9")
    with Path("context.txt").open() as file, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", file)
        continued = nanogpt(*text, "-p", "It was")[1]
    monkeypatch.setattr("sys.stdin", io.StringIO("A day 5\nIt was"))
    assert nanogpt(*text)[1] == continued


def test_raw_continues_the_text_and_stop_ends_it(nanogpt, models):
    ask = ("-p", "It was", "--seed=1", "--max-tokens=20")
    raw = nanogpt("chat", models / "a.pt", *ask, "--raw")[1]
    assert raw != nanogpt("chat", models / "a.pt", *ask)[1]
    stop = raw[5:7]
    shorter = nanogpt("chat", models / "a.pt", *ask, "--raw", "--stop", stop)[1]
    assert shorter == raw[: raw.index(stop)] + "\n"


def test_a_folder_without_a_model_offers_the_commands_that_make_one(nanogpt, text_data):
    assert "make one: nanogpt train\n" in nanogpt("chat")[2]
    text_data.rename("elsewhere")
    code, _, err = nanogpt("chat")
    assert code == 4
    assert "make one: nanogpt prepare YOUR.txt, then nanogpt train" in err


def test_a_conversation_to_continue_must_be_there(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert cli.run(["chat", "--continue"]) == 3
    assert "no conversation to continue" in capsys.readouterr().err
