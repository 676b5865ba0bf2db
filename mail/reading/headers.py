"""Header fields decoded: encoded words, addresses, message ids and dates (RFC 5322, 2047)."""

import base64
import binascii
import quopri
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import getaddresses, parsedate_to_datetime

from mail.message import Address
from mail.reading.charsets import clean_line, decode

_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=")
_BLANK_ONLY = re.compile(r"\s*\Z")
_ID = re.compile(r"<([^<>]{1,1000})>")
_ID_MAX_CHARS = 990
_ID_MAX_COUNT = 100
_ADDRESS = re.compile(r"[^\s@<>(),;:\"\[\]\\]{1,64}@[^\s@<>(),;:\"\\]{1,255}")
_LOOKS_LIKE_ADDRESS = re.compile(
    r"[^\s@<>\x00-\x20\x7f]{1,200}@(?:[^\s@<>()\[\],;:\"\\\x00-\x20\x7f]{1,255}|\[[\w.:]{1,60}\])"
)
# More than this and the stdlib's address parser, which recurses on comments, is not asked.
_MAX_PARENTHESES = 20
_MAX_ADDRESS_CHARS = 100_000


def raw_text(value: str) -> str:
    """Return a header value as text: raw 8-bit bytes are UTF-8, else Windows-1252.

    The parser hands such bytes over as lone surrogates (PEP 383).
    """
    if value.isascii():
        return value
    return decode(value.encode("utf-8", "surrogateescape"), None)[0]


def decoded(value: str, max_words: int) -> tuple[str, str | None]:
    """Return a header value with its encoded words decoded (RFC 2047), and a warning or None.

    Neighbouring words of one charset are joined before they are decoded: many mailers split
    a character between two words. Beyond `max_words` nothing is decoded.
    """
    value = raw_text(value)
    if "=?" not in value:
        return clean_line(value), None
    if value.count("=?") > max_words:
        return clean_line(value), "the encoded words are too many and were not decoded"
    words = list(_ENCODED_WORD.finditer(value))
    pieces: list[str] = []
    warning: str | None = None
    end = 0
    pending: list[bytes] = []
    charset = ""
    for word in words:
        between = value[end : word.start()]
        label = word[1].partition("*")[0]  # RFC 2231, 5: a language after an asterisk
        adjacent = bool(_BLANK_ONLY.match(between))
        if pending and not (adjacent and label.lower() == charset):
            text, odd = _joined(pending, charset)
            pieces.append(text)
            warning, pending = warning or odd, []
        if not (adjacent and end):
            pieces.append(between)
        pending.append(_word_bytes(word[2], word[3]))
        charset, end = label.lower(), word.end()
    if pending:
        text, odd = _joined(pending, charset)
        pieces.append(text)
        warning = warning or odd
    pieces.append(value[end:])
    return clean_line("".join(pieces)), warning


def _joined(words: list[bytes], charset: str) -> tuple[str, str | None]:
    """Return neighbouring words as text; where they make none together, each by itself."""
    text, odd = decode(b"".join(words), charset)
    if odd and len(words) > 1:
        text = "".join(decode(word, charset)[0] for word in words)
    return text, odd


def _word_bytes(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "replace")
    if encoding in "qQ":
        return quopri.decodestring(data.replace(b"_", b"=20"))
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return b""


def addresses(values: Iterable[str], max_count: int, max_words: int) -> tuple[Address, ...]:
    """Return the addresses of one kind of field, without what is no address."""
    joined = ", ".join(raw_text(value) for value in values)[:_MAX_ADDRESS_CHARS]
    if not joined:
        return ()
    found = _parsed(joined, max_count, max_words)
    if not found and "=?" in joined:
        # Some mailers encode the whole field, the address included.
        found = _parsed(decoded(joined, max_words)[0], max_count, max_words)
    return found


def _parsed(joined: str, max_count: int, max_words: int) -> tuple[Address, ...]:
    entries = []
    for name, address in _pairs(joined)[:max_count]:
        normal = normal_address(address)
        if normal is not None:
            entries.append(Address(decoded(name, max_words)[0][:300], normal))
    return tuple(entries)


def _pairs(joined: str) -> list[tuple[str, str]]:
    if joined.count("(") <= _MAX_PARENTHESES and joined.count("[") <= _MAX_PARENTHESES:
        try:
            return getaddresses([joined])
        except (IndexError, ValueError, RecursionError):
            pass  # the stdlib's parser stumbles over some malformed fields
    return [("", found) for found in _ADDRESS.findall(joined)]


def normal_address(address: str) -> str | None:
    """Return an address with its domain in lower case, or None for what is no address."""
    address = clean_line(address)
    if not _LOOKS_LIKE_ADDRESS.fullmatch(address):
        return None
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower().rstrip('.')}"


def message_ids(values: Iterable[str]) -> tuple[str, ...]:
    """Return the message ids of In-Reply-To, References or Message-ID, in their order.

    Of more than a hundred the last are kept: the newest parents decide. Blanks inside an id
    come from folding and are dropped.
    """
    found: list[str] = []
    for value in values:
        found += ("".join(clean_line(raw_text(entry)).split()) for entry in _ID.findall(value))
    kept = (f"<{entry}>" for entry in found if 0 < len(entry) <= _ID_MAX_CHARS)
    return tuple(dict.fromkeys(kept))[-_ID_MAX_COUNT:]


def message_id(value: str) -> str | None:
    """Return the id of a Message-ID field, in angle brackets even where the sender had none."""
    ids = message_ids([value])
    if ids:
        return ids[0]
    bare = "".join(clean_line(raw_text(value)).replace("<", "").replace(">", "").split())
    return f"<{bare}>" if 0 < len(bare) <= _ID_MAX_CHARS else None


def date(value: str) -> datetime | None:
    """Return a Date field in UTC, or None; a time without a zone is taken as UTC."""
    try:
        parsed = parsedate_to_datetime(value[:200])
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
