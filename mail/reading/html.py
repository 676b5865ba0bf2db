"""Plain text from HTML, without the text that a reader of the mail would not see."""

import re
from dataclasses import dataclass

from inscriptis import get_text  # type: ignore[import-untyped]  # it ships no types
from inscriptis.css_profiles import CSS_PROFILES  # type: ignore[import-untyped]  # likewise
from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]  # likewise
from selectolax.lexbor import LexborHTMLParser

from mail.reading.hidden import MAY_HIDE, drop_hidden
from mail.reading.html_marks import Mark, Marker, mark_quotes

_MAY_QUOTE = re.compile(
    r"blockquote|quote|cite|signature|RplyFwdMsg|appendonsend|reference-message|separator-line"
    r"|forward-container|SRC_BODY|__DIVIDER__|isReplyContent|zwchr|reply-intro|stopSpelling",
    re.IGNORECASE,
)
# The usual profile indents what stands in a div, as if it were a list.
_LAYOUT = ParserConfig(css=CSS_PROFILES["strict"])
_UNREAD_NODES = "script, style, template, noscript, head, title"
# Both parsers are quadratic in the attributes of one tag; an inline image is one long one.
_LONG_TAG = re.compile(r"<(/?[a-zA-Z][\w:-]{0,40})[^<>]{8000,}>")
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class HtmlText:
    """The visible text of a document, and which of its lines it quotes or signs with."""

    text: str
    quoted: frozenset[int] = frozenset()
    signed: frozenset[int] = frozenset()
    warning: str | None = None


def text_of_html(html: str, max_tags: int) -> tuple[str, str | None]:
    """Return the visible text of an HTML document, and a warning or None."""
    found = read_html(html, max_tags)
    return found.text, found.warning


def read_html(html: str, max_tags: int) -> HtmlText:
    """Return the visible text of an HTML document, and what it quotes and signs with.

    Time is linear for hostile documents too: parsers of HTML are quadratic in depth, so above
    `max_tags` the tags are cut out without parsing.
    """
    html = _LONG_TAG.sub(r"<\1>", html)
    if html.count("<") > max_tags:
        return HtmlText(
            _tidy(_TAG.sub(" ", html)), warning="the HTML has too many tags and was not laid out"
        )
    marker: Marker | None = None
    if (may_quote := _MAY_QUOTE.search(html)) or MAY_HIDE.search(html):
        tree = LexborHTMLParser(html)
        drop_hidden(tree)
        if may_quote and mark_quotes(tree, found := Marker.for_text(html)):
            marker = found
        html = tree.html or ""
    text = _laid_out(html)
    if not text.strip():
        text = _bare(html)
    return _read_marks(_tidy(text), marker)


def _read_marks(text: str, marker: Marker | None) -> HtmlText:
    """Return the text without its marks, and the lines between them."""
    if marker is None:
        return HtmlText(text)
    words = {marker.word(mark): mark for mark in Mark}
    pieces = re.split(f"[ \t]*({'|'.join(map(re.escape, words))})[ \t]*", text)
    lines: list[str] = []
    kinds: list[Mark | None] = []
    stack: list[Mark] = []
    for piece in pieces:
        mark = words.get(piece)
        if mark is Mark.END:
            if stack and stack[-1] is not Mark.REST:
                stack.pop()
        elif mark is not None:
            stack.append(mark)
        elif piece.strip("\n"):
            new = piece.split("\n")
            # A mark inside of a line ends it: what is before and after are not the same words.
            lines += new
            kinds += [_kind(stack)] * len(new)
        elif piece.count("\n") > 1:
            lines.append("")
            kinds.append(_kind(stack))
    return _joined(lines, kinds)


def _kind(stack: list[Mark]) -> Mark | None:
    """Return what the open marks make of a line: a signature within a quotation is quoted."""
    if Mark.QUOTE in stack or Mark.REST in stack:
        return Mark.QUOTE
    return Mark.SIGNATURE if stack else None


def _joined(lines: list[str], kinds: list[Mark | None]) -> HtmlText:
    kept: list[str] = []
    quoted: set[int] = set()
    signed: set[int] = set()
    for line, kind in zip(lines, kinds, strict=True):
        if not line.strip() and not (kept and kept[-1]):
            continue
        if kind is Mark.QUOTE:
            quoted.add(len(kept))
        elif kind is Mark.SIGNATURE:
            signed.add(len(kept))
        kept.append(line.rstrip())
    while kept and not kept[-1]:
        kept.pop()
    return HtmlText("\n".join(kept), frozenset(quoted), frozenset(signed))


def _laid_out(html: str) -> str:
    """Return the text by inscriptis; empty where libxml2 gives up (260 nested elements)."""
    try:
        return str(get_text(html, _LAYOUT))
    except (ValueError, IndexError, KeyError, AttributeError, RecursionError):
        return ""  # malformed tables and style values that inscriptis does not expect


def _bare(html: str) -> str:
    tree = LexborHTMLParser(html)
    for node in reversed(tree.css(_UNREAD_NODES)):
        node.decompose()
    return tree.body.text(separator="\n", strip=True) if tree.body else ""


def _tidy(text: str) -> str:
    """Return text without blanks at line ends and with at most one blank line in a row."""
    lines: list[str] = []
    for line in map(str.rstrip, text.replace("\xa0", " ").split("\n")):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")
