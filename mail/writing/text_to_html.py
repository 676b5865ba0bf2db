"""HTML from the text of a mail: paragraphs, line breaks, and links where we wrote them.

The text knows which of it came from data: only addresses that our own words begin, up to and
with the host, become links. What a customer wrote is escaped, and links to nothing.
"""

import re
from html import escape

# Noncharacters, which no text has a use for (Unicode 16, 23.7): they enclose what is data.
DATA_BEGIN = "\ufdd0"
DATA_END = "\ufdd1"
_MARKS = re.compile(f"[{DATA_BEGIN}{DATA_END}]")
_MARK = f"{DATA_BEGIN}{DATA_END}"
# An address whose host stands in our own words and ends there; the rest may hold data.
_LINK = re.compile(
    rf"\bhttps?://[A-Za-z0-9.-]{{1,255}}(?::[0-9]{{1,5}})?(?=[/?#\s)>,;!'\"]|$)"
    rf"(?:[/?#][^\s<>\"]*)?|\bmailto:[A-Za-z0-9._+-]{{1,64}}@[A-Za-z0-9.-]{{1,255}}(?![{_MARK}\w])"
)
_TRAILING = ".,;:!?)'"


def marked(value: str) -> str:
    """Return a piece of data as it stands in a marked text."""
    return f"{DATA_BEGIN}{unmarked(value)}{DATA_END}"


def unmarked(text: str) -> str:
    """Return a text without its marks."""
    return _MARKS.sub("", text)


def html_of_text(text: str) -> str:
    """Return a marked text as HTML: a paragraph between blank lines, a break at line ends."""
    paragraphs = re.split(r"\n[ \t]*(?:\n[ \t]*)+", text.strip("\n"))
    return "\n".join(f"<p>{_paragraph(part)}</p>" for part in _whole(paragraphs) if part.strip())


def _whole(paragraphs: list[str]) -> list[str]:
    """Return the paragraphs each with its own marks: data may go over several of them."""
    whole, inside = [], False
    for part in paragraphs:
        here = (DATA_BEGIN if inside else "") + part
        inside = _ends_in_data(here, inside)
        whole.append(here + (DATA_END if inside else ""))
    return whole


def _ends_in_data(text: str, before: bool) -> bool:
    begin, end = text.rfind(DATA_BEGIN), text.rfind(DATA_END)
    return before if begin == end else begin > end


def _paragraph(text: str) -> str:
    pieces, end, seen, inside = [], 0, 0, False
    for found in _LINK.finditer(text):
        # Each stretch is looked at once: data may hold any number of addresses.
        inside = _ends_in_data(text[seen : found.start()], inside)
        seen = found.start()
        if inside:
            continue
        address = found.group()
        # What a mark closes belongs to the address; a stop behind it belongs to the sentence.
        kept = address.rstrip(_TRAILING + _MARK)
        pieces += [_escaped(text[end : found.start()]), _link(unmarked(kept))]
        end = found.start() + len(kept)
    return "".join([*pieces, _escaped(text[end:])])


def _link(address: str) -> str:
    shown = address.removeprefix("mailto:")
    return f'<a href="{escape(address)}">{escape(shown)}</a>'


def _escaped(text: str) -> str:
    return "<br>\n".join(escape(line) for line in unmarked(text).split("\n"))
