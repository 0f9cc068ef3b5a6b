"""``nanogpt help TOPIC``: pages of the documentation, or sections of them, in the terminal.

The pages are those of ``docs/``, which the wheel has among its assets.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from nanogpt_cli.errors import MachineError


@dataclass(frozen=True)
class Topic:
    """A page, or the sections of it with some headings."""

    page: str
    about: str
    headings: tuple[str, ...] = ()


TOPICS = {
    "start": Topic("tutorial.md", "ten minutes from a text to a chat"),
    "text": Topic("guide.md", "how much text, and what to expect", ("What such", "How much text")),
    "time": Topic("guide.md", "how long, which size", ("How long", "Memory and size")),
    "tokenizers": Topic("guide.md", "which tokenizer", ("Which tokenizer",)),
    "fine-tuning": Topic("guide.md", "from a model to yours", ("Fine-tuning", "When it overfits")),
    "quality": Topic("guide.md", "is the model good?", ("Is it good",)),
    "input": Topic("formats.md", "files that prepare reads", ("Input",)),
    "files": Topic("formats.md", "all files, key by key"),
    "trackers": Topic("formats.md", "TensorBoard and others", ("Trackers",)),
    "exports": Topic("export.md", "models for other programs"),
    "chatting": Topic("chat.md", "the chat's commands and keys"),
    "server": Topic("server.md", "a page and an API"),
    "python": Topic("python.md", "from Python and notebooks"),
    "problems": Topic("troubleshooting.md", "by symptom and message"),
}


def show_topics() -> None:
    """Print the topics with what each is about."""
    width = max(map(len, TOPICS))
    for name, topic in TOPICS.items():
        print(f"{name:<{width}}  {topic.about}")


def show_topic(name: str) -> None:
    """Print what there is on a topic: rendered in a terminal, as Markdown elsewhere."""
    from rich.console import Console
    from rich.markdown import Markdown

    text = topic_text(TOPICS[name])
    out = Console(highlight=False, emoji=False)
    if not out.is_terminal:
        print(text)
        return
    page = Markdown(text, hyperlinks=False)
    if text.count("\n") > out.height:
        with out.pager(styles=True):
            out.print(page)
    else:
        out.print(page)


def topic_text(topic: Topic) -> str:
    """Return the Markdown of a topic, without pictures and links to other pages.

    Raises MachineError where the page is not installed.
    """
    text = re.sub(r"^!\[.*\n", "", _page(topic.page), flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)
    if not topic.headings:
        return text.strip()
    sections = re.split(r"^(?=#{2,} )", text, flags=re.MULTILINE)
    chosen = [_with_subsections(sections, heading) for heading in topic.headings]
    return "\n\n".join(filter(None, chosen))


def _with_subsections(sections: list[str], heading: str) -> str:
    """Return the section whose heading begins so, with those below it."""
    found: list[str] = []
    depth = 0
    for section in sections:
        marks, _, title = section.partition(" ")
        if found and len(marks) <= depth:
            break
        if found or (marks.startswith("##") and title.startswith(heading)):
            depth = depth or len(marks)
            found.append(section.strip())
    return "\n\n".join(found)


def _page(name: str) -> str:
    """Return a page from the wheel's assets, or from the source's ``docs/``."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "assets/docs", package.parent / "docs"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise MachineError(f"the page {name} is not installed", "install nanogpt-cli again")
