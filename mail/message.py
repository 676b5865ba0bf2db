"""The message: what Everpost knows of one mail once it is parsed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Flaw(StrEnum):
    """Why a mail cannot be parsed."""

    TOO_LARGE = "the mail is larger than the limit"
    TOO_MANY_LINES = "the mail has more lines than the limit"
    TOO_MANY_HEADERS = "the mail has more header fields than the limit"
    HEADERS_TOO_LARGE = "the header fields are larger than the limit"
    TOO_MANY_PARTS = "the mail has more parts than the limit"
    TOO_DEEP = "the parts are nested deeper than the limit"
    OUT_OF_MEMORY = "parsing the mail needs more memory than the limit"
    EMPTY = "the mail is empty"
    BROKEN = "the mail is malformed beyond what the parser can read"


class Unparsable(Exception):
    """A mail that cannot become a Message; `reason` says why, `detail` what was seen."""

    def __init__(self, reason: Flaw, detail: str = "") -> None:
        super().__init__(reason, detail)  # both in args, or the error does not survive pickling
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else str(self.reason)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mail may hold; checked by byte scans before anything expensive starts."""

    size_bytes: int = 30_000_000
    lines: int = 1_000_000
    header_bytes: int = 256_000
    header_fields: int = 1_000
    parts: int = 1_000
    depth: int = 40
    # Each line is tried against each open boundary: this bounds the product.
    boundary_checks: int = 30_000_000
    encoded_words: int = 1_000
    addresses: int = 500
    html_bytes: int = 1_000_000
    html_tags: int = 20_000
    text_bytes: int = 200_000
    subject_chars: int = 998


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox address with its display name; the domain is in lower case."""

    name: str
    address: str

    @property
    def key(self) -> str:
        """Return the form in which addresses are compared: all of it in lower case."""
        return self.address.lower()


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is known of an attachment; its bytes stay in the raw mail.

    `name` is safe as a file name on any system. `part` is the position among the leaf parts
    of the mail, counted from 0.
    """

    name: str
    content_type: str
    size_bytes: int
    sha256: str
    part: int


@dataclass(frozen=True, slots=True)
class Markers:
    """The header fields by which programs tell that they wrote a mail (RFC 3834)."""

    auto_submitted: str | None = None
    precedence: str | None = None
    list_fields: tuple[str, ...] = ()
    suppress: str | None = None
    auto_reply: str | None = None
    content_type: str = "text/plain"
    report_type: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One mail: decoded, bounded, free of control characters.

    `return_path` is "" for the null path and None where no field says. `new_text` is the part
    of `text` that the sender wrote anew. `digest` covers the content without trace fields, so
    the same mail has the same digest however often it is delivered.
    """

    digest: str
    size_bytes: int
    message_id: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    sender: Address | None = None
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    delivered_to: tuple[str, ...] = ()
    return_path: str | None = None
    subject: str = ""
    date: datetime | None = None
    text: str = ""
    new_text: str = ""
    has_html: bool = False
    attachments: tuple[Attachment, ...] = ()
    markers: Markers = field(default_factory=Markers)
    warnings: tuple[str, ...] = ()

    @property
    def recipients(self) -> tuple[str, ...]:
        """Return every address that the mail was sent to, the envelope's first, each once."""
        named = (entry.address for entry in (*self.to, *self.cc))
        return tuple(dict.fromkeys((*self.delivered_to, *named)))

    def to_json(self) -> dict[str, Any]:  # Any: JSON values
        """Return the message as JSON values."""
        return {
            "digest": self.digest,
            "size_bytes": self.size_bytes,
            "message_id": self.message_id,
            "in_reply_to": list(self.in_reply_to),
            "references": list(self.references),
            "sender": _address_json(self.sender) if self.sender else None,
            "reply_to": [_address_json(entry) for entry in self.reply_to],
            "to": [_address_json(entry) for entry in self.to],
            "cc": [_address_json(entry) for entry in self.cc],
            "delivered_to": list(self.delivered_to),
            "return_path": self.return_path,
            "subject": self.subject,
            "date": self.date.isoformat() if self.date else None,
            "text": self.text,
            "new_text": self.new_text,
            "has_html": self.has_html,
            "attachments": [_attachment_json(entry) for entry in self.attachments],
            "markers": _markers_json(self.markers),
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Message":  # Any: JSON values
        """Return the message that `to_json` wrote."""
        sender, date, markers = values["sender"], values["date"], values["markers"]
        return cls(
            digest=values["digest"],
            size_bytes=values["size_bytes"],
            message_id=values["message_id"],
            in_reply_to=tuple(values["in_reply_to"]),
            references=tuple(values["references"]),
            sender=Address(**sender) if sender else None,
            reply_to=tuple(Address(**entry) for entry in values["reply_to"]),
            to=tuple(Address(**entry) for entry in values["to"]),
            cc=tuple(Address(**entry) for entry in values["cc"]),
            delivered_to=tuple(values["delivered_to"]),
            return_path=values["return_path"],
            subject=values["subject"],
            date=datetime.fromisoformat(date).astimezone(UTC) if date else None,
            text=values["text"],
            new_text=values["new_text"],
            has_html=values["has_html"],
            attachments=tuple(Attachment(**entry) for entry in values["attachments"]),
            markers=Markers(**{**markers, "list_fields": tuple(markers["list_fields"])}),
            warnings=tuple(values["warnings"]),
        )


def _address_json(entry: Address) -> dict[str, str]:
    return {"name": entry.name, "address": entry.address}


def _attachment_json(entry: Attachment) -> dict[str, str | int]:
    return {
        "name": entry.name,
        "content_type": entry.content_type,
        "size_bytes": entry.size_bytes,
        "sha256": entry.sha256,
        "part": entry.part,
    }


def _markers_json(markers: Markers) -> dict[str, Any]:  # Any: JSON values
    return {
        "auto_submitted": markers.auto_submitted,
        "precedence": markers.precedence,
        "list_fields": list(markers.list_fields),
        "suppress": markers.suppress,
        "auto_reply": markers.auto_reply,
        "content_type": markers.content_type,
        "report_type": markers.report_type,
    }
