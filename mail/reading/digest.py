"""The digest of a mail's content, the same for every delivery of the same mail."""

import hashlib
import re

# What transport and storage add on the way (RFC 5322 3.6.7; RFC 8601; RFC 6376; RFC 8617).
_TRACE = frozenset(
    {
        b"received",
        b"return-path",
        b"delivered-to",
        b"envelope-to",
        b"original-recipient",
        b"authentication-results",
        b"received-spf",
        b"dkim-signature",
        b"domainkey-signature",
        b"dkim-filter",
        b"status",
        b"content-length",
        b"lines",
    }
)
_TRACE_PREFIXES = (b"x-", b"arc-")
_HEAD_END = re.compile(rb"\r?\n\r?\n|\r\r")
_FOLD = re.compile(rb"(?:\r\n|\n|\r)(?=[ \t])")
_LINE_END = re.compile(rb"\r\n|\n|\r")


def split_head(raw: bytes) -> tuple[bytes, bytes]:
    """Return the header block and the body; the blank line between them belongs to neither."""
    end = _HEAD_END.search(raw)
    if end is None:
        return raw, b""
    return raw[: end.start()], raw[end.end() :]


def content_digest(raw: bytes) -> str:
    """Return the SHA-256 (hex) of a mail without trace fields, line ends and field order.

    Works on any bytes, so that a mail which cannot be parsed has a digest too.
    """
    head, body = split_head(raw)
    digest = hashlib.sha256()
    for line in sorted(_content_fields(head)):
        digest.update(line + b"\n")
    digest.update(b"\n")
    digest.update(body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n"))
    return digest.hexdigest()


def _content_fields(head: bytes) -> list[bytes]:
    """Return the fields that the author wrote, unfolded, with white space collapsed."""
    fields = []
    for line in _LINE_END.split(_FOLD.sub(b"", head)):
        name, colon, value = line.partition(b":")
        name = name.strip().lower()
        if not colon or (name not in _TRACE and not name.startswith(_TRACE_PREFIXES)):
            fields.append(name + colon + b" ".join(value.split()))
    return fields
