"""Web pages: their text is one document, without markup, scripts and styles."""

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from nanogpt_cli.data.formats.base import Format, Piece, Report, document

_PAGE = re.compile(r"\s*(<!--.{0,2000}?-->\s*)?<(!doctype html|html)\b", re.IGNORECASE | re.DOTALL)
_HIDDEN = {"script", "style", "template", "noscript", "head", "svg", "select"}
_LINES = {"br", "li", "tr", "dt", "dd", "option", "figcaption"}
_PARAGRAPHS = {
    "p", "div", "section", "article", "main", "header", "footer", "nav", "aside", "h1", "h2", "h3",
    "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "figure", "form", "hr",
}  # fmt: skip
_VOID = {"br", "hr"}


def _sniff(head: str) -> bool:
    """Whether it begins as a page."""
    return _PAGE.match(head) is not None


class _Text(HTMLParser):
    """Collects the text of a page, with white space as it is shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._found: list[str] = []
        self._hidden = ""
        """The element that is not shown, while it is open."""
        self._depth = 0
        """How many of that name are open."""
        self._kept = 0
        """How many elements are open that keep their white space."""
        self._begun = False
        self._breaks = 0
        """Line breaks before what comes next."""
        self._space = False

    def take(self) -> str:
        """Return what was found since the last call."""
        found, self._found = "".join(self._found), []
        return found

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Begin an element."""
        if self._hidden:
            self._depth += tag == self._hidden
        elif tag in _HIDDEN:
            self._hidden, self._depth = tag, 1
        else:
            self._break(tag)
            self._kept += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if self._hidden:
            self._depth -= tag == self._hidden
            if self._depth == 0 or tag in ("body", "html"):
                self._hidden = ""
        elif tag not in _VOID:
            self._break(tag)
            self._kept = max(0, self._kept - (tag == "pre"))

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """Break where an element without content does; ``<script/>`` hides nothing."""
        if not self._hidden:
            self._break(tag)

    def handle_data(self, data: str) -> None:
        """Take text."""
        if self._hidden:
            return
        if not self._kept:
            if data[:1].isspace():
                self._space = True
            ends = data[-1:].isspace()
            data = " ".join(data.split())
        if not data:
            return
        if self._begun and self._breaks:
            self._found.append("\n" * self._breaks)
        elif self._begun and self._space:
            self._found.append(" ")
        self._found.append(data)
        self._begun, self._breaks, self._space = True, 0, not self._kept and ends

    def _break(self, tag: str) -> None:
        if tag in _LINES:
            self._breaks = max(self._breaks, 1)
        elif tag in _PARAGRAPHS:
            self._breaks = 2


def _shown(chunks: Iterable[str]) -> Iterator[str]:
    """Yield the text of a page."""
    page = _Text()
    for chunk in chunks:
        page.feed(chunk)
        yield page.take()
    page.close()
    yield page.take()


def _read(chunks: Iterable[str], name: str, report: Report) -> Iterator[Piece]:
    """Yield the text."""
    return document(_shown(chunks))


FORMAT = Format("html", suffixes=(".html", ".htm", ".xhtml"), sniff=_sniff, read=_read)
