"""Text from strangers, made safe to show in a terminal."""

import re
import unicodedata

# CSI, OSC and the other escape sequences of ECMA-48; an unfinished one ends with the text.
_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# They make a text look as if it said something else (Unicode TR 36, bidirectional spoofing).
_BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def printable(text: str) -> str:
    """Return the text without what steers a terminal or reorders its letters.

    Line ends and tabs stay; other control characters and lone surrogates go.
    """
    plain = _ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n"))
    return "".join(char for char in plain if _is_shown(char))


def one_line(text: str, limit: int = 200) -> str:
    """Return the printable text on one line, cut after `limit` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _is_shown(char: str) -> bool:
    if char in "\n\t":
        return True
    return char not in _BIDI_CONTROLS and unicodedata.category(char) not in {"Cc", "Cs"}
