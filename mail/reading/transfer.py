"""The bytes of a part whose Content-Transfer-Encoding may be damaged or a lie (RFC 2045, 6)."""

import base64
import binascii
import copy
import email.message
import quopri
import re

_UU_NAMES = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_BASE64_BLOCK = re.compile(rb"[A-Za-z0-9+/]+")
_INNER_BLANK = re.compile(rb"[^ \t\r\n][ \t]+[^ \t\r\n]")
_SAMPLE_BYTES = 4_000
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,200})\r?\n", re.MULTILINE)
_UU_END = re.compile(rb"^end[ \t]*\r?$", re.MULTILINE)
_UU_MAX_FILES = 20


def decoded_bytes(part: email.message.Message) -> tuple[bytes, str | None]:
    """Return the bytes of a leaf part, and a warning where its encoding was not what it says.

    Never raises: what cannot be decoded stays as it stands.
    """
    # Without these two fields the stdlib gives the bytes as they stand: it would follow a lying
    # encoding, and decode by whatever codec the charset names.
    bare = copy.copy(part)
    del bare["content-transfer-encoding"], bare["content-type"]
    payload = bare.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    return decode_transfer(data, encoding_of(part))


def encoding_of(part: email.message.Message) -> str:
    """Return the first word of Content-Transfer-Encoding in lower case, or ""."""
    words = str(part.get("content-transfer-encoding", "")).lower()[:200].split()
    return words[0].strip("\"';,") if words else ""


def decode_transfer(data: bytes, encoding: str) -> tuple[bytes, str | None]:
    """Return data without its transfer encoding, and a warning or None."""
    if encoding == "base64":
        return _from_base64(data)
    if encoding == "quoted-printable":
        return quopri.decodestring(data), None
    if encoding in _UU_NAMES:
        files = uuencoded_files(data)[1]
        return (files[0][1], None) if files else (data, "a part is not in its transfer encoding")
    return data, None


def _from_base64(data: bytes) -> tuple[bytes, str | None]:
    """Return what base64 holds; text that is none is returned as it stands.

    Blank characters and strangers are skipped (RFC 2045, 6.8); a padding in the middle is the
    seam of two blocks that a gateway has joined.
    """
    sample = data[:_SAMPLE_BYTES].strip()
    strange = sum(map(len, _NOT_BASE64.findall(b"".join(sample.split()))))
    inner_blanks = len(_INNER_BLANK.findall(sample))
    lines = sample.count(b"\n") + 1
    if strange * 5 > len(sample) or inner_blanks > lines:
        return data, "a part is not in its transfer encoding"
    try:
        return base64.b64decode(data.translate(None, b" \t\r\n"), validate=True), None
    except binascii.Error:
        compact = _NOT_BASE64.sub(b"", data)
    blocks = (_block(found) for found in _BASE64_BLOCK.findall(compact))
    return b"".join(blocks), "the base64 of a part is damaged"


def _block(data: bytes) -> bytes:
    if len(data) % 4 == 1:
        data = data[:-1]  # one character holds no whole byte
    return base64.b64decode(data + b"=" * (-len(data) % 4))


def uuencoded_files(data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return text without its uuencoded files, and each file's name and bytes."""
    files: list[tuple[bytes, bytes]] = []
    kept: list[bytes] = []
    at = 0
    while len(files) < _UU_MAX_FILES and (begin := _UU_BEGIN.search(data, at)):
        end = _UU_END.search(data, begin.end())
        content = _uu_content(data[begin.end() : end.start()]) if end else None
        if end is None or content is None:
            break
        kept.append(data[at : begin.start()])
        files.append((begin[1].strip(), content))
        at = end.end()
    return b"".join(kept) + data[at:], files


def _uu_content(block: bytes) -> bytes | None:
    """Return the decoded lines, or None for lines that are no uuencoding."""
    pieces = []
    for line in block.splitlines():
        if not line:
            continue
        try:
            pieces.append(binascii.a2b_uu(line))
        except binascii.Error:
            length = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                # Some encoders write more than they count.
                pieces.append(binascii.a2b_uu(line[:length]))
            except binascii.Error:
                return None
    return b"".join(pieces)
