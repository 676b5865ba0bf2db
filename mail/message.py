"""The message: what Everpost knows of one mail once it is parsed."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


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
    """What is known of an attachment; `Parsed` has its bytes.

    `name` is safe as a file name on any system. `content_type` is what the bytes are, and
    `declared_type` what the mail says. `part` is the position among the leaf parts of the
    mail, counted from 0. `inline` is a picture that the text shows by `content_id` (RFC 2392).
    """

    name: str
    content_type: str
    size_bytes: int
    sha256: str
    part: int
    declared_type: str = ""
    content_id: str | None = None
    inline: bool = False


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


class Kind(StrEnum):
    """What kind of mail it is: who or what wrote it, and why."""

    PERSONAL = "personal"
    AUTO_REPLY = "auto_reply"
    OUT_OF_OFFICE = "out_of_office"
    DELIVERY_REPORT = "delivery_report"
    READ_RECEIPT = "read_receipt"
    LIST = "list"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """What a delivery report says of one recipient (RFC 3464, 2.3).

    `status` is the enhanced status code (RFC 3463) such as 5.1.1, where there is one; `hard`
    tells a failure for good from one that may pass.
    """

    address: str
    action: str
    status: str | None
    reason: str
    hard: bool


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Which mail was not, or not yet, delivered, and to whom.

    `message_id` is the reported mail's, where the report tells it.
    """

    message_id: str | None
    recipients: tuple[FailedRecipient, ...]


@dataclass(frozen=True, slots=True)
class Invite:
    """A calendar object that a mail carries (RFC 5546): a meeting, its change or its end."""

    method: str
    uid: str
    summary: str
    starts_at: datetime | None
    ends_at: datetime | None
    organizer: str | None


@dataclass(frozen=True, slots=True)
class Nested:
    """A mail that another one carries (message/rfc822); its bytes are the attachment `part`."""

    subject: str
    sender: Address | None
    message_id: str | None
    part: int


class Verdict(StrEnum):
    """What a method of authentication says of a mail (RFC 8601, 2.7)."""

    PASS = "pass"  # noqa: S105 -- a verdict, no password
    FAIL = "fail"
    NONE = "none"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Authentication:
    """Whether a mail's sender is who it names, and who says so.

    `by` is the authserv-id of the trusted field, or "everpost" where DKIM was verified here.
    `dkim_domain` is the domain whose signature passed.
    """

    by: str
    spf: Verdict = Verdict.NONE
    dkim: Verdict = Verdict.NONE
    dmarc: Verdict = Verdict.NONE
    dkim_domain: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One mail: decoded, bounded, free of control characters.

    `return_path` is "" for the null path and None where no field says. `new_text` is the part
    of `text` that the sender wrote anew, without what it quotes and without `signature`.
    `digest` covers the content without trace fields, so the same mail has the same digest
    however often it is delivered.
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
    signature: str = ""
    has_html: bool = False
    attachments: tuple[Attachment, ...] = ()
    markers: Markers = field(default_factory=Markers)
    kind: Kind = Kind.PERSONAL
    report: DeliveryReport | None = None
    invites: tuple[Invite, ...] = ()
    nested: tuple[Nested, ...] = ()
    # Filled after parsing: it takes DNS, and to know whom the mailbox trusts.
    authentication: Authentication | None = None
    warnings: tuple[str, ...] = ()

    @property
    def recipients(self) -> tuple[str, ...]:
        """Return every address that the mail was sent to, the envelope's first, each once."""
        named = (entry.address for entry in (*self.to, *self.cc))
        return tuple(dict.fromkeys((*self.delivered_to, *named)))


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message with the bytes of its attachments: `contents[i]` are those of `attachments[i]`."""

    message: Message
    contents: tuple[bytes, ...] = ()
