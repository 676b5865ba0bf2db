"""What Outlook packs into winmail.dat ([MS-OXTNEF]): a body and attachments.

A reader of our own, since it must be bounded: it never loops over a count that the sender
writes, never recurses, and looks at each byte a fixed number of times.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from mail.reading.charsets import clean_line, decode

_SIGNATURE = b"\x78\x9f\x3e\x22"
_MAX_ATTRIBUTES = 5_000
# An attribute is the message's or an attachment's: [MS-OXTNEF] 2.1.3.1.
_LEVELS = (1, 2)
_MAX_PROPERTIES = 2_000
MAX_FILES = 100
_BODY_MAX_BYTES = 1_000_000

# Attributes: [MS-OXTNEF] 2.1.3.1, type and id in one number.
_RENDERING_DATA = 0x00069002
_TITLE = 0x00018010
_DATA = 0x0006800F
_BODY = 0x0002800C
_MESSAGE_PROPERTIES = 0x00069003
_ATTACHMENT_PROPERTIES = 0x00069005
_CODEPAGE = 0x00069007
# Properties: [MS-OXPROPS], the id without its type.
_P_BODY = 0x1000
_P_HTML = 0x1013
_P_DATA = 0x3701
_P_NAME = 0x3704
_P_LONG_NAME = 0x3707
_P_MIME = 0x370E
_P_CONTENT_ID = 0x3712
_P_CODEPAGE = 0x3FDE
# Bytes of the values whose length is fixed: [MS-OXCDATA] 2.11.1. Each fills whole words.
_FIXED = {
    0x0002: 2, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 2,
    0x0014: 8, 0x0040: 8, 0x0048: 16,
}  # fmt: skip
_UNICODE = 0x001F
_VARIABLE = frozenset({0x000D, 0x001E, _UNICODE, 0x0102})
_MULTIPLE = 0x1000
# An object's value begins with the id of its interface: [MS-OXTNEF] 2.1.3.4.
_OBJECT = 0x000D
_IID_BYTES = 16


@dataclass(slots=True)
class TnefFile:
    """One attachment in a winmail.dat."""

    name: str = ""
    data: bytes = b""
    content_type: str = ""
    content_id: str = ""


@dataclass(slots=True)
class Tnef:
    """What one winmail.dat holds; `html` is "" where there is only plain text.

    A damaged one may have held more than was found.
    """

    text: str = ""
    html: str = ""
    files: list[TnefFile] = field(default_factory=list)
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class _Property:
    tag: int
    kind: int
    value: bytes

    def text(self, charset: str) -> str:
        label = "utf-16-le" if self.kind == _UNICODE else charset
        return decode(self.value, label)[0].rstrip("\0")

    def number(self) -> int:
        return int.from_bytes(self.value[:4], "little")


def read_tnef(data: bytes) -> Tnef | None:
    """Return what a winmail.dat holds, or None for other bytes; a damaged one as far as it goes."""
    if not data.startswith(_SIGNATURE):
        return None
    found = Tnef()
    charset = "cp1252"
    attributes, found.is_damaged = _attributes(data)
    for attribute, value in attributes:
        if attribute == _CODEPAGE and len(value) >= 4:
            charset = f"cp{int.from_bytes(value[:4], 'little')}"
        elif attribute == _RENDERING_DATA:
            if len(found.files) >= MAX_FILES:
                found.is_damaged = True
                break
            found.files.append(TnefFile())
        elif attribute == _BODY:
            found.text = decode(value[:_BODY_MAX_BYTES], charset)[0].rstrip("\0")
        elif attribute == _MESSAGE_PROPERTIES:
            _read_body(found, list(_properties(value)), charset)
        elif found.files:
            _read_file(found.files[-1], attribute, value, charset)
    found.files = [file for file in found.files if file.data]
    return found


def _attributes(data: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """Return the attributes, and whether the bytes are something else from some place on.

    Checksums are not looked at, since a wrong one helps nobody.
    """
    found: list[tuple[int, bytes]] = []
    at = 6
    while at + 9 <= len(data) and len(found) < _MAX_ATTRIBUTES:
        level, attribute, length = struct.unpack_from("<BII", data, at)
        if level not in _LEVELS:
            return found, True
        found.append((attribute, data[at + 9 : at + 9 + length]))
        at += 9 + length + 2
    return found, at > len(data) or any(data[at:])


def _read_body(found: Tnef, properties: list[_Property], charset: str) -> None:
    by_tag = {entry.tag: entry for entry in properties}
    stated = by_tag.get(_P_CODEPAGE)
    # 65001 is UTF-8 in Windows' count of code pages.
    page = stated.number() if stated else 0
    internet = "utf-8" if page == 65001 else f"cp{page}" if page else charset
    if body := by_tag.get(_P_BODY):
        found.text = body.text(internet)[:_BODY_MAX_BYTES]
    if html := by_tag.get(_P_HTML):
        found.html = html.text(internet)[:_BODY_MAX_BYTES]


def _read_file(file: TnefFile, attribute: int, value: bytes, charset: str) -> None:
    if attribute == _TITLE:
        file.name = file.name or decode(value, charset)[0].rstrip("\0")
    elif attribute == _DATA:
        file.data = value
    elif attribute == _ATTACHMENT_PROPERTIES:
        for entry in _properties(value):
            _read_property(file, entry, charset)


def _read_property(file: TnefFile, entry: _Property, charset: str) -> None:
    if entry.tag == _P_LONG_NAME or (entry.tag == _P_NAME and not file.name):
        file.name = entry.text(charset) or file.name
    elif entry.tag == _P_MIME:
        file.content_type = clean_line(entry.text(charset)).lower()[:200]
    elif entry.tag == _P_CONTENT_ID:
        file.content_id = clean_line(entry.text(charset))[:300]
    elif entry.tag == _P_DATA and not file.data:
        is_embedded = entry.kind == _OBJECT
        file.data = entry.value[_IID_BYTES:] if is_embedded else entry.value


def _properties(data: bytes) -> Iterator[_Property]:
    """Yield the properties of one list ([MS-OXTNEF] 2.1.3.4) as long as they make sense."""
    at = 4
    try:
        for _ in range(min(_word(data, 0), _MAX_PROPERTIES)):
            kind, tag = struct.unpack_from("<HH", data, at)
            at = _after_name(data, at + 4, tag)
            base, is_multiple = kind & ~_MULTIPLE, bool(kind & _MULTIPLE)
            if base in _VARIABLE:
                value, at = _variable(data, at)
            elif base in _FIXED:
                value, at = _fixed(data, at, _FIXED[base], is_multiple)
            else:
                return
            yield _Property(tag, base, value)
    except struct.error:
        return


def _variable(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the first value of a string or binary property, and where the next one begins."""
    first: bytes | None = None
    count, at = _word(data, at), at + 4
    for _ in range(min(count, _MAX_PROPERTIES)):
        length = _word(data, at)
        if at + 4 + length > len(data):
            raise struct.error("a value is longer than its list")
        if first is None:
            first = data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
    return first or b"", at


def _fixed(data: bytes, at: int, size: int, is_multiple: bool) -> tuple[bytes, int]:
    count = 1
    if is_multiple:
        count, at = _word(data, at), at + 4
    return data[at : at + size], at + count * (size + -size % 4)


def _after_name(data: bytes, at: int, tag: int) -> int:
    """Return where a property's value begins: named ones carry their name before it."""
    if tag < 0x8000:
        return at
    if _word(data, at + 16) == 0:  # a number for a name
        return at + 24
    length = _word(data, at + 20)
    return at + 24 + length + -length % 4


def _word(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])
