"""Help that can be read in a narrow terminal, and completion of names by the shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from nanogpt_cli import cli
from nanogpt_cli.cli.topics import TOPICS, Topic, topic_text
from nanogpt_cli.version import __version__

COMMANDS = [
    "prepare",
    "train",
    "chat",
    "eval",
    "migrate-ckpt",
    "plot-log",
    "export",
    "info",
    "help",
]


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize(
    "args", [["--help"], ["train", "--help-all"], *([name, "--help"] for name in COMMANDS)], ids=str
)
def test_help_fits_the_terminal_and_breaks_no_word(nanogpt, monkeypatch, args, width):
    monkeypatch.setenv("COLUMNS", "10000")
    whole = set(nanogpt(*args)[1].replace("[default: ", "[default:").split())
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = nanogpt(*args)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= width
    assert set(out.replace("[default: ", "[default:").split()) == whole
    assert "[[" not in out


def test_the_help_of_train_begins_with_the_essential_options(nanogpt, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    short, whole = nanogpt("train", "--help")[1], nanogpt("train", "--help-all")[1]
    assert len(short.splitlines()) <= 40
    assert "usage: nanogpt train [OPTIONS] [CONFIG]" in short
    assert "  --n-layer N        Number of transformer blocks. [default: 2]" in short
    assert "--beta1" not in short
    assert "nanogpt train --help-all" in short
    options = typer.main.get_command(cli.app).commands["train"].params
    for option in (o for o in options if o.param_type_name == "option"):
        assert option.opts[0] in whole or f"--[no-]{option.opts[0][2:]}" in whole


def test_help_is_a_command_too(nanogpt):
    assert nanogpt("help", "chat")[1].strip() == nanogpt("chat", "--help")[1].strip()
    assert nanogpt("help")[1].strip() == nanogpt("--help")[1].strip()


@pytest.mark.parametrize("name", TOPICS)
def test_each_topic_is_a_part_of_the_documentation(nanogpt, name):
    code, out, err = nanogpt("help", name)
    assert (code, err) == (0, "")
    found = [heading for heading in TOPICS[name].headings if f"# {heading}" in out]
    assert found == list(TOPICS[name].headings)
    assert len(out) > 500
    assert "](" not in out.replace("](http", "")


def test_topics_are_listed_and_near_names_are_told(nanogpt):
    code, out, _ = nanogpt("help", "topics")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(TOPICS)
    code, _, err = nanogpt("help", "tokenizer")
    assert code == 2
    assert "did you mean the topic tokenizers?" in err


def test_a_topic_with_subsections_ends_where_the_next_section_begins():
    text = topic_text(Topic("formats.md", "", ("metrics.jsonl",)))
    assert "### Trackers" in text
    assert "eval.jsonl" not in text


def test_the_version(nanogpt):
    assert nanogpt("-V") == nanogpt("--version") == (0, f"nanogpt {__version__}\n", "")


@pytest.fixture
def complete(nanogpt, monkeypatch):
    """Return what bash is offered for a command line."""

    def words(line):
        typed = line.split(" ")
        monkeypatch.setenv("_NANOGPT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(typed) - 1))
        code, out, err = nanogpt()
        assert (code, err) == (0, "")
        return out.split()

    for folder, file in (("out/demo", "ckpt.pt"), ("out/deep/er", "metrics.jsonl"),
                         ("out/not one word", "ckpt.pt"), ("data/poems", "train.bin"),
                         ("data/poems/.new-dataset", "train.bin")):  # fmt: skip
        Path(folder).mkdir(parents=True)
        Path(folder, file).touch()
    return words


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("nanogpt chat ", ["deep/er", "demo"]),
        ("nanogpt chat dem", ["demo"]),
        ("nanogpt eval demo de", ["deep/er", "demo"]),
        ("nanogpt plot-log dem", ["demo"]),
        ("nanogpt train --init-from ", ["scratch", "resume", "deep/er", "demo"]),
        ("nanogpt train --data-dir ", ["poems"]),
        ("nanogpt eval --data p", ["poems"]),
        ("nanogpt train --pos-embd r", ["rope", "relative"]),
        ("nanogpt train --preset shake", ["shakespeare-char-cpu", "shakespeare-char"]),
        ("nanogpt chat --device c", ["cpu", "cuda"]),
        ("nanogpt train --n-l", ["--n-layer"]),
        ("nanogpt help ch", ["chat", "chatting"]),
        ("nanogpt pl", ["plot-log"]),
    ],
)
def test_the_shell_completes_names(complete, line, offered):
    assert complete(line) == offered


def test_completing_loads_neither_torch_nor_numpy():
    program = (
        "import sys; from nanogpt_cli import cli; cli.run([]);"
        "heavy = {'torch', 'numpy', 'tiktoken', 'prompt_toolkit'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    asked = {"_NANOGPT_COMPLETE": "complete_bash", "COMP_WORDS": "nanogpt chat ", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | asked, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
