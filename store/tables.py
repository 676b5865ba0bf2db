"""Every table, each with its tenant: there is no query without one.

Times are aware UTC; UIDs and UIDVALIDITY are unsigned 32-bit numbers (RFC 9051, 2.3.1.1).
The ledgers (`Intake`, `Outbox`) hold the product's two promises; `Case`, `Message` and
`TraceEntry` are the read model, which outlives Temporal's retention.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

# A JSON column holds what its writer put there; the typed models of contracts/ read it.
JsonValue = Any


class UtcDateTime(TypeDecorator[datetime]):
    """A time that is aware and UTC on both sides; SQLite forgets zones, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC; a naive one is our bug."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive time reached the database: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored time as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """The base of all tables."""

    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
        bytes: LargeBinary,
    }


class User(Table):
    """A person who may log in; the password only as an argon2 hash."""

    __tablename__ = "users"
    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    username: Mapped[str] = mapped_column(String(128), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    role: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]


class DefinitionVersion(Table):
    """One immutable version of a case definition, addressed by its content hash."""

    __tablename__ = "definition_versions"
    __table_args__ = (UniqueConstraint("tenant", "definition", "hash"),)
    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    definition: Mapped[str] = mapped_column(String(128), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), index=True)
    document: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))
    # What the check said at registration; none for versions of before there was one.
    soundness: Mapped[str | None] = mapped_column(String(16))


class MailboxStatus(StrEnum):
    """Whether a mailbox is watched."""

    ACTIVE = "active"
    PAUSED = "paused"


class Mailbox(Table):
    """A watched folder of an account, how to reach it, and its health.

    `epoch` fences: each watch takes the next one, and a write with an older one changes
    nothing. Mail of `uidvalidity` below `start_uid` was there before the mailbox was
    attached: it is ignored(before start), as a range.
    """

    __tablename__ = "mailboxes"
    __table_args__ = (UniqueConstraint("tenant", "address", "folder"),)
    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    address: Mapped[str] = mapped_column(String(320))
    name: Mapped[str] = mapped_column(String(200))
    definition: Mapped[str] = mapped_column(String(128))
    status: Mapped[str] = mapped_column(String(16))
    imap_host: Mapped[str] = mapped_column(String(255))
    imap_port: Mapped[int]
    imap_tls: Mapped[str] = mapped_column(String(16))
    imap_username: Mapped[str] = mapped_column(String(320))
    imap_secret: Mapped[str]
    folder: Mapped[str] = mapped_column(String(255))
    sent_folder: Mapped[str | None] = mapped_column(String(255))
    smtp_host: Mapped[str] = mapped_column(String(255))
    smtp_port: Mapped[int]
    smtp_tls: Mapped[str] = mapped_column(String(16))
    smtp_username: Mapped[str | None] = mapped_column(String(320))
    smtp_secret: Mapped[str | None]
    plus_addressing: Mapped[bool]
    replies_per_day: Mapped[int]
    # Models of mail.filters, in the order in which they are tried.
    rules: Mapped[list[Any]] = mapped_column(JSON, default=list)
    copies: Mapped[str] = mapped_column(String(16), default="each")
    subject_token: Mapped[bool] = mapped_column(default=False)
    after_handling: Mapped[str] = mapped_column(String(16), default="leave")
    after_folder: Mapped[str | None] = mapped_column(String(255))
    sends_per_minute: Mapped[int | None]
    intake_per_minute: Mapped[int | None]
    # Whose Authentication-Results are believed (RFC 8601, 2.5); None: nobody's.
    authserv_id: Mapped[str | None] = mapped_column(String(255))
    alerts_to: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime]
    epoch: Mapped[int] = mapped_column(default=0)
    attached_at: Mapped[datetime | None]
    uidvalidity: Mapped[int | None] = mapped_column(BigInteger)
    start_uid: Mapped[int | None] = mapped_column(BigInteger)
    connected: Mapped[bool] = mapped_column(default=False)
    checked_at: Mapped[datetime | None]
    # The watermark: all mail that the server received until then is in the ledger.
    read_until: Mapped[datetime | None]
    # Until when a deadline wants it read: the watch looks at once where that is later.
    wanted_until: Mapped[datetime | None]
    # What the newest reconciliation found missing, and when that was.
    gaps: Mapped[int] = mapped_column(default=0)
    reconciled_at: Mapped[datetime | None]
    last_mail_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    last_error_at: Mapped[datetime | None]


class IntakeState(StrEnum):
    """Where a message that came in stands; the last four are ends."""

    SEEN = "seen"
    ROUTED = "routed"
    DELIVERED = "delivered"
    REVIEW = "review"
    APPLIED = "applied"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"


IGNORED_OF_CASES = "state = 'ignored' AND case_id IS NOT NULL"


class Intake(Table):
    """The ledger of what came in: one row for each mail that a server lists, or API event.

    The row's id is the event's id in the case. `event` is the data of the
    signal's event.
    """

    __tablename__ = "intake"
    __table_args__ = (
        UniqueConstraint("tenant", "mailbox_id", "folder", "uidvalidity", "uid"),
        UniqueConstraint("tenant", "case_id", "external_id"),
        Index("intake_by_state", "tenant", "state", "due_at"),
        Index("intake_by_content", "tenant", "digest"),
        Index("intake_by_case", "tenant", "case_id"),
        # What alarms look for every 30 seconds: few rows of many.
        Index(
            "intake_ignored_of_cases",
            "tenant",
            "seen_at",
            sqlite_where=text(IGNORED_OF_CASES),
            postgresql_where=text(IGNORED_OF_CASES),
        ),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    seen_at: Mapped[datetime]
    received_at: Mapped[datetime]
    mailbox_id: Mapped[str | None] = mapped_column(String(32))
    folder: Mapped[str | None] = mapped_column(String(255))
    uidvalidity: Mapped[int | None] = mapped_column(BigInteger)
    uid: Mapped[int | None] = mapped_column(BigInteger)
    size_bytes: Mapped[int | None]
    blob: Mapped[str | None] = mapped_column(String(255))
    message_id: Mapped[str | None] = mapped_column(String(998))
    digest: Mapped[str | None] = mapped_column(String(64))
    external_id: Mapped[str | None] = mapped_column(String(255))
    duplicate_of: Mapped[int | None]
    case_id: Mapped[str | None] = mapped_column(String(32))
    suggested_case_id: Mapped[str | None] = mapped_column(String(32))
    # Ties log entries together, from the request or the reading of a mail to the activities.
    correlation_id: Mapped[str | None] = mapped_column(String(64))
    event_type: Mapped[str | None] = mapped_column(String(128))
    event: Mapped[dict[str, Any] | None]
    deliveries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    applied_at: Mapped[datetime | None]
    # When the mail was flagged or moved on its server, where the mailbox asks for that.
    handled_at: Mapped[datetime | None]
    # Who decided what becomes of a row under review or in quarantine, and when.
    decided_by: Mapped[str | None] = mapped_column(String(128))
    decided_at: Mapped[datetime | None]


class CaseStatus(StrEnum):
    """Whether a case still takes events."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"


MAX_STATE_CHARS = 255


class Case(Table):
    """The read model of a case. `revision` grows with each recorded step; older writes lose."""

    __tablename__ = "cases"
    __table_args__ = (
        Index("cases_by_time", "tenant", "opened_at", "id"),
        Index("cases_by_status", "tenant", "status", "opened_at"),
        Index("cases_by_customer", "tenant", "customer"),
        Index("cases_by_predecessor", "tenant", "follows"),
        Index("cases_by_parent", "tenant", "parent"),
        Index("cases_by_root", "tenant", "root"),
    )
    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    definition: Mapped[str] = mapped_column(String(128))
    definition_version: Mapped[int]
    definition_hash: Mapped[str] = mapped_column(String(64))
    mailbox_id: Mapped[str | None] = mapped_column(String(32))
    customer: Mapped[str | None] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(String(998))
    initial_data: Mapped[dict[str, Any]]
    follows: Mapped[str | None] = mapped_column(String(32))
    # The intake row that minted the case, and for a case started by API, the digest of its
    # request: the same Idempotency-Key with another request is refused.
    opening_id: Mapped[int | None]
    request_digest: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(BigInteger, default=0)
    # The states in which it stands, with commas between; cut where they are too many.
    state: Mapped[str | None] = mapped_column(String(MAX_STATE_CHARS))
    label: Mapped[str | None] = mapped_column(String(128))
    # A contracts.case.Snapshot as of `revision`; None before the first step is recorded.
    snapshot: Mapped[dict[str, Any] | None]
    # A contracts.case.Carried of a closed case whose definition lets mail reach it again.
    carried: Mapped[dict[str, Any] | None]
    # Of a sub-case: the case that runs it and by which action, the case at the top, and how many
    # cases are above it. `net` is which net of its definition it runs; None is the main one.
    parent: Mapped[str | None] = mapped_column(String(32))
    parent_firing: Mapped[int | None]
    parent_index: Mapped[int | None]
    root: Mapped[str | None] = mapped_column(String(32))
    net: Mapped[str | None] = mapped_column(String(64))
    depth: Mapped[int] = mapped_column(default=0)


class Participant(Table):
    """An address that wrote to a case or was written to: who may join its thread."""

    __tablename__ = "participants"
    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    case_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    address: Mapped[str] = mapped_column(String(320), primary_key=True)


class Message(Table):
    """A mail of a case, in or out, as people and templates read it; raw bytes are elsewhere.

    Of one Message-ID there may be several: a sender reuses it, or two cases share a notice.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_by_case", "tenant", "case_id", "at"),
        Index("messages_by_message_id", "tenant", "message_id"),
        Index("messages_by_intake", "tenant", "intake_id"),
        Index("messages_by_provider_id", "tenant", "provider_id"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(String(64))
    case_id: Mapped[str] = mapped_column(String(32))
    direction: Mapped[str] = mapped_column(String(3))
    intake_id: Mapped[int | None]
    outbox_id: Mapped[int | None]
    at: Mapped[datetime]
    message_id: Mapped[str | None] = mapped_column(String(998))
    sender: Mapped[str | None] = mapped_column(String(320))
    sender_name: Mapped[str | None] = mapped_column(String(320))
    recipients: Mapped[list[str]]
    subject: Mapped[str] = mapped_column(String(998))
    # What the sender wrote anew; `full_text` is all of it, where that is more.
    text: Mapped[str]
    full_text: Mapped[str | None]
    references: Mapped[list[str]]
    attachments: Mapped[list[Any]] = mapped_column(JSON)
    # Why it may not be answered (RFC 3834), or None.
    robot: Mapped[str | None] = mapped_column(String(64))
    # What kind of mail it is, and who says that its sender is who it names (mail.message).
    kind: Mapped[str | None] = mapped_column(String(32))
    authentication: Mapped[dict[str, Any] | None]
    # The id that a provider gave a mail of ours instead of its Message-ID.
    provider_id: Mapped[str | None] = mapped_column(String(255))
    classification: Mapped[dict[str, Any] | None]


class File(Table):
    """A file that a mail brought or a program uploaded; its bytes are a blob."""

    __tablename__ = "files"
    __table_args__ = (Index("files_by_intake", "tenant", "intake_id"),)
    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    # Safe as a file name on any system.
    name: Mapped[str] = mapped_column(String(255))
    # What the bytes are, which may differ from what the mail said.
    content_type: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    blob: Mapped[str] = mapped_column(String(255))
    intake_id: Mapped[int | None]
    created_by: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[datetime]


class Reconciliation(Table):
    """One comparison of a mailbox's server with the ledger: what was missing, what was mended."""

    __tablename__ = "reconciliations"
    __table_args__ = (
        Index("reconciliations_by_mailbox", "tenant", "mailbox_id", "at"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(String(64))
    mailbox_id: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    # A ledgers.reconcile report as JSON.
    report: Mapped[dict[str, Any]]


class TraceEntry(Table):
    """One step of a case: the event, what was enabled, which guard said what, and why."""

    __tablename__ = "trace"
    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    case_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    entry: Mapped[dict[str, Any]]


class OutboxState(StrEnum):
    """Where a mail that goes out stands.

    Before DATA: `intended`. From the moment before DATA until its answer is known:
    `attempting`. What another owner left there is `unknown`.
    """

    INTENDED = "intended"
    ATTEMPTING = "attempting"
    UNKNOWN = "unknown"
    HELD = "held"
    SENT = "sent"
    PARTLY_SENT = "partly_sent"
    FILED = "filed"
    REFUSED = "refused"
    SUPPRESSED = "suppressed"
    DROPPED = "dropped"


class Outbox(Table):
    """The ledger of what goes out: one row for each side effect, with its frozen bytes.

    The key is case, firing and action index; `digest` is the request's, checked when it
    comes again.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("tenant", "case_id", "firing", "action_index"),
        Index("outbox_by_state", "tenant", "state", "created_at"),
        Index("outbox_by_correspondent", "tenant", "correspondent", "created_at"),
        Index("outbox_by_case", "tenant", "case_id"),
        Index("outbox_by_attempt", "tenant", "mailbox_id", "attempted_at"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant: Mapped[str] = mapped_column(String(64))
    case_id: Mapped[str] = mapped_column(String(32))
    firing: Mapped[int]
    action_index: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None]
    mailbox_id: Mapped[str | None] = mapped_column(String(32))
    message_id: Mapped[str] = mapped_column(String(255))
    correspondent: Mapped[str] = mapped_column(String(320))
    recipients: Mapped[list[str]]
    envelope_from: Mapped[str] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(String(998))
    # The template's name; None for the product's own notices.
    template: Mapped[str | None] = mapped_column(String(128))
    # Why a row is held: for approval, as a loop, given up; a ledgers.outbox.HeldFor.
    held_for: Mapped[str | None] = mapped_column(String(16))
    raw: Mapped[bytes]
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    attempted_at: Mapped[datetime | None]
    evidence: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class OutboxRecipient(Table):
    """A further recipient of a reply: the first is the row's `correspondent`. For caps."""

    __tablename__ = "outbox_recipients"
    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    address: Mapped[str] = mapped_column(String(320), primary_key=True)
    outbox_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
