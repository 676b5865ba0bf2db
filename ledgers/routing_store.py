"""The reads and writes of routing, each for a whole batch of mails at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cases.definitions import definition_of
from cases.events import EMAIL
from ledgers.follow_ups import open_follow_ups
from ledgers.inserts import insert_new
from ledgers.mails import Arrived, DefinitionFacts, Fate, KnownCase, Watcher
from mail.message import Message as Mail
from mail.threading import TokenKeys, clues, read_token
from store import tables
from store.tables import Case, CaseStatus, DefinitionVersion, Intake, IntakeState, Participant

# A routed row is delivered at once by whoever routed it; the delivery watch takes over later.
DELIVERY_GRACE = timedelta(seconds=15)
TEXT_LIMIT = 50_000
ADDRESS_LIMIT = 320


@dataclass(frozen=True, slots=True)
class MailboxFacts:
    """What routing needs of a mailbox."""

    tenant: str
    mailbox_id: str
    address: str
    definition: DefinitionFacts


@dataclass(frozen=True, slots=True)
class Reference:
    """A case that holds a mail of some Message-ID."""

    case_id: str
    # Whether we sent the mail; whoever writes to us may choose any id, that of another's too.
    sent: bool
    # Whether the case is of the mailbox that is asked for.
    here: bool


@dataclass(slots=True)
class Lookup:
    """What the store knows about a batch of mails; `learn` adds what the batch itself shows."""

    twins: dict[tuple[str | None, str], int] = field(default_factory=dict)
    token_cases: dict[str, str] = field(default_factory=dict)
    # By Message-ID, the oldest mail's case first.
    references: dict[str, list[Reference]] = field(default_factory=dict)
    participants: dict[str, frozenset[str]] = field(default_factory=dict)
    cases: dict[str, KnownCase] = field(default_factory=dict)
    sent_ids: set[str] = field(default_factory=set)
    follow_ups: dict[str, str] = field(default_factory=dict)

    def twin(self, mail: Arrived) -> int | None:
        """Return the row of the same mail that came before: same Message-ID, same content."""
        row_id = self.twins.get(_identity(mail.message))
        return None if row_id == mail.row_id else row_id

    def reference_cases(self, mail: Mail) -> dict[str, str]:
        """Return the case that each known id among a mail's references stands for.

        A mail that we sent tells it for certain. Else a case in which the sender takes part goes
        before others, then one of this mailbox, for a mail to two is in a case of each, and then
        the oldest: nobody diverts a thread by sending its ids once more.
        """
        sender = _sender_key(mail)

        def rank(reference: Reference) -> tuple[bool, bool, bool]:
            takes_part = sender in self.participants.get(reference.case_id, ())
            return (not reference.sent, not takes_part, not reference.here)

        return {
            message_id: min(self.references[message_id], key=rank).case_id
            for message_id in clues(mail).references
            if message_id in self.references
        }

    def learn(self, mail: Arrived, case: KnownCase | None) -> None:
        """Let later mails of the batch find this one."""
        self.twins.setdefault(_identity(mail.message), mail.row_id)
        if case is None:
            return
        if mail.message.message_id:
            self.references.setdefault(mail.message.message_id, []).append(
                Reference(case.case_id, sent=False, here=True)
            )
        known = self.participants.get(case.case_id, frozenset())
        self.participants[case.case_id] = known | set(_correspondents(mail.message))


async def mailbox_facts(connection: AsyncConnection, tenant: str, mailbox_id: str) -> MailboxFacts:
    """Return a mailbox with the newest version of its definition."""
    row = (
        await connection.execute(
            select(
                tables.Mailbox.address,
                DefinitionVersion.definition,
                DefinitionVersion.version,
                DefinitionVersion.hash,
                DefinitionVersion.document,
            )
            .join_from(
                tables.Mailbox,
                DefinitionVersion,
                (DefinitionVersion.tenant == tables.Mailbox.tenant)
                & (DefinitionVersion.definition == tables.Mailbox.definition),
            )
            .where(tables.Mailbox.tenant == tenant, tables.Mailbox.id == mailbox_id)
            .order_by(DefinitionVersion.version.desc())
            .limit(1)
        )
    ).one()
    definition = DefinitionFacts(
        row.definition, row.version, row.hash, definition_of(row.document).labels
    )
    return MailboxFacts(tenant, mailbox_id, row.address, definition)


async def look_up(
    connection: AsyncConnection, mailbox: MailboxFacts, keys: TokenKeys, mails: Sequence[Arrived]
) -> Lookup:
    """Return all that the store knows about a batch."""
    lookup = Lookup()
    await _find_twins(connection, mailbox, mails, lookup)
    tokens: set[str] = set()
    ids: set[str] = set()
    for mail in mails:
        found = clues(mail.message)
        tokens.update(found_token.token for found_token in found.tokens)
        ids.update(found.references)
        if mail.message.message_id:
            ids.add(mail.message.message_id)
    for token in sorted(tokens):
        case_id = read_token(keys, mailbox.tenant, mailbox.mailbox_id, token)
        if case_id is not None:
            lookup.token_cases[token] = case_id
    senders = {_sender_key(mail.message) for mail in mails} - {None}
    await _find_references(connection, mailbox, ids, senders, lookup)
    case_ids = {found.case_id for known in lookup.references.values() for found in known}
    case_ids.update(lookup.token_cases.values())
    await _find_cases(connection, mailbox.tenant, case_ids, lookup)
    return lookup


async def _find_twins(
    connection: AsyncConnection, mailbox: MailboxFacts, mails: Sequence[Arrived], lookup: Lookup
) -> None:
    # A mail that reaches two mailboxes is handled in each: only the same mailbox has twins.
    rows = await connection.execute(
        select(Intake.id, Intake.message_id, Intake.digest)
        .where(
            Intake.tenant == mailbox.tenant,
            Intake.mailbox_id == mailbox.mailbox_id,
            Intake.digest.in_([mail.message.digest for mail in mails]),
            Intake.duplicate_of.is_(None),
        )
        .order_by(Intake.id.desc())
    )
    for row in rows:
        if row.digest is not None:
            lookup.twins[(row.message_id, row.digest)] = row.id


async def _find_references(
    connection: AsyncConnection,
    mailbox: MailboxFacts,
    ids: set[str],
    senders: set[str | None],
    lookup: Lookup,
) -> None:
    """Note the cases that `reference_cases` may choose from, of many with one id the oldest."""
    if not ids:
        return
    # A case comes once for each sender of the batch that takes part in it, or once without one.
    rows = await connection.execute(
        select(
            tables.Message.message_id,
            tables.Message.case_id,
            tables.Message.direction,
            Case.mailbox_id,
            Participant.address,
        )
        .join_from(
            tables.Message,
            Case,
            (Case.tenant == tables.Message.tenant) & (Case.id == tables.Message.case_id),
        )
        .outerjoin(
            Participant,
            (Participant.tenant == Case.tenant)
            & (Participant.case_id == Case.id)
            & Participant.address.in_(senders),
        )
        .where(tables.Message.tenant == mailbox.tenant, tables.Message.message_id.in_(sorted(ids)))
        .order_by(tables.Message.id)
    )
    # Anybody may send one id in thousands of mails, each of which opens a case.
    noted = set()
    for row in rows:
        sent, here = row.direction == "out", row.mailbox_id == mailbox.mailbox_id
        if sent:
            lookup.sent_ids.add(row.message_id)
        alike = (row.message_id, row.address, sent, here)
        if alike in noted:
            continue
        noted.add(alike)
        lookup.references.setdefault(row.message_id, []).append(
            Reference(row.case_id, sent=sent, here=here)
        )


async def _find_cases(
    connection: AsyncConnection, tenant: str, case_ids: set[str], lookup: Lookup
) -> None:
    if not case_ids:
        return
    wanted = sorted(case_ids)
    await _read_cases(connection, tenant, wanted, lookup)
    closed = [case.case_id for case in lookup.cases.values() if not case.is_open]
    if closed:
        lookup.follow_ups = await open_follow_ups(connection, tenant, closed)
        await _read_cases(connection, tenant, sorted(lookup.follow_ups.values()), lookup)
    # A case of another tenant's key, or one that is gone, joins nothing.
    lost = [token for token, case_id in lookup.token_cases.items() if case_id not in lookup.cases]
    for token in lost:
        del lookup.token_cases[token]
    for message_id, known in list(lookup.references.items()):
        found = [reference for reference in known if reference.case_id in lookup.cases]
        if found:
            lookup.references[message_id] = found
        else:
            del lookup.references[message_id]


async def _read_cases(
    connection: AsyncConnection, tenant: str, wanted: list[str], lookup: Lookup
) -> None:
    for row in await connection.execute(
        select(
            Case.id,
            Case.status,
            DefinitionVersion.definition,
            DefinitionVersion.version,
            DefinitionVersion.hash,
            DefinitionVersion.document,
        )
        .join_from(
            Case,
            DefinitionVersion,
            (DefinitionVersion.tenant == Case.tenant)
            & (DefinitionVersion.definition == Case.definition)
            & (DefinitionVersion.version == Case.definition_version),
        )
        .where(Case.tenant == tenant, Case.id.in_(wanted))
    ):
        facts = DefinitionFacts(
            row.definition, row.version, row.hash, definition_of(row.document).labels
        )
        lookup.cases[row.id] = KnownCase(row.id, facts, row.status == CaseStatus.OPEN)
        lookup.participants[row.id] = frozenset()
    for member in await connection.execute(
        select(Participant.case_id, Participant.address).where(
            Participant.tenant == tenant, Participant.case_id.in_(wanted)
        )
    ):
        lookup.participants[member.case_id] |= {member.address}


async def write(
    connection: AsyncConnection, watcher: Watcher, fates: Iterable[Fate], now: datetime
) -> None:
    """Write what a batch became: cases first, then messages and participants, then rows."""
    fates = list(fates)
    routed = [fate for fate in fates if fate.case is not None]
    opened = [_case_row(fate, watcher, now) for fate in routed if fate.opens_case]
    if opened:
        await connection.execute(insert(Case), opened)
    if routed:
        await connection.execute(
            insert(tables.Message), [_message_row(fate, watcher) for fate in routed]
        )
        await insert_new(connection, Participant, _participant_rows(routed, watcher))
    if fates:
        await connection.execute(
            update(Intake).where(Intake.tenant == watcher.tenant, Intake.id == bindparam("row")),
            [_intake_row(fate, now) for fate in fates],
        )
        newest = max(fate.mail.received_at for fate in fates)
        await connection.execute(
            update(tables.Mailbox)
            .where(tables.Mailbox.tenant == watcher.tenant, tables.Mailbox.id == watcher.mailbox_id)
            .values(last_mail_at=newest)
        )


def _identity(mail: Mail) -> tuple[str | None, str]:
    return (mail.message_id, mail.digest)


def _correspondents(mail: Mail) -> list[str]:
    """Return who takes part by this mail: whoever wrote it, not whomever it names."""
    key = _sender_key(mail)
    return [key] if key else []


def _sender_key(mail: Mail) -> str | None:
    """Return the sender's address; what is too long for one (RFC 5321, 4.5.3.1) is none."""
    if mail.sender is None or len(mail.sender.key) > ADDRESS_LIMIT:
        return None
    return mail.sender.key


def _case_row(fate: Fate, watcher: Watcher, now: datetime) -> dict[str, object]:
    case = fate.case
    assert case is not None  # noqa: S101 (`write` keeps only fates with a case)
    mail = fate.mail.message
    return {
        "tenant": watcher.tenant,
        "id": case.case_id,
        "definition": case.definition.name,
        "definition_version": case.definition.version,
        "definition_hash": case.definition.hash,
        "mailbox_id": watcher.mailbox_id,
        "customer": _sender_key(mail),
        "subject": mail.subject,
        "initial_data": {},
        "follows": case.follows,
        "status": CaseStatus.OPEN,
        "opened_at": fate.mail.received_at,
        "updated_at": now,
        "revision": 0,
        "opening_id": fate.mail.row_id,
    }


def _message_row(fate: Fate, watcher: Watcher) -> dict[str, object]:
    mail = fate.mail.message
    event = fate.event or {}
    return {
        "tenant": watcher.tenant,
        "case_id": fate.case.case_id if fate.case else None,
        "direction": "in",
        "intake_id": fate.mail.row_id,
        "at": fate.mail.received_at,
        "message_id": mail.message_id,
        "sender": mail.sender.address if mail.sender and _sender_key(mail) else None,
        "sender_name": mail.sender.name[:ADDRESS_LIMIT] if mail.sender else None,
        "recipients": [address.address for address in (*mail.to, *mail.cc)],
        "subject": mail.subject,
        "text": (mail.new_text or mail.text)[:TEXT_LIMIT],
        "references": [*mail.references],
        "attachments": [
            {"name": part.name, "type": part.content_type, "size_bytes": part.size_bytes}
            for part in mail.attachments
        ],
        "robot": fate.robot,
        "classification": {
            key: event.get(key) for key in ("classifier", "label", "confidence", "reason")
        },
    }


def _participant_rows(fates: Iterable[Fate], watcher: Watcher) -> list[dict[str, object]]:
    pairs = {
        (fate.case.case_id, address)
        for fate in fates
        if fate.case is not None
        for address in _correspondents(fate.mail.message)
    }
    return [
        {"tenant": watcher.tenant, "case_id": case_id, "address": address}
        for case_id, address in sorted(pairs)
    ]


def _intake_row(fate: Fate, now: datetime) -> dict[str, object]:
    routed = fate.state is IntakeState.ROUTED
    return {
        "row": fate.mail.row_id,
        "state": fate.state,
        "reason": fate.reason,
        "size_bytes": fate.mail.size_bytes,
        "received_at": fate.mail.received_at,
        "blob": fate.mail.blob,
        "message_id": fate.mail.message.message_id,
        "digest": fate.mail.message.digest,
        "duplicate_of": fate.duplicate_of,
        "case_id": fate.case.case_id if fate.case else None,
        "suggested_case_id": fate.suggested_case_id,
        "event_type": EMAIL if routed else None,
        "event": fate.event,
        "correlation_id": fate.correlation_id,
        "due_at": now + DELIVERY_GRACE if routed else None,
    }
