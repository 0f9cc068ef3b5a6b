"""What each format makes of a file, how it is recognised, and formats from outside."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain

import pytest
from datasets import CHAT, PROSE, documents, meta, run, write

from nanogpt_cli.data.formats import json as json_format
from nanogpt_cli.data.formats.base import Format, Piece, Report, document
from nanogpt_cli.data.sources import find_sources, read_pieces
from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.registry import FORMATS


def read(name: str, content: str) -> tuple[str, list[str]]:
    """Read a file whose format is recognised; return its pieces as one text, and the notes."""
    report = Report()
    with ExitStack() as stack:
        sources, _ = find_sources([write(name, content)], "auto", stack)
    shown = "".join(
        "|" if p is None else p if isinstance(p, str) else f"{p.role}:{p.text};"
        for p in read_pieces(sources, report=report)
    )
    return shown, report.notes()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", '{"text": "One."}\n\n{"text": "Two.", "id": ""}\n', "One.|Two.|"),
        (
            "a.jsonl",
            '{"messages": [{"role": "system", "content": "Be kind."},'
            '{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}\n'
            '[{"role": "human", "content": "A"}, {"role": "bot", "content": "B"}]\n',
            "human:Be kind.\n\nHi;bot:Yo;|human:A;bot:B;|",
        ),
        (
            "a.jsonl",
            '{"prompt": "P", "completion": "C"}\n{"question": "Q", "answer": "A"}\n'
            '{"conversations": [{"from": "human", "value": "H"}, {"from": "gpt", "value": "G"}]}',
            "human:P;bot:C;|human:Q;bot:A;|"
            "human:H;bot:G;|",
        ),
        ("a.csv", 'id,text\n,"One, ""two"".\nThree"\n,Four\n', 'One, "two".\nThree|Four|'),
        ("a.csv", "text\nRoses\nViolets\n", "Roses|Violets|"),
        ("a.csv", "\n\nText\n\nRoses, red\n\n", "Roses, red|"),
        (
            "a.tsv",
            "Question\tAnswer\nHow?\tSo.\nWhy?\tWell, ...\n",
            "human:How?;bot:So.;|human:Why?;bot:Well, ...;|",
        ),
        ("a.csv", "text;n\nOne;\nTwo;\n", "One|Two|"),
    ],
)  # fmt: skip
def test_records(name: str, content: str, expected: str) -> None:
    assert read(name, content) == (expected, [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "One."}\n{"text": 3}\n', "line 2"),
        ("a.jsonl", "{nonsense", "line 1"),
        ("a.jsonl", '{"messages": [{"content": "x"}]}', "line 1"),
        ("a.jsonl", '{"messages": [{"role": ["user"], "content": "x"}]}', "line 1"),
        ("a.jsonl", '{"messages": [{"role": "user"}]}', "line 1"),
        ("a.jsonl", '{"messages": [{"role": "user", "content": 3}]}', "line 1"),
        ("a.jsonl", '{"title": null}', "line 1"),
        ("a.jsonl", '"just a text"', "line 1"),
        ("a.csv", "a,b\n1,2\n", "a, b"),
    ],
)
def test_records_without_text_or_turns_are_refused(name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        run(write(name, content))
    assert name in error.value.message


INSTRUCTIONS = [
    {"instruction": "Translate", "input": "Hello", "output": "Bonjour"},
    {"instruction": "Name a colour", "input": "", "output": "Red"},
    {"instruction": "Who?", "context": "It was Ann.", "response": "Ann"},
]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "b.csv"])
def test_what_an_instruction_is_about_belongs_to_the_question(name: str) -> None:
    records = INSTRUCTIONS[2:] if name == "b.csv" else INSTRUCTIONS[: 3 if "j" in name else 2]
    if name == "a.json":
        content = json.dumps(records, indent=2)
    elif name == "a.jsonl":
        content = "\n".join(map(json.dumps, records))
    else:
        content = "\n".join([",".join(records[0]), *(",".join(r.values()) for r in records)])
    turns = [
        "human:Translate\nHello;bot:Bonjour;|",
        "human:Name a colour;bot:Red;|",
        "human:Who?\nIt was Ann.;bot:Ann;|",
    ]
    shown = turns[2:] if name == "b.csv" else turns[: len(records)]
    assert read(name, content) == ("".join(shown), [])


CONVERSATION = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"conversations": CONVERSATION}, {"messages": CONVERSATION}], 2),
        ([CONVERSATION, CONVERSATION], 2),
        (CONVERSATION, 1),
        ({"conversations": CONVERSATION}, 1),
        ([[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]], 1),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "b.txt"])
def test_json_is_read_as_conversations(name: str, value: object, expected: int) -> None:
    for indent in (None, 2):
        assert read(name, json.dumps(value, indent=indent)) == ("human:Hi;bot:Yo;|" * expected, [])


def test_json_holds_texts_lines_and_nothing() -> None:
    assert read("a.json", '[{"text": "One."}, {"text": "Two."}]') == ("One.|Two.|", [])
    assert read("a.json", '{"text": "One."}\n{"text": "Two."}\n') == ("One.|Two.|", [])
    assert read("a.json", ' [] {"text": "One."} []') == ("One.|", [])
    assert read("a.txt", '["a list"]') == ('["a list"]|', [])


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_json_may_be_cut_anywhere(size: int) -> None:
    value = [*INSTRUCTIONS, {"text": 'Ünë \\ "]'}, {"prompt": "1", "completion": None}]
    for content in (json.dumps(value, indent=1), " ".join(map(json.dumps, value))):
        chunks = [content[i : i + size] for i in range(0, len(content), size)]
        whole = FORMATS.get("json").read([content], "a.json", Report())
        assert list(FORMATS.get("json").read(chunks, "a.json", Report())) == list(whole)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('[{"text": "One."}, {"text": 3}]', "record 2 is neither"),
        ('[{"text": "One."} {"text": "Two."}]', "after record 1"),
        ('[{"text": "One."},]', "record 2 is neither"),
        ('[{"text": "One."}', "after record 1"),
        ('[{"text": "One', "record 1 is neither"),
        ('{"name": "a", "version": 3}', "record 1 is neither"),
        ('["One", "Two"]', "record 1 is neither"),
        ("[" * 100_000, "record 1 is neither"),
        (f'[{{"text": {"1" * 5000}}}]', "record 1 is neither"),
    ],
)
def test_json_that_is_not_records_is_refused_at_its_place(content: str, place: str) -> None:
    with pytest.raises(DataError) as error:
        read("a.json", content)
    assert error.value.message.startswith(f"a.json, {place}")
    assert "--format text" in error.value.hint


def test_a_record_longer_than_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_format, "LONGEST_LINE", 1000)
    chunks = ("x" * 100 for _ in range(100))
    with pytest.raises(DataError, match="more than 1,000 characters"):
        list(FORMATS.get("json").read(chain(['["'], chunks), "a.json", Report()))
    assert sum(1 for _ in chunks) > 50  # the rest was not read


def test_parts_of_a_content_are_joined_and_others_counted() -> None:
    parts = [
        {"type": "text", "text": "What is"},
        {"type": "image_url", "image_url": {"url": "x"}},
        "this?",
        {"type": "image_url"},
    ]
    record = {
        "messages": [
            {"role": "user", "content": parts},
            {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
        ]
    }
    assert read("a.jsonl", json.dumps(record)) == (
        "human:What is\nthis?;bot:A cat.;|",
        ["2 parts of type image_url were left out"],
    )


def test_fields_left_out_are_named_once_with_their_number() -> None:
    lines = [
        {"text": "One.", "id": 1, "lang": "en", "empty": None},
        {"prompt": "P", "completion": "C", "id": 2, "\x1b[31m": 0},
        {"messages": [{"role": "user", "content": "Hi", "weight": 1}], "id": 3},
    ]
    said = "fields that were left out, and how often: id (3), lang (1), \\x1b[31m (1), weight (1)"
    assert read("a.jsonl", "\n".join(map(json.dumps, lines)))[1] == [said]
    table = "id,human,bot,note\n1,Hi,Yo,x\n2,Hi,Yo,\n"
    assert read("a.csv", table)[1] == ["fields that were left out, and how often: id (2), note (1)"]
    many = json.dumps({"text": "One."} | {f"f{i}": i + 1 for i in range(3000)})
    (note,) = read("b.jsonl", f"{many}\n{many}\n")[1]
    assert note.endswith("f7 (2), others (5,984)")


def test_messages_that_cannot_be_used_are_left_out_and_counted() -> None:
    user, bot = '{"role": "user", "content": "Hi"}', '{"role": "assistant", "content": "Yo"}'
    call = '{"role": "assistant", "content": null}'
    called = '{"role": "assistant", "tool_calls": []}'
    tool = '{"role": "tool"}'
    unknown = '{"from": "\\u001b[31m", "value": "x"}'
    content = (
        f'{{"messages": [{user}, {call}, {called}, {tool}, {bot}, {tool}]}}\n[{unknown}, {user}]\n'
    )
    assert read("a.jsonl", content) == (
        "human:Hi;bot:Yo;|human:Hi;|",
        [
            "4 messages without content were left out",
            "1 message of role \\x1b[31m was left out",
        ],
    )


@pytest.mark.parametrize(
    "record",
    [
        '{"messages": [{"role": "critic", "content": "x"}]}',
        '{"messages": []}',
        "[]",
        '{"text": null}',
        '{"text": " "}',
        '{"prompt": null, "completion": ""}',
    ],
)
def test_records_without_text_are_skipped_and_counted(record: str) -> None:
    shown, notes = read("a.jsonl", f'{{"text": "One."}}\n{record}\n{record}\n')
    assert shown == "One.|"
    assert notes[-1] == "2 records without text were left out"


def test_many_unknown_roles_are_counted_together() -> None:
    messages = ", ".join(f'{{"role": "r{i}", "content": "x"}}' for i in range(100))
    notes = read("a.jsonl", f'[{messages}]\n{{"text": "One."}}')[1]
    assert notes[7] == "1 message of role r7 was left out"
    assert notes[8:] == [
        "92 messages of other roles were left out",
        "1 record without text was left out",
    ]


def test_a_row_without_text_is_left_out_and_counted() -> None:
    """It must not become a document of its id."""
    left_out = "rows without text were left out"
    fields = "fields that were left out, and how often:"
    assert read("a.csv", "id,text\n17,One\n18,\n\n19\n20,  \n") == (
        "One|",
        [f"3 {left_out}", f"{fields} id (4)"],
    )
    content = "human,bot\nHi,Yo\n,\n,Yes\n"
    assert read("b.csv", content) == (
        "human:Hi;bot:Yo;|bot:Yes;|",
        ["1 row without text was left out"],
    )


@pytest.mark.parametrize("first", ["Roses are red", '"Roses, red"', "Roses are red, my dear"])
def test_one_column_without_a_header_loses_no_line(first: str) -> None:
    if first.count(",") and not first.startswith('"'):
        with pytest.raises(DataError, match="neither a column text"):
            read("a.csv", first + "\nViolets\n")
        return
    assert read("a.csv", first + "\nViolets, blue\n") == (
        first.strip('"') + "|Violets, blue|",
        [],
    )


ROWS = "".join(f"{i},text number {i}\n" for i in range(20))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("id,text\n1,Hello\n2,Hello, world\n3,x\n", "line 3 has 3 cells"),
        ("human,bot\nHi,Yo\nWell, yes,no\n", "line 3 has 3 cells"),
        (f'id,text\n{ROWS}20,"Hello\n{ROWS}', "line 22: unexpected end of data"),
        (f'id,text\n{ROWS}20,"Hello\n{ROWS}40,"World"\n', "line 22: ',' expected after"),
        (f'id,text\n20,"Hello\n{ROWS}40,World"\n', "line 2: the next 20 lines look like rows"),
        (f'text,id\n"Hello,20\n{ROWS}World",40\n', "line 2: the next 20 lines look like rows"),
        ('id,text\n1,"He said" so\n', "line 2: ',' expected after"),
        ("id,text,Text\n1,a,b\n", "line 1 names 2 columns text"),
        ('text\nRoses\n"Violets\nLilies\n', "line 3: unexpected end of data"),
        ('text\nRoses\nHe said,"Go, now"\n', "line 3 has text within quotes and beside them"),
    ],
)
def test_a_table_that_would_lose_text_is_refused_at_its_line(content: str, place: str) -> None:
    with pytest.raises(DataError) as error:
        read("a.csv", content)
    assert error.value.message.startswith(f"a.csv, {place}")


def test_a_table_that_loses_nothing_is_read() -> None:
    poem = "Roses are red,\nViolets are blue,\n" * 4
    assert read("a.csv", f'id,text\n1,"{poem}"\n2,"a ""b"" c",,\n3,say "hi"\n') == (
        f'{poem}|a "b" c|say "hi"|',
        ["fields that were left out, and how often: id (3)"],
    )
    assert read("b.csv", 'text\nRoses, "red", blue\n"Lilies, ""white"""\nA,\n') == (
        'Roses, "red", blue|Lilies, "white"|A,|',
        [],
    )


@pytest.mark.parametrize("name", ["poem", "Comment_1"])
def test_a_first_line_that_may_be_a_header_is_noted(name: str) -> None:
    shown, (note,) = read("a.csv", f"{name}\nRoses\n")
    assert shown == f"{name}|Roses|"
    assert note == f"a.csv: its first line, {name}, is read as text; to name the column, write text"


def test_a_column_with_a_known_name_is_a_header() -> None:
    assert read("a.csv", "prompt\nRoses\n") == ("Roses|", [])


def test_what_is_left_out_of_a_dialogue_is_counted() -> None:
    content = "who?\n<human>a\n<bot>b<endOfText>\n<human> <endOfText>\n<human>c\n\n<bot>d"
    shown, notes = read("a.txt", content)
    assert shown == "human:a;bot:b;human:c;|bot:d;|"
    assert notes == [
        "3 turns without an end tag were closed at the next tag",
        "1 empty turn was left out",
        "1 stretch of text outside of all turns was left out",
    ]


def test_text_and_dialogue_together() -> None:
    write("in/a.txt", PROSE)
    write("in/b.txt", CHAT)
    write("in/c.jsonl", '{"text": "A line."}')
    run("in", tokenizer="byte")
    assert meta()["documents"] == 42
    assert meta()["chat_format"] is not None


def test_tags_in_the_middle_of_prose_do_not_make_a_dialogue() -> None:
    run(write("a.txt", PROSE + "The tag <human> opens a turn.\n"), tokenizer="byte")
    assert meta()["chat_format"] is None


# A format from outside of the package


def _sniff(head: str) -> bool:
    return head.startswith("%verses")


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Read a document per line."""
    for line in "".join(chunks).splitlines():
        if not line.startswith("%"):
            yield from document([line])
        else:
            report.add("line of markup was left out", "lines of markup were left out")


@pytest.fixture
def verses() -> Iterator[None]:
    FORMATS.register("verses", Format("verses", (".verse",), _sniff, _read))
    yield
    FORMATS.unregister("verses")


ROSES, VIOLETS = "Roses are red. " * 9, "Violets are blue. " * 9
CONTENT = f"%verses\n{ROSES}\n{VIOLETS}\n%end\n"


@pytest.mark.usefixtures("verses")
@pytest.mark.parametrize("name", ["a.verse", "poems/a.verse", "a.txt"])
def test_a_format_from_outside_is_recognised_and_read(name: str) -> None:
    path = write(name, CONTENT)
    result = run("poems" if "/" in path else path, tokenizer="byte", val_fraction=0.5)
    assert sorted(documents("train") + documents("val")) == [ROSES, VIOLETS]
    assert "2 lines of markup were left out" in result.notes


@pytest.mark.usefixtures("verses")
def test_a_format_from_outside_can_be_asked_for_by_name() -> None:
    run(write("a.csv", CONTENT), tokenizer="byte", format="verses", val_fraction=0.5)
    assert meta()["documents"] == 2


def test_an_unknown_format_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="verses"):
        run(write("a.verse", CONTENT), format="verses")
    with pytest.raises(UsageError) as error:
        run(write("a.txt", CONTENT), format="jsn")
    assert error.value.hint == "did you mean json?"
