"""The README's commands do what it says, and its reference is the program's own."""

import io
import re
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

import torch

from nanogpt_cli import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHATS = [
    f"<human>hello number {i}<endOfText>\n<bot>hi, how are you?<endOfText>\n\n" for i in range(100)
]
SMALL = ["--time=0", "--max-iters=2", "--eval-iters=1", "--sample-tokens=2", "--batch-size=2",
         "--gradient-accumulation-steps=1", "--device=cpu"]  # fmt: skip


def commands():
    """Yield the README's nanogpt commands, in their order."""
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            if "nanogpt " in line and not line.startswith(("git", "make")):
                yield line.partition("  #")[0].strip()


def write_files():
    """Write the files that the README's examples name."""
    Path("book.txt").write_text("It was the best of times, it was the worst of times.\n" * 300)
    Path("notes").mkdir()
    Path("notes/one.txt").write_text("Buy bread and butter.\n" * 50)
    Path("chats.txt").write_text("".join(CHATS))
    Path("tagged.txt").write_text("".join(CHATS).replace("\n\n", "\n"))
    Path("settings.toml").write_text("n_layer = 1\n")
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

    for name in ("ckpt_original.pt", "old.pt", "nanogpt-ckpt.pt"):
        torch.save(nanogpt_content(vocab_size=50304), name)


def test_every_command_of_the_readme_works(capsys, monkeypatch):
    write_files()
    count = 0
    for command in commands():
        words = shlex.split(command)
        said = "hello"  # to the chats that would be in a terminal
        if words[0] == "echo":
            said, words = words[1], words[words.index("|") + 1 :]
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        assert words[0] == "nanogpt", command
        if words[1] == "train" and "--dry-run" not in words:
            words += SMALL
        if words[1] == "train" and "--init-from=resume" in " ".join(words):
            words += ["--force"]
        code = cli.run(words[1:])
        out, err = capsys.readouterr()
        assert code == 0, f"{command}\n{err}"
        assert out or err, command
        count += 1
    assert count > 25


def test_the_reference_is_up_to_date(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import make_reference

    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert make_reference.reference() == page, "run: make docs"


def test_a_terminal_is_drawn_with_its_colours_and_nothing_from_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import make_pictures

    drawn = make_pictures.terminal_svg("\x1b[1m>\x1b[0m a <b>\n\x1b[33mnote\x1b[0m: &")
    root = ElementTree.fromstring(drawn)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["nanogpt\xa0chat", ">", "\xa0a\xa0<b>", "note", ":\xa0&"]
    assert "font-weight: bold" in drawn
    assert not re.findall(r"url\((?!#)|href|https?://(?!www.w3.org/2000/svg)", drawn)


def test_the_pictures_of_the_readme_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file(), picture


def test_links_inside_the_repository_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
