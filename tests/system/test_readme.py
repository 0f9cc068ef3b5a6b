"""The README's commands do what it says, and its reference is the program's own."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from pages import ROOT, commands, follow, page

CHATS = [
    f"<human>hello number {i}<endOfText>\n<bot>hi, how are you?<endOfText>\n\n" for i in range(100)
]


def write_files():
    """Write the files that the README's examples name."""
    Path("book.txt").write_text("It was the best of times, it was the worst of times.\n" * 300)
    Path("notes").mkdir()
    Path("notes/one.txt").write_text("Buy bread and butter.\n" * 50)
    Path("tagged.txt").write_text("".join(CHATS).replace("\n\n", "\n"))
    Path("config").mkdir()
    Path("config/train_shakespeare_char.py").write_text(
        "out_dir = 'out-shakespeare-char'\nblock_size = 32\nn_layer = 1\nn_head = 2\nn_embd = 16\n"
        "gradient_accumulation_steps = 1 * 1\nwandb_log = False\ndataset = 'shakespeare_char'\n"
    )
    Path("console.txt").write_text(
        "step 0: train loss 4.2, val loss 4.3\niter 0: loss 4.2, time 10.0ms, mfu 1%\n"
        "step 10: train loss 3.2, val loss 3.3\niter 10: loss 3.2, time 10.0ms, mfu 1%\n"
    )
    from old_checkpoints import nanogpt_content

    for name in ("ckpt_original.pt", "nanogpt-ckpt.pt"):
        torch.save(nanogpt_content(vocab_size=50304), name)


def test_every_command_of_the_readme_works(capsys, monkeypatch):
    write_files()
    typed = list(commands("README.md"))
    for command in typed:
        follow(command, monkeypatch, capsys)
    assert {command.split()[1] for command in typed} == {
        "prepare", "train", "chat", "eval", "plot-log", "migrate-ckpt", "export", "info"
    }  # fmt: skip
    assert len(typed) >= 18


def test_the_readme_is_short():
    assert len(page("README.md").splitlines()) <= 135


def test_the_reference_is_up_to_date(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import make_reference

    assert make_reference.reference() == page("docs/reference.md"), "run: make docs"


def test_a_terminal_is_drawn_with_its_colours_and_nothing_from_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import make_pictures

    drawn = make_pictures.terminal_svg("\x1b[1m>\x1b[0m a <b>\n\x1b[33mnote\x1b[0m: &")
    root = ElementTree.fromstring(drawn)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["nanogpt\xa0chat", ">", "\xa0a\xa0<b>", "note", ":\xa0&"]
    assert "font-weight: bold" in drawn
    rows = "\x1b[1m> a\x1b[0m\n\x1b[33m\n  \n\x1b[2mbelow"
    assert make_pictures.without_gap(rows) == "\x1b[1m> a\x1b[0m\n\x1b[33m\x1b[2mbelow"
    assert not re.findall(r"url\((?!#)|href|https?://(?!www.w3.org/2000/svg)", drawn)


def anchors(path):
    """Return the anchors of a page's headings, as GitHub names them."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_links_and_pictures_lead_somewhere(path):
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", path.read_text("utf-8")):
        linked = path.parent / target if target else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"
