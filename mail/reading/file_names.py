"""Names of attachments: read from whatever the sender wrote, safe on any system."""

import email.message
import re
from urllib.parse import unquote_to_bytes

from mail.reading.charsets import clean_line, decode
from mail.reading.headers import decoded

# What the stdlib's parameter parser raises for malformed or hostile parameters.
PARAMETER_ERRORS = (ValueError, TypeError, LookupError, AttributeError)

_UNSAFE = re.compile(r'[<>:"|?*\\/]')
# Blanks of no width and marks of direction: two names would look alike.
_UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f]")
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]"
    r"|lpt[0-9\u00b9\u00b2\u00b3])(?:[ .].*)?",
    re.IGNORECASE,
)
_MAX_CHARS = 150
# File systems count bytes: most take 255, and blob stores and copies add to a name.
_MAX_BYTES = 200
_EXTENSION_MAX_CHARS = 11
CHANGED = "an attachment's name was unsafe and was changed"


def file_name(part: email.message.Message, max_words: int) -> tuple[str, str | None]:
    """Return the safe name of a part ("" where it has none), and a warning or None."""
    for header, name in (("content-disposition", "filename"), ("content-type", "name")):
        value = _parameter(part, header, name)
        if value:
            return safe_file_name(decoded(value, max_words)[0])
    return "", None


def _parameter(part: email.message.Message, header: str, name: str) -> str:
    try:
        value = part.get_param(name, header=header)
    except PARAMETER_ERRORS:
        return ""
    if not isinstance(value, tuple):
        return value if isinstance(value, str) else ""
    # (charset, language, bytes as Latin-1): RFC 2231, 4. The label may be wrong or missing.
    charset, _, text = value
    data = str(text).encode("latin-1", "ignore")
    if b"%" in data and not charset:
        data = unquote_to_bytes(data)
    return decode(data, str(charset) if charset else None)[0]


def safe_file_name(name: str) -> tuple[str, str | None]:
    """Return a name that is safe as a file name, and a warning where it had to change.

    Only the last piece of a path counts. Names that Windows reserves for devices get an
    underscore before them; all extensions are kept, since they tell people what they open.
    """
    base = re.split(r"[\\/]", _UNSEEN.sub("", clean_line(name)))[-1]
    base = _shortened(_UNSAFE.sub("_", base).strip(" ."))
    if _RESERVED.fullmatch(base):
        base = f"_{base}"
    return base, None if base == name else CHANGED


def _shortened(base: str) -> str:
    if len(base) <= _MAX_CHARS and len(base.encode("utf-8", "replace")) <= _MAX_BYTES:
        return base
    stem, dot, extension = base.rpartition(".")
    end = f".{extension}" if dot and len(extension) < _EXTENSION_MAX_CHARS else ""
    stem = stem if end else base
    stem = stem[: _MAX_CHARS - _EXTENSION_MAX_CHARS]
    room = _MAX_BYTES - len(end.encode("utf-8", "replace"))
    return stem.encode("utf-8", "replace")[:room].decode("utf-8", "ignore").rstrip(" .") + end
