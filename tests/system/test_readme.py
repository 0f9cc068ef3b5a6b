"""The commands of the README and of the pages under docs/ do what they say."""

import io
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

from nanogpt_cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CHATS = [
    f"<human>hello number {i}<endOfText>\n<bot>hi, how are you?<endOfText>\n\n" for i in range(100)
]
SMALL = ["--time=0", "--max-iters=2", "--eval-iters=1", "--sample-tokens=2", "--batch-size=2",
         "--gradient-accumulation-steps=1", "--device=cpu"]  # fmt: skip


def blocks(page, kind="sh"):
    """Return the code blocks of one kind in a page under docs/, or in the README."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(page):
    """Yield a page's nanogpt commands in their order: those in code blocks, and in its tables."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for block, cell in re.findall(
        r"^```sh\n(.*?)^```|^\| `[^\n]*\| `(nanogpt [^`\n]*)` \|$", text, re.DOTALL | re.MULTILINE
    ):
        for line in (block or cell).splitlines():
            if re.match(r"nanogpt |echo .* nanogpt ", line):
                yield line.partition("  #")[0].strip()


def run(command, monkeypatch, capsys):
    """Run a command of a page as the smallest run of its kind, and return what it says."""
    words = shlex.split(command)
    said = "hello"  # to the chats that would be in a terminal
    if words[0] == "echo":
        said, words = words[1], words[words.index("|") + 1 :]
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    if words[1] == "train" and "--dry-run" not in words:
        words += SMALL
        if re.search("--init-from[= ]resume", " ".join(words)):
            words += ["--max-iters=4", "--force"]
    code = cli.run(words[1:])
    out, err = capsys.readouterr()
    assert code == 0, f"{command}\n{err}"
    assert out or err, command
    return out + err


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
        run(command, monkeypatch, capsys)
    assert {command.split()[1] for command in typed} == {
        "prepare", "train", "chat", "eval", "plot-log", "migrate-ckpt"
    }  # fmt: skip
    assert len(typed) >= 18


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 135


def test_the_reference_is_up_to_date(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import make_reference

    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert make_reference.reference() == page, "run: make docs"


def headings(page):
    """Return the anchors of a page's headings, as GitHub names them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page):
    for target, anchor in re.findall(
        r"\]\((?!http)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")
    ):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        if anchor:
            assert anchor in headings(linked), f"{target}#{anchor}"
