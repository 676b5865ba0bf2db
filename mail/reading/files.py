"""The files that a mail carries, on their way to become attachments."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mail.message import Attachment, Nested
from mail.reading import headers
from mail.reading.content_types import true_type
from mail.reading.digest import split_head

_HEADER_MAX_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class File:
    """One file in a mail; `declared` is "" where nobody says a type."""

    data: bytes
    name: str
    declared: str
    part: int
    content_id: str | None


def attachment_of(file: File, shown_ids: Collection[str]) -> Attachment:
    """Return what is known of a file; `shown_ids` are the content ids that the HTML shows."""
    declared = file.declared or "application/octet-stream"
    content_type = true_type(file.data, declared, file.name)
    is_shown = file.content_id is not None and file.content_id.lower() in shown_ids
    return Attachment(
        name=file.name,
        content_type=content_type,
        size_bytes=len(file.data),
        sha256=hashlib.sha256(file.data).hexdigest(),
        part=file.part,
        declared_type=file.declared,
        content_id=file.content_id,
        inline=is_shown and content_type.startswith("image/"),
    )


def nested_mail(raw: bytes, part: int, max_words: int) -> Nested:
    """Return what the header of an attached mail says; its body is not looked at."""
    fields = _fields(split_head(raw[:_HEADER_MAX_BYTES])[0])
    senders = headers.addresses([fields["from"]], 1, max_words) if "from" in fields else ()
    return Nested(
        subject=headers.decoded(fields.get("subject", ""), max_words)[0][:998],
        sender=senders[0] if senders else None,
        message_id=headers.message_id(fields.get("message-id", "")),
        part=part,
    )


def _fields(head: bytes) -> dict[str, str]:
    """Return the first field of each name, unfolded, by lower-case name."""
    fields: dict[str, str] = {}
    for name, value in _unfolded(head.decode("utf-8", "surrogateescape").splitlines()):
        fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _unfolded(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    name, pieces = "", [""]
    for line in lines:
        if line[:1] in (" ", "\t"):
            pieces.append(line)
            continue
        if name:
            yield name, " ".join(pieces)
        name, _, value = line.partition(":")
        pieces = [value]
    if name:
        yield name, " ".join(pieces)
