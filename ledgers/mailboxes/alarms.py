"""Alarms: what keeps a mailbox from doing its work, for the API, and told by mail.

An alarm is derived from the mailbox and its ledger, never stored. What is stored is that it was
told: a row of the outbox, whose key is the mailbox, the alarm's number, its kind, and whether it
was raised or cleared, so that no two processes tell it twice.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlalchemy import func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.outbox import SendRequest
from ledgers.casework.follow_ups import BOUNCE_OF_CLOSED
from ledgers.locks import one_at_a_time
from ledgers.mailboxes import health
from ledgers.outbox import freezing
from ledgers.outbox.rows import Frozen
from mail.message import Address
from mail.writing.compose import BadDraft, Draft, MailKind, compose
from store import mailboxes
from store.database import Database
from store.mailboxes import StoredMailbox
from store.tables import Intake, IntakeState, MailboxStatus, Outbox, OutboxState

log = structlog.get_logger()

KIND = "alarm"
RAISED, CLEARED = 0, 1
# What mends itself, or breaks again, within so long wakes nobody.
TOLD_AFTER = timedelta(minutes=1)
# While an alarm stands, what comes to it anew is told at most so often.
AGAIN_AFTER = timedelta(hours=1)
# A bounce is no state that ends: it is listed for so long.
BOUNCE_LISTED = timedelta(days=1)
MAX_BOUNCES = 100
OVER = "it was over before it could be told"


class AlarmKind(StrEnum):
    """What kind of trouble a mailbox is in; their order numbers the mails that tell of them."""

    UNREAD = "unread"
    GAPS = "gaps"
    QUARANTINE = "quarantine"
    BOUNCE = "bounce"


_ADVICE: Mapping[AlarmKind, str] = {
    AlarmKind.UNREAD: "Look at it with `everpost mailboxes list`; `everpost mailboxes test {id}`"
    " says which step of the connection fails, and what to do.",
    AlarmKind.GAPS: "`everpost mailboxes reconciliations {id}` names the mails;"
    " `everpost mailboxes reconcile {id}` looks again.",
    AlarmKind.QUARANTINE: "`everpost quarantine list` shows what waits there to be released or"
    " discarded.",
    AlarmKind.BOUNCE: "Somebody has not got a mail of a case that is closed:"
    " `GET /api/v1/ledger/rows` has the report, with its case.",
}
_RETURNED = "returned for good, of cases that are closed"
_SETTLING = frozenset({AlarmKind.UNREAD, AlarmKind.GAPS})


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong with a mailbox, since when, and what to do about it."""

    mailbox_id: str
    address: str
    kind: AlarmKind
    since: datetime
    problems: tuple[str, ...]
    what_to_do: str
    # The newest ledger row of it, where it is made of such.
    newest: int | None = None


Key = tuple[str, AlarmKind]


@dataclass(frozen=True, slots=True)
class _Told:
    """The newest mail that told of an alarm."""

    id: int
    number: int
    raised: bool
    at: datetime


async def open_alarms(connection: AsyncConnection, tenant: str, now: datetime) -> list[Alarm]:
    """Return what is wrong with a tenant's active mailboxes now."""
    quarantined = await _quarantined(connection, tenant)
    bounced = await _bounced(connection, tenant, now)
    found = []
    for mailbox in await mailboxes.all_of(connection, tenant):
        if mailbox.status is MailboxStatus.ACTIVE:
            found += _of_health(mailbox, now)
            found += _of_rows(mailbox, AlarmKind.QUARANTINE, quarantined, "in quarantine")
            found += _of_rows(mailbox, AlarmKind.BOUNCE, bounced, _RETURNED)
    return found


@dataclass(slots=True)
class Teller:
    """Tells of one tenant's alarms by mail; one for each process, any number at once.

    It remembers since when it has seen an alarm stand, or be over: a process that starts anew
    takes a minute longer.
    """

    database: Database
    tenant: str
    _standing: dict[Key, datetime] = field(default_factory=dict)
    _over: dict[Key, datetime] = field(default_factory=dict)

    async def tell(self, now: datetime) -> list[int]:
        """Write the mails that tell of alarms; return all such that are to be sent."""
        async with self.database.read() as connection:
            boxes = await mailboxes.all_of(connection, self.tenant)
            alarms = {
                (alarm.mailbox_id, alarm.kind): alarm
                for alarm in await open_alarms(connection, self.tenant, now)
            }
            told = await _told(connection, self.tenant, [mailbox.id for mailbox in boxes])
        self._remember(alarms, now)
        red = {mailbox_id for mailbox_id, kind in alarms if kind is AlarmKind.UNREAD}
        for mailbox in boxes:
            if mailbox.status is MailboxStatus.ACTIVE and mailbox.settings.alerts_to:
                sender = _sender(mailbox, boxes, red)
                for kind in AlarmKind:
                    key = (mailbox.id, kind)
                    if self._is_news(key, alarms.get(key), told.get(key), now):
                        await self._write(mailbox, sender, kind, alarms.get(key), now)
        return await self._unsent()

    def _remember(self, alarms: Mapping[Key, Alarm], now: datetime) -> None:
        for key in self._standing.keys() - alarms.keys():
            del self._standing[key]
            self._over[key] = now
        for key in alarms:
            self._standing.setdefault(key, now)
            self._over.pop(key, None)

    def _is_news(self, key: Key, alarm: Alarm | None, told: _Told | None, now: datetime) -> bool:
        raised = told is not None and told.raised
        patience = TOLD_AFTER if key[1] in _SETTLING else timedelta(0)
        if alarm is None:
            since = self._over.setdefault(key, now)
            return raised and key[1] is not AlarmKind.BOUNCE and now - since >= patience
        if now - self._standing[key] < patience:
            return False
        if alarm.newest is None or told is None:
            return not raised
        return alarm.newest > told.number and (not raised or now - told.at >= AGAIN_AFTER)

    async def _write(
        self,
        mailbox: StoredMailbox,
        sender: StoredMailbox,
        kind: AlarmKind,
        alarm: Alarm | None,
        now: datetime,
    ) -> None:
        """Write one mail, unless somebody else was faster."""
        key = (mailbox.id, kind)
        try:
            mail = _mail(mailbox, sender, kind, alarm, now)
        except BadDraft as error:
            # Of one mailbox: the others' alarms, and all deliveries, must go on.
            log.warning("alarm.not_told", tenant=self.tenant, mailbox=mailbox.id, error=str(error))
            return
        async with self.database.write() as connection:
            await one_at_a_time(connection, KIND, self.tenant, mailbox.id)
            told = (await _told(connection, self.tenant, [mailbox.id])).get(key)
            if not self._is_news(key, alarm, told, now):
                return
            number = told.number if told else 0
            if alarm is not None:
                number = number + 1 if alarm.newest is None else alarm.newest
            over = alarm is None and told is not None and await self._withdrawn(connection, told)
            request = SendRequest(
                tenant=self.tenant,
                case_id=mailbox.id,
                definition_hash="",
                firing=number,
                action_index=_index(kind, CLEARED if alarm is None else RAISED),
                kind="alarm",
            )
            await freezing.freeze_alarm(
                connection, request, replace(mail, suppressed=OVER if over else None)
            )

    async def _withdrawn(self, connection: AsyncConnection, told: _Told) -> bool:
        """Keep a mail from going out of which no attempt was made; return whether it was so."""
        done = await connection.execute(
            update(Outbox)
            .where(
                Outbox.tenant == self.tenant,
                Outbox.id == told.id,
                Outbox.state == OutboxState.INTENDED,
                Outbox.attempts == 0,
            )
            .values(state=OutboxState.SUPPRESSED, reason=OVER)
        )
        return done.rowcount > 0

    async def _unsent(self) -> list[int]:
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(Outbox.id).where(
                    Outbox.tenant == self.tenant,
                    Outbox.kind == KIND,
                    Outbox.state.in_((OutboxState.INTENDED, OutboxState.ATTEMPTING)),
                )
            )
            return list(rows.scalars())


def _of_health(mailbox: StoredMailbox, now: datetime) -> list[Alarm]:
    watched = mailbox.health
    # All was well when its mail was last read to the end.
    since = watched.read_until or mailbox.created_at
    unread = health.reasons(replace(watched, gaps=0), mailbox.created_at, now)
    found = [_alarm(mailbox, AlarmKind.UNREAD, since, unread)] if unread else []
    if watched.gaps:
        problem = f"{_mails(watched.gaps)} missing in the ledger"
        found.append(_alarm(mailbox, AlarmKind.GAPS, watched.reconciled_at or since, (problem,)))
    return found


@dataclass(frozen=True, slots=True)
class _Rows:
    """Ledger rows that make an alarm of a mailbox."""

    count: int
    first: datetime
    newest: int


def _of_rows(
    mailbox: StoredMailbox, kind: AlarmKind, found: Mapping[str, _Rows], words: str
) -> list[Alarm]:
    rows = found.get(mailbox.id)
    if rows is None:
        return []
    alarm = _alarm(mailbox, kind, rows.first, (f"{_mails(rows.count)} {words}",))
    return [replace(alarm, newest=rows.newest)]


def _mails(count: int) -> str:
    return "1 mail is" if count == 1 else f"{count} mails are"


def _alarm(
    mailbox: StoredMailbox, kind: AlarmKind, since: datetime, problems: tuple[str, ...]
) -> Alarm:
    advice = _ADVICE[kind].format(id=mailbox.id)
    return Alarm(mailbox.id, mailbox.settings.address, kind, since, problems, advice)


async def _quarantined(connection: AsyncConnection, tenant: str) -> dict[str, _Rows]:
    """Return which mails of each mailbox wait in quarantine."""
    rows = await connection.execute(
        select(
            Intake.mailbox_id,
            func.count().label("mails"),
            func.min(Intake.seen_at).label("first"),
            func.max(Intake.id).label("newest"),
        )
        .where(
            Intake.tenant == tenant,
            Intake.state == IntakeState.QUARANTINED,
            Intake.decided_at.is_(None),
        )
        .group_by(Intake.mailbox_id)
    )
    return {
        row.mailbox_id: _Rows(row.mails, row.first, row.newest) for row in rows if row.mailbox_id
    }


async def _bounced(connection: AsyncConnection, tenant: str, now: datetime) -> dict[str, _Rows]:
    """Return which mails of closed cases were refused for good of late, by mailbox."""
    rows = (
        await connection.execute(
            select(Intake.id, Intake.mailbox_id, Intake.case_id, Intake.seen_at)
            .where(
                Intake.tenant == tenant,
                Intake.seen_at > now - BOUNCE_LISTED,
                # Word for word as the index has it, or it is not used.
                literal_column("state = 'ignored'"),
                Intake.case_id.is_not(None),
                Intake.reason == BOUNCE_OF_CLOSED,
            )
            .order_by(Intake.seen_at.desc())
            .limit(MAX_BOUNCES)
        )
    ).all()
    hard = await _hard(connection, tenant, {row.case_id for row in rows if row.case_id})
    found: dict[str, _Rows] = {}
    for row in rows:
        if row.mailbox_id is not None and row.id in hard:
            known = found.get(row.mailbox_id, _Rows(0, row.seen_at, 0))
            newest = max(known.newest, row.id)
            found[row.mailbox_id] = _Rows(known.count + 1, min(known.first, row.seen_at), newest)
    return found


async def _hard(connection: AsyncConnection, tenant: str, case_ids: set[str]) -> set[int]:
    """Return the rows of the reports that say of a mail of these cases that it never arrives."""
    if not case_ids:
        return set()
    evidence = await connection.execute(
        select(Outbox.evidence).where(Outbox.tenant == tenant, Outbox.case_id.in_(sorted(case_ids)))
    )
    return {
        entry["row"]
        for noted in evidence.scalars()
        for entry in (noted or {}).get("bounced", [])
        if entry["hard"]
    }


async def _told(
    connection: AsyncConnection, tenant: str, mailbox_ids: Sequence[str]
) -> dict[Key, _Told]:
    """Return the newest mail of each alarm."""
    rows = await connection.execute(
        select(Outbox.id, Outbox.case_id, Outbox.firing, Outbox.action_index, Outbox.created_at)
        .where(Outbox.tenant == tenant, Outbox.case_id.in_(mailbox_ids), Outbox.kind == KIND)
        .order_by(Outbox.id)
    )
    kinds = tuple(AlarmKind)
    return {
        (row.case_id, kinds[row.action_index // 2]): _Told(
            row.id, row.firing, row.action_index % 2 == RAISED, row.created_at
        )
        for row in rows
    }


def _index(kind: AlarmKind, told: int) -> int:
    return tuple(AlarmKind).index(kind) * 2 + told


def _sender(
    mailbox: StoredMailbox, others: Sequence[StoredMailbox], red: set[str]
) -> StoredMailbox:
    """Return the mailbox that sends: one that can be reached, if there is any."""
    well = (m for m in others if m.status is MailboxStatus.ACTIVE and m.id not in red)
    return mailbox if mailbox.id not in red else next(well, mailbox)


def _mail(
    mailbox: StoredMailbox,
    sender: StoredMailbox,
    kind: AlarmKind,
    alarm: Alarm | None,
    now: datetime,
) -> Frozen:
    recipients = tuple(mailbox.settings.alerts_to)
    subject, text = _words(mailbox.settings.address, kind, alarm)
    address = sender.settings.address
    message_id = f"<alarm.{secrets.token_hex(12)}@{address.rpartition('@')[2]}>"
    raw = compose(
        Draft(
            kind=MailKind.NOTICE,
            sender=Address(sender.settings.name, address),
            to=tuple(Address("", recipient) for recipient in recipients),
            subject=subject,
            text=text,
            message_id=message_id,
            date=now,
        )
    )
    return Frozen(
        raw=raw,
        message_id=message_id,
        # What tells of trouble must not make some: nothing comes back (RFC 3834, 3.3).
        envelope_from="",
        recipients=recipients,
        sender=address,
        subject=subject,
        text=text,
        references=(),
        mailbox_id=sender.id,
        replies_per_day=sender.settings.replies_per_day,
    )


_ENDED: Mapping[AlarmKind, str] = {
    AlarmKind.UNREAD: "Its folder is listed again, and its mail is read.",
    AlarmKind.GAPS: "No mail is missing in the ledger any more.",
    AlarmKind.QUARANTINE: "All mail in quarantine has been decided about.",
    AlarmKind.BOUNCE: "",
}


def _words(address: str, kind: AlarmKind, alarm: Alarm | None) -> tuple[str, str]:
    if alarm is None:
        return f"Mailbox {address} is well again: {kind}", f"{_ENDED[kind]}\n"
    since = f"{alarm.since:%Y-%m-%d %H:%M:%S} UTC"
    lines = [f"Since {since}:", *(f"- {problem}" for problem in alarm.problems)]
    return f"Mailbox {address} needs a person: {kind}", "\n".join(
        [*lines, "", alarm.what_to_do, ""]
    )
