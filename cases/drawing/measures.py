"""How large a node is on paper, and how its texts are broken into lines.

No font is asked: letters are taken for as wide as the widest common sans-serif makes them.
"""

import textwrap
import unicodedata
from dataclasses import dataclass

from cases.drawing.picture import Icon, Look, Node, Row

LINE_HEIGHT = 16.0
LETTER_WIDTH = 6.7  # of 12 px, on average
ICON_WIDTH = 18.0
PADDING = 10.0
STRIP_HEIGHT = 18.0  # of a join or split
CIRCLE = 34.0
DOT = 14.0
MAX_LINE_LETTERS = 38
MAX_LINES_PER_ROW = 3
MAX_LINES = 14


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text as it is drawn; `icon` stands before the first line of its row."""

    text: str
    icon: Icon | None = None
    indented: bool = False


def plain(text: str) -> str:
    """Return text on one line without characters that XML 1.0 or a reader can't take.

    Those that reorder letters are left out too, so that no guard looks like another one.
    """
    kept = (" " if char.isspace() else char for char in text if _is_shown(char))
    return " ".join("".join(kept).split())


def lines_of(node: Node) -> tuple[Line, ...]:
    """Return the lines of a node's rows, cut where there are too many."""
    lines = [line for row in node.rows[:MAX_LINES] for line in _broken(row)]
    if len(node.rows) <= MAX_LINES and len(lines) <= MAX_LINES:
        return tuple(lines)
    return (*lines[: MAX_LINES - 1], Line("…"))


def name_of(node: Node) -> str:
    """Return a node's name, cut to what fits on a line."""
    return _cut(plain(node.name[: MAX_LINE_LETTERS * 4]), MAX_LINE_LETTERS)


def size_of(node: Node) -> tuple[float, float]:
    """Return width and height of a node in px."""
    match node.look:
        case Look.START:
            return DOT, DOT
        case Look.CONDITION:
            # Bold, with the round ends beside it; an unnamed one is a circle.
            name = width_of(name_of(node)) * 1.12 + CIRCLE * 0.7
            return (max(CIRCLE, name), CIRCLE) if node.name else (CIRCLE * 0.8, CIRCLE * 0.8)
        case _:
            return _box(node)


def width_of(text: str) -> float:
    """Return about how wide a text is in px, at 12 px."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return (len(text) + wide * 0.8) * LETTER_WIDTH


def _box(node: Node) -> tuple[float, float]:
    lines = lines_of(node)
    widths = [width_of(line.text) + (ICON_WIDTH if line.indented else 0) for line in lines]
    # Names are bold, and so a little wider.
    widths += [width_of(name_of(node)) * 1.12, width_of(node.join), width_of(node.split)]
    name = 1 if node.name else 0
    padding = PADDING if node.name else 3.0
    strips = STRIP_HEIGHT * (bool(node.join) + bool(node.split))
    height = (len(lines) + name) * LINE_HEIGHT + 2 * padding + strips
    least = 84.0 if node.name else 20.0
    return max(least, max(widths) + 2 * padding), height


def _broken(row: Row) -> list[Line]:
    """Return a row as lines, of which the last one says when there was more."""
    text = plain(row.text[: MAX_LINE_LETTERS * (MAX_LINES_PER_ROW + 2)])
    parts = textwrap.wrap(text, MAX_LINE_LETTERS) or [""]
    if len(parts) > MAX_LINES_PER_ROW:
        parts = [*parts[: MAX_LINES_PER_ROW - 1], _cut(parts[MAX_LINES_PER_ROW - 1] + " …", 38)]
    indented = row.icon is not None
    return [Line(parts[0], row.icon, indented), *(Line(part, None, indented) for part in parts[1:])]


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip(" …") + "…"


def _is_shown(char: str) -> bool:
    # Cn holds U+FFFE and U+FFFF, which XML 1.0 forbids; Cf the bidirectional controls.
    return char.isspace() or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
