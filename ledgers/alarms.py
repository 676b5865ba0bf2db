"""Alarms: what keeps a mailbox from doing its work, for the API, and told by mail.

An alarm is derived from the mailbox and its ledger, never stored. What is stored is that it was
told: a row of the outbox, whose key is the mailbox, the alarm's number, and whether it was raised
or cleared, so that no two processes tell it twice.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.clock import utc_now
from contracts.outbox import SendRequest
from ledgers import accounts, freezing, health
from ledgers.accounts import Account
from ledgers.locks import one_at_a_time
from ledgers.outbox import Frozen
from mail.compose import Draft, MailKind, compose
from mail.message import Address
from store import mailboxes
from store.database import Database
from store.mailboxes import StoredMailbox
from store.secrets import SecretBox
from store.tables import Intake, IntakeState, MailboxStatus, Outbox, OutboxState

KIND = "alarm"
RAISED, CLEARED = 0, 1
# What mends itself within so long wakes nobody.
TOLD_AFTER = timedelta(minutes=1)
_ADVICE = (
    "Look at it with `everpost mailboxes list`; `POST /api/v1/mailboxes/{id}/test` says which step"
    " of the connection fails, and what to do."
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong with a mailbox, since when, and what to do about it."""

    mailbox_id: str
    address: str
    since: datetime
    problems: tuple[str, ...]
    what_to_do: str


async def open_alarms(connection: AsyncConnection, tenant: str, now: datetime) -> list[Alarm]:
    """Return what is wrong with a tenant's active mailboxes now."""
    quarantined = await _quarantined(connection, tenant)
    found = []
    for mailbox in await mailboxes.all_of(connection, tenant):
        if mailbox.status is MailboxStatus.ACTIVE:
            alarm = _alarm(mailbox, quarantined.get(mailbox.id), now)
            if alarm is not None:
                found.append(alarm)
    return found


async def tell(database: Database, box: SecretBox, tenant: str) -> list[int]:
    """Write the mails that tell of alarms that began or ended; return all that are to be sent."""
    now = utc_now()
    async with database.read() as connection:
        told = await mailboxes.all_of(connection, tenant)
        alarms = {alarm.mailbox_id: alarm for alarm in await open_alarms(connection, tenant, now)}
        newest = await _newest(connection, tenant, [mailbox.id for mailbox in told])
    for mailbox in told:
        alarm = alarms.get(mailbox.id)
        if mailbox.settings.alerts_to and _is_news(alarm, newest.get(mailbox.id), now):
            sender = _sender(mailbox, told, alarms)
            await _freeze(database, box, mailbox, sender, alarm)
    return await _unsent(database, tenant)


def _alarm(
    mailbox: StoredMailbox, quarantined: tuple[int, datetime] | None, now: datetime
) -> Alarm | None:
    watched = mailbox.health
    problems = list(health.reasons(watched, mailbox.created_at, now))
    # All was well when its mail was last read to the end.
    since = [watched.read_until or mailbox.created_at] if problems else []
    advice = [_ADVICE.format(id=mailbox.id)] if problems else []
    if quarantined is not None:
        count, first = quarantined
        problems.append(f"{count} {'mail is' if count == 1 else 'mails are'} in quarantine")
        since.append(first)
        advice.append(
            "`GET /api/v1/quarantine` lists what waits there to be released or discarded."
        )
    if not problems:
        return None
    address = mailbox.settings.address
    return Alarm(mailbox.id, address, min(since), tuple(problems), " ".join(advice))


async def _quarantined(connection: AsyncConnection, tenant: str) -> dict[str, tuple[int, datetime]]:
    """Return how many mails of each mailbox wait in quarantine, and since when."""
    rows = await connection.execute(
        select(Intake.mailbox_id, func.count().label("mails"), func.min(Intake.seen_at).label("at"))
        .where(
            Intake.tenant == tenant,
            Intake.state == IntakeState.QUARANTINED,
            Intake.decided_at.is_(None),
        )
        .group_by(Intake.mailbox_id)
    )
    return {row.mailbox_id: (row.mails, row.at) for row in rows if row.mailbox_id}


async def _newest(
    connection: AsyncConnection, tenant: str, mailbox_ids: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Return the number of each mailbox's newest alarm, and whether it was raised or cleared."""
    rows = await connection.execute(
        select(Outbox.case_id, Outbox.firing, Outbox.action_index)
        .where(Outbox.tenant == tenant, Outbox.case_id.in_(mailbox_ids), Outbox.kind == KIND)
        .order_by(Outbox.id)
    )
    return {row.case_id: (row.firing, row.action_index) for row in rows}


def _is_news(alarm: Alarm | None, newest: tuple[int, int] | None, now: datetime) -> bool:
    raised = newest is not None and newest[1] == RAISED
    if alarm is None:
        return raised
    return not raised and alarm.since <= now - TOLD_AFTER


def _sender(
    mailbox: StoredMailbox, others: Sequence[StoredMailbox], alarms: dict[str, Alarm]
) -> str:
    """Return the mailbox that sends: one that is well, if there is any."""
    well = (m.id for m in others if m.status is MailboxStatus.ACTIVE and m.id not in alarms)
    return mailbox.id if mailbox.id not in alarms else next(well, mailbox.id)


async def _freeze(
    database: Database,
    box: SecretBox,
    mailbox: StoredMailbox,
    sender: str,
    alarm: Alarm | None,
) -> None:
    """Write one mail, unless somebody else was faster."""
    tenant = mailbox.tenant
    async with database.write() as connection:
        await one_at_a_time(connection, KIND, tenant, mailbox.id)
        newest = (await _newest(connection, tenant, [mailbox.id])).get(mailbox.id)
        if not _is_news(alarm, newest, utc_now()):
            return
        number = newest[0] if newest else 0
        account = await accounts.read(connection, box, tenant, sender)
        request = SendRequest(
            tenant=tenant,
            case_id=mailbox.id,
            definition_hash="",
            firing=number if alarm is None else number + 1,
            action_index=CLEARED if alarm is None else RAISED,
            kind="alarm",
        )
        await freezing.freeze_alarm(connection, request, _mail(mailbox, account, alarm))


def _mail(mailbox: StoredMailbox, account: Account, alarm: Alarm | None) -> Frozen:
    address, recipients = mailbox.settings.address, tuple(mailbox.settings.alerts_to)
    if alarm is None:
        subject, text = f"Mailbox {address} is well again", "All that was wrong is mended.\n"
    else:
        subject = f"Mailbox {address} needs a person"
        since = f"{alarm.since:%Y-%m-%d %H:%M:%S} UTC"
        text = "\n".join([f"Since {since}:", *(f"- {p}" for p in alarm.problems), ""])
        text += f"\n{alarm.what_to_do}\n"
    message_id = f"<alarm.{secrets.token_hex(12)}@{account.address.rpartition('@')[2]}>"
    raw = compose(
        Draft(
            kind=MailKind.NOTICE,
            sender=Address(account.name, account.address),
            to=tuple(Address("", recipient) for recipient in recipients),
            subject=subject,
            text=text,
            message_id=message_id,
            date=utc_now(),
        )
    )
    return Frozen(
        raw=raw,
        message_id=message_id,
        envelope_from=account.address,
        recipients=recipients,
        sender=account.address,
        subject=subject,
        text=text,
        references=(),
        mailbox_id=account.mailbox_id,
        replies_per_day=account.replies_per_day,
    )


async def _unsent(database: Database, tenant: str) -> list[int]:
    async with database.read() as connection:
        rows = await connection.execute(
            select(Outbox.id).where(
                Outbox.tenant == tenant,
                Outbox.kind == KIND,
                Outbox.state.in_((OutboxState.INTENDED, OutboxState.ATTEMPTING)),
            )
        )
        return list(rows.scalars())
