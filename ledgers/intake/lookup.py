"""What the store knows about a batch of mails, read for the whole batch at once."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Subquery, func, or_, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.errors import MailboxNotFound
from ledgers.casework.follow_ups import carried, chain_ends, wakes
from ledgers.casework.versions import definition_by_hash
from ledgers.intake.bounces import sent_mails
from ledgers.intake.known import Lookup, MailboxFacts, Reference, sender_key
from ledgers.intake.mails import Arrived, KnownCase, PinnedVersion
from ledgers.locks import one_at_a_time
from mail.filters import Rule
from mail.threading import TokenKeys, clues, provider_id, read_token
from store.tables import (
    Case,
    CaseStatus,
    DefinitionVersion,
    Intake,
    IntakeState,
    Mailbox,
    Message,
    Participant,
)

# Of the mails that have an answered id, so many are looked at for whom they name: anybody may
# send one id in thousands of mails.
NAMING_MAILS = 200
# States of a copy that stands for the mail: it is with a case, or will be.
_TAKEN = (
    IntakeState.ROUTED,
    IntakeState.DELIVERED,
    IntakeState.APPLIED,
    IntakeState.REVIEW,
)


async def mailbox_facts(connection: AsyncConnection, tenant: str, mailbox_id: str) -> MailboxFacts:
    """Return a mailbox with the newest version of its definition; raises MailboxNotFound."""
    others = await connection.execute(
        select(Mailbox.id, Mailbox.address, Mailbox.copies).where(Mailbox.tenant == tenant)
    )
    boxes = others.all()
    row = (
        await connection.execute(
            select(Mailbox.address, Mailbox.definition, Mailbox.copies).where(
                Mailbox.tenant == tenant, Mailbox.id == mailbox_id
            )
        )
    ).one_or_none()
    if row is None:
        raise MailboxNotFound(mailbox_id)
    newest = await newest_versions(connection, tenant, {row.definition})
    sharing = [box.id for box in boxes if box.copies == row.copies == "first"]
    return MailboxFacts(
        tenant,
        mailbox_id,
        row.address,
        newest[row.definition],
        own_addresses=frozenset(box.address for box in boxes),
        copies_among=tuple(sharing) or (mailbox_id,),
    )


async def newest_versions(
    connection: AsyncConnection, tenant: str, names: Iterable[str | None]
) -> dict[str, PinnedVersion]:
    """Return the newest version of each of these definitions that there is."""
    wanted = sorted(name for name in set(names) if name)
    if not wanted:
        return {}
    newest = (
        select(DefinitionVersion.definition, func.max(DefinitionVersion.version).label("version"))
        .where(DefinitionVersion.tenant == tenant, DefinitionVersion.definition.in_(wanted))
        .group_by(DefinitionVersion.definition)
        .subquery()
    )
    rows = await connection.execute(
        select(DefinitionVersion.definition, DefinitionVersion.version, DefinitionVersion.hash)
        .join(
            newest,
            (DefinitionVersion.definition == newest.c.definition)
            & (DefinitionVersion.version == newest.c.version),
        )
        .where(DefinitionVersion.tenant == tenant)
    )
    found = {}
    for row in rows.all():
        definition = await definition_by_hash(connection, tenant, row.hash)
        found[row.definition] = PinnedVersion(row.definition, row.version, row.hash, definition)
    return found


async def look_up(
    connection: AsyncConnection,
    mailbox: MailboxFacts,
    keys: TokenKeys,
    mails: Sequence[Arrived],
    rules: Mapping[int, Rule] = MappingProxyType({}),
) -> Lookup:
    """Return all that the store knows about a batch; `rules` are those that its mails meet."""
    lookup = Lookup(rules=rules)
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
    outbox_ids = await _find_references(connection, mailbox, ids, mails, lookup)
    case_ids = {found.case_id for known in lookup.references.values() for found in known}
    case_ids.update(lookup.token_cases.values())
    await _find_cases(connection, mailbox.tenant, case_ids, lookup)
    if any(mail.message.report for mail in mails):
        lookup.sent = await sent_mails(
            connection, mailbox.tenant, outbox_ids, set(lookup.token_cases.values())
        )
    await _find_versions(connection, mailbox.tenant, lookup)
    return lookup


async def find_case(
    connection: AsyncConnection, tenant: str, case_id: str, lookup: Lookup
) -> KnownCase | None:
    """Return a case of the tenant, its follow-ups looked up as well, or None."""
    await _find_cases(connection, tenant, {case_id}, lookup)
    await _find_versions(connection, tenant, lookup)
    return lookup.cases.get(case_id)


async def _find_twins(
    connection: AsyncConnection, mailbox: MailboxFacts, mails: Sequence[Arrived], lookup: Lookup
) -> None:
    shared = len(mailbox.copies_among) > 1
    if shared:
        # Two mailboxes may be reading the same mail right now.
        await one_at_a_time(connection, "copies", mailbox.tenant)
    rows = await connection.execute(
        select(Intake.id, Intake.message_id, Intake.digest)
        .where(
            Intake.tenant == mailbox.tenant,
            Intake.mailbox_id.in_(mailbox.copies_among),
            Intake.digest.in_([mail.message.digest for mail in mails]),
            Intake.duplicate_of.is_(None),
            # What another mailbox has put aside is still this one's to handle.
            or_(Intake.mailbox_id == mailbox.mailbox_id, Intake.state.in_(_TAKEN)),
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
    mails: Sequence[Arrived],
    lookup: Lookup,
) -> set[int]:
    """Note the cases that `reference_cases` may choose from, of many with one id the oldest.

    Returns the outbox rows of those mails among them that we sent.
    """
    if not ids:
        return set()
    by_provider: dict[str, set[str]] = {}
    for message_id in ids:
        by_provider.setdefault(provider_id(message_id), set()).add(message_id)
    senders = {sender_key(mail.message) for mail in mails} - {None}
    found = _messages_with(mailbox.tenant, ids, by_provider)
    # A case comes once for each sender of the batch that takes part in it, or once without one.
    rows = await connection.execute(
        select(
            Message.message_id,
            Message.provider_id,
            Message.case_id,
            Message.direction,
            Message.outbox_id,
            Message.subject,
            Case.mailbox_id,
            Participant.address,
        )
        .join_from(found, Message, Message.id == found.c.id)
        .join(Case, (Case.tenant == Message.tenant) & (Case.id == Message.case_id))
        .outerjoin(
            Participant,
            (Participant.tenant == Case.tenant)
            & (Participant.case_id == Case.id)
            & Participant.address.in_(senders),
        )
        .order_by(Message.id)
    )
    # Anybody may send one id in thousands of mails, each of which opens a case.
    noted = set()
    taking: dict[str, set[str]] = {}
    outbox_ids: set[int] = set()
    for row in rows:
        sent, here = row.direction == "out", row.mailbox_id == mailbox.mailbox_id
        for message_id in {row.message_id, *by_provider.get(row.provider_id, ())} & ids:
            if sent:
                lookup.sent_subjects[message_id] = row.subject
                outbox_ids.add(row.outbox_id)
            if row.address is not None:
                taking.setdefault(message_id, set()).add(row.address)
            alike = (message_id, row.address, sent, here)
            if alike not in noted:
                noted.add(alike)
                lookup.references.setdefault(message_id, []).append(
                    Reference(row.case_id, sent=sent, here=here)
                )
    await _find_named(connection, mailbox, mails, taking, lookup)
    return outbox_ids


def _messages_with(tenant: str, ids: Iterable[str], provider_ids: Iterable[str]) -> Subquery:
    """Return the messages that have one of these ids, each by its index.

    One condition with "or" would make SQLite read all the tenant's messages.
    """
    by_id = select(Message.id).where(Message.tenant == tenant, Message.message_id.in_(sorted(ids)))
    by_provider = select(Message.id).where(
        Message.tenant == tenant, Message.provider_id.in_(sorted(provider_ids))
    )
    return union(by_id, by_provider).subquery()


async def _find_named(
    connection: AsyncConnection,
    mailbox: MailboxFacts,
    mails: Sequence[Arrived],
    taking: dict[str, set[str]],
    lookup: Lookup,
) -> None:
    """Note whom the mails name that the batch answers for others than their participants."""
    asked: dict[str, set[str]] = {}
    for mail in mails:
        sender = sender_key(mail.message)
        for message_id in clues(mail.message).references:
            known = message_id in lookup.references
            if sender is not None and known and sender not in taking.get(message_id, ()):
                asked.setdefault(message_id, set()).add(sender)
    if not asked:
        return
    rows = await connection.execute(
        select(Message.message_id, Message.case_id, Message.recipients, Case.mailbox_id)
        .join_from(Message, Case, (Case.tenant == Message.tenant) & (Case.id == Message.case_id))
        .where(
            Message.tenant == mailbox.tenant,
            Message.message_id.in_(sorted(asked)),
            Message.direction == "in",
        )
        .order_by(Message.id)
        .limit(NAMING_MAILS)
    )
    for row in rows:
        named = frozenset(address.lower() for address in row.recipients) & asked[row.message_id]
        if named:
            here = row.mailbox_id == mailbox.mailbox_id
            lookup.references[row.message_id].append(
                Reference(row.case_id, sent=False, here=here, named=named)
            )


async def _find_cases(
    connection: AsyncConnection, tenant: str, case_ids: set[str], lookup: Lookup
) -> None:
    if not case_ids:
        return
    await _read_cases(connection, tenant, sorted(case_ids), lookup)
    closed = [case.case_id for case in lookup.cases.values() if not case.is_open]
    if closed:
        lookup.ends = await chain_ends(connection, tenant, closed)
        unread = set(lookup.ends.values()) - set(lookup.cases)
        await _read_cases(connection, tenant, sorted(unread), lookup)
    # A case of another tenant's key, or one that is gone, joins nothing.
    lost = [token for token, case_id in lookup.token_cases.items() if case_id not in lookup.cases]
    for token in lost:
        del lookup.token_cases[token]


async def _read_cases(
    connection: AsyncConnection, tenant: str, wanted: Sequence[str], lookup: Lookup
) -> None:
    if not wanted:
        return
    rows = await connection.execute(
        select(
            Case.id,
            Case.status,
            Case.definition,
            Case.definition_version,
            Case.definition_hash,
            carried(),
        ).where(Case.tenant == tenant, Case.id.in_(wanted))
    )
    for row in rows.all():
        definition = await definition_by_hash(connection, tenant, row.definition_hash)
        lookup.cases[row.id] = KnownCase(
            row.id,
            PinnedVersion(row.definition, row.definition_version, row.definition_hash, definition),
            is_open=row.status == CaseStatus.OPEN,
            wakes=wakes(row.status, definition, is_carried=row.is_carried),
        )
        lookup.participants[row.id] = frozenset()
    members = await connection.execute(
        select(Participant.case_id, Participant.address).where(
            Participant.tenant == tenant, Participant.case_id.in_(wanted)
        )
    )
    for member in members:
        lookup.participants[member.case_id] |= {member.address}


async def _find_versions(connection: AsyncConnection, tenant: str, lookup: Lookup) -> None:
    """Note the versions that new cases may need: those of rules, and of follow-ups."""
    names = {rule.definition for rule in lookup.rules.values()}
    names |= {lookup.cases[end].definition.name for end in lookup.ends.values()}
    lookup.newest = await newest_versions(connection, tenant, names)
