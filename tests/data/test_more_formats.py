"""Exports of chats, corpora of dialogues, subtitles and pages: each as its program writes it."""

import json
from contextlib import ExitStack, suppress

import pytest
from datasets import documents, run, text, write
from hypothesis import given
from hypothesis import strategies as st

from nanogpt_cli.data.formats.base import Asked, Report
from nanogpt_cli.data.sources import find_sources, read_pieces
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.registry import FORMATS

WHATSAPP = (
    "31/12/2023, 21:58 - Messages and calls are end-to-end encrypted.\n"
    "31/12/2023, 22:15 - Anna: Are you coming?\nWe are waiting: all of us.\n"
    "31/12/2023, 22:16 - Bo B.: Yes!\n"
    "31/12/2023, 22:17 - Anna: <Media omitted>\n"
    "01/01/2024, 00:01 - Bo B.: Happy new year!\n"
)
WHATSAPP_IPHONE = (
    "[12/31/23, 10:15:02\u202fPM] Anna: Are you coming?\n"
    "We are waiting: all of us.\n"
    "[12/31/23, 10:16:00\u202fPM] \u200eBo B.: Yes!\n"
    "\u200e[12/31/23, 10:17:00\u202fPM] Anna: \u200eimage omitted\n"
    "[1/1/24, 12:01:00\u202fAM] Bo B.: Happy new year!\n"
)
WHATSAPP_GERMAN = (
    "31.12.23, 22:15 - Anna: Are you coming?\nWe are waiting: all of us.\n"
    "31.12.23, 22:16 - Bo B.: Yes!\n01.01.24, 00:01 - Bo B.: Happy new year!\n"
)
AS_BO = "human:Are you coming?\nWe are waiting: all of us.;bot:Yes!;|bot:Happy new year!;|"


def telegram(**more: object) -> str:
    def message(number: int, day: str, who: str, content: object) -> dict[str, object]:
        return {"id": number, "type": "message", "date": f"{day}T10:00:00", "from": who,
                "from_id": f"user{who}", "text": content}  # fmt: skip

    parts = ["Look: ", {"type": "link", "text": "https://example.org"}]
    messages = [
        {"id": 1, "type": "service", "date": "2024-01-01T09:00:00", "actor": "Anna", "text": ""},
        message(2, "2024-01-01", "Anna", "Hi Bo"),
        message(3, "2024-01-01", "Bo B.", parts),
        message(4, "2024-01-01", "Anna", ""),
        message(5, "2024-01-02", "Anna", "Nice"),
    ]
    return json.dumps({"name": "Anna", "type": "personal_chat", "id": 7, "messages": messages,
                       **more}, indent=1)  # fmt: skip


AS_TELEGRAM = "human:Hi Bo;bot:Look: https://example.org;|human:Nice;|"
EMPATHETIC = (
    "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n"
    'hit:0,1,sentimental,I remember a fair_comma_ long ago.,1,"I went_comma_ with a friend.,5,\n'
    "hit:0,2,sentimental,I remember a fair_comma_ long ago.,0,Was it fun?,5,\n"
    "hit:1,1,afraid,A noise.,3,I heard a noise.,5,\n"
)
EXCHANGES = (
    ",Situation,emotion,empathetic_dialogues,labels,Unnamed: 5\n"
    '0,I remember a fair.,sentimental,"Customer :I went, with a friend.\nAgent :",Was it fun?,\n'
    '1,I remember a fair.,sentimental,"Customer :Very much.\nAgent :",Good.,\n'
    '2,A noise.,afraid,"Customer :I heard a noise.\nAgent :",Oh no!,\n'
)
SRT = (
    "1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i> there.\n- Who's 3?\n\n"
    "2\n00:00:03,000 --> 00:00:04,000\n{\\an8}12\n"
)
VTT = (
    "WEBVTT - a film\n\nNOTE by\nnobody\n\nintro\n00:01.000 --> 00:02.500 align:start\n"
    "<v Anna>Hello there.\n- Who's 3?\n\n00:03.000 --> 00:04.000\n12\n"
)
HTML = (
    "<!DOCTYPE html>\n<html><head><title>No</title><script>if (a < b) no()</script></head>\n"
    "<body><h1>A  title</h1><p>Some <b>bold</b>\ntext &amp; more.<br>A line</p>"
    "<style>p { color: red }</style><ul><li>one</li><li>two</li></ul>"
    "<pre>a\n  b</pre><!-- no --></body></html>\n"
)
EOU = "Hi Bo ! __eou__ Hello . How are you ? __eou__\n\nWell . __eou__ Good .\n"

CASES = {
    "whatsapp.txt": ("whatsapp", WHATSAPP, AS_BO),
    "iphone.txt": ("whatsapp", WHATSAPP_IPHONE, AS_BO),
    "german.txt": ("whatsapp", WHATSAPP_GERMAN, AS_BO),
    "result.json": ("telegram", telegram(), AS_TELEGRAM),
    "all.json": (
        "telegram",
        f'{{"about": "x", "chats": {{"list": [{telegram()}, {telegram(name="Other")}]}}}}',
        AS_TELEGRAM * 2,
    ),
    "daily.txt": ("eou", EOU, "human:Hi Bo !;bot:Hello . How are you ?;|human:Well .;bot:Good .;|"),
    "train.csv": (
        "empathetic",
        EMPATHETIC,
        "context:I remember a fair, long ago.;emotion:sentimental;"
        'human:"I went, with a friend.;bot:Was it fun?;|'
        "context:A noise.;emotion:afraid;human:I heard a noise.;|",
    ),
    "kaggle.csv": (
        "empathetic",
        EXCHANGES,
        "context:I remember a fair.;emotion:sentimental;human:I went, with a friend.;"
        "bot:Was it fun?;human:Very much.;bot:Good.;|"
        "context:A noise.;emotion:afraid;human:I heard a noise.;bot:Oh no!;|",
    ),
    "film.srt": ("subtitles", SRT, "Hello there.\n- Who's 3?\n12\n|"),
    "film.vtt": ("subtitles", VTT, "Hello there.\n- Who's 3?\n12\n|"),
    "film.txt": ("subtitles", SRT, "Hello there.\n- Who's 3?\n12\n|"),
    "page.html": (
        "html",
        HTML,
        "A title\n\nSome bold text & more.\nA line\n\none\ntwo\n\na\n  b|",
    ),
    "page.txt": (
        "html",
        HTML,
        "A title\n\nSome bold text & more.\nA line\n\none\ntwo\n\na\n  b|",
    ),
}
ASKED = Asked(me="bo b.")


def read(
    name: str, content: str, asked: Asked = ASKED, size: int = 2**20
) -> tuple[str, str, list[str]]:
    """Read a file; return the format that was recognised, its pieces as one text, and the notes."""
    report = Report(asked)
    with ExitStack() as stack:
        (source,), _ = find_sources([write(name, content)], "auto", stack)
    shown = "".join(
        "|" if p is None else p if isinstance(p, str) else f"{p.role}:{p.text};"
        for p in read_pieces([source], report=report, chunk_size=size)
    )
    return source.format, shown, report.notes()


@pytest.mark.parametrize("name", CASES)
def test_each_format_is_recognised_and_read_in_chunks_cut_anywhere(name: str) -> None:
    form, content, expected = CASES[name]
    for size in (2**20, 1, 7):
        assert read(name, content, size=size)[:2] == (form, expected)
    crlf = read(name, content.replace("\n", "\r\n"))
    assert crlf[0] == form
    assert crlf[1].replace("\r", "") == expected


def test_what_is_not_a_message_is_counted() -> None:
    assert read("a.txt", WHATSAPP)[2] == [
        "1 notice of the chat program was left out",
        "1 message without text was left out",
    ]
    assert read("result.json", telegram())[2] == [
        "1 notice of the chat program was left out",
        "1 message without text was left out",
    ]


@pytest.mark.parametrize(("name", "content"), [("a.txt", WHATSAPP), ("r.json", telegram())])
@pytest.mark.parametrize(("me", "said"), [("", "a chat of several"), ("Carl", "called Carl")])
def test_whose_messages_are_the_bots_must_be_said(name, content, me, said) -> None:
    with pytest.raises(DataError, match=rf"{name}: .*{said}: (Anna, Bo B\.|Bo B\., Anna)") as error:
        run(write(name, content), me=me)
    assert error.value.hint.endswith(("--me Anna", "--me 'Bo B.'"))


def test_a_chat_becomes_a_dataset(nanogpt) -> None:
    days = "".join(
        WHATSAPP.replace("31/12", f"{day:02}/10").replace("Yes!", f"Yes {day}!")
        for day in range(1, 29)
    )
    write("chat.txt", days)
    code, _, err = nanogpt("prepare", "chat.txt", "--me", "Bo B.", "--tokenizer", "byte", "-o", "d")
    assert code == 0, err
    assert "dialogue, 56 conversations, 84 turns" in err
    run("chat.txt", me="Bo B.", tokenizer="byte")
    assert "<bot>Yes 9!<endOfText>" in text("train") + text("val")


@given(st.text(alphabet="<>/!-abp=&;\"' \nscriptheadpre", max_size=120))
def test_pages_that_are_broken_are_read_somehow(content: str) -> None:
    report = Report()
    for chunks in ([content], list(content)):
        list(FORMATS.get("html").read(chunks, "a.html", report))


@pytest.mark.parametrize("form", ["whatsapp", "telegram", "eou", "empathetic", "subtitles", "html"])
def test_text_in_another_format_is_an_error_or_nothing_but_never_a_bug(form: str) -> None:
    for _, content, _ in CASES.values():
        with suppress(DataError):
            list(FORMATS.get(form).read([content], "a.txt", Report(ASKED)))


@pytest.mark.parametrize(
    "content",
    [
        '{"messages": [{"type": "message", "date": "x"}, 3]}',
        '{"messages": [{"type": "message", "date": "x"',
        '{"messages": [{"type": "message", "date": "x"} {}]}',
        "conv_id,utterance_idx,context,prompt,speaker_idx,utterance\na,b\n",
    ],
)
def test_what_is_cut_or_changed_is_refused(content: str) -> None:
    with pytest.raises(DataError) as error:
        read("a.txt", content)
    assert "a.txt" in error.value.message
    assert error.value.hint


TABLE = 'id,Q,A,topic\n1,How?,So.,x\n2,Why?,"Well, no",y\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", TABLE),
        ("a.tsv", TABLE.replace(',"Well, no",', ",Well; no,").replace(",", "\t").replace(";", ",")),
        ("a.jsonl", '{"Q": "How?", "A": "So.", "topic": "x", "text": "-"}\n'
                    '{"Q": "Why?", "A": "Well, no", "topic": "y"}\n'),
        ("a.json", '[{"Q": "How?", "A": "So.", "topic": "x"},'
                   ' {"Q": "Why?", "A": "Well, no", "topic": "y"}]'),
    ],
)  # fmt: skip
def test_columns_have_the_names_that_are_said(name: str, content: str) -> None:
    asked = Asked(columns={"human": "q", "bot": "A", "context": "topic"})
    _, shown, _ = read(name, content, asked)
    expected = "context:x;human:How?;bot:So.;|context:y;human:Why?;bot:Well, no;|"
    assert shown == expected
    assert read(name, content, Asked(columns={"text": "A"}))[1] == "So.|Well, no|"
    with pytest.raises(DataError, match="no column B") as error:
        read(name, content, Asked(columns={"human": "Q", "bot": "B"}))
    assert "--columns" in error.value.hint


@pytest.mark.parametrize("columns", ["Q,A", "human=", "human=Q,human=A", "who=Q", "text=Q,bot=A",
                                     "context=Q"])  # fmt: skip
def test_columns_that_make_no_sense_are_named(columns: str) -> None:
    with pytest.raises(UsageError, match="invalid --columns"):
        run(write("a.csv", TABLE), columns=columns)


def test_columns_from_the_command_line(nanogpt) -> None:
    rows = "".join(f"{i},How {i}?,So {i}.,x\n" for i in range(40))
    write("a.csv", f"id,Q,A,topic\n{rows}")
    assert nanogpt("prepare", "a.csv", "--columns", "human=Q,bot=A", "-o", "data/out",
                   "--tokenizer", "byte")[0] == 0  # fmt: skip
    assert documents("train")[0].startswith("<human>How ")


def test_tools_are_called_by_the_bot_and_read_by_it() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "developer", "content": "Use tools."},
        {"role": "user", "content": [{"type": "text", "text": "Add."}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
        {"role": "assistant", "content": "It is 2."},
    ]
    _, shown, notes = read("a.jsonl", json.dumps({"messages": messages}))
    called = '{"name": "add", "arguments": "{\\"a\\": 1}"}'
    assert shown == f"human:Use tools.\n\nAdd.;bot:{called};human:2;bot:It is 2.;|"
    assert notes == []


@pytest.mark.parametrize("calls", [3, [3], [{}], [{"function": 1}], {"a": 1}])
def test_calls_that_are_not_calls_are_refused(calls: object) -> None:
    messages = [{"role": "assistant", "content": "x", "tool_calls": calls}]
    with pytest.raises(DataError, match="line 1"):
        read("a.jsonl", json.dumps({"messages": messages}))
