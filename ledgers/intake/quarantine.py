"""Quarantine: what is known of a mail that was put aside, and its release or its end."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.clock import utc_now
from contracts.errors import MailUnreachable
from ledgers.intake import rereading, review, routing
from ledgers.intake.filtering import rules_met
from ledgers.intake.lookup import look_up, mailbox_facts
from ledgers.intake.rereading import HeldRow, held_row, require
from ledgers.intake.review import Decision
from ledgers.intake.routing import Router
from ledgers.mailboxes.parsing import Parser, Unreadable
from mail.message import Message
from mail.threading import TokenKeys
from store.blobs import BlobNotFound, Blobs
from store.database import Database
from store.tables import Intake, IntakeState, Mailbox

TEXT_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Preview:
    """What a mail in quarantine says, or why that is not known."""

    unreadable: str | None = None
    sender: str | None = None
    sender_name: str | None = None
    to: list[str] = field(default_factory=list)
    subject: str = ""
    date: datetime | None = None
    kind: str | None = None
    text: str = ""
    attachments: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Shows what was put aside, and carries out what people decide about it."""

    database: Database
    blobs: Blobs
    parser: Parser
    keys: TokenKeys

    async def preview(self, tenant: str, row_id: int) -> Preview:
        """Return what a row's mail says; raises RowNotFound, and RowDecided if it is not there."""
        async with self.database.read() as connection:
            row = await held_row(connection, tenant, row_id)
        require(row, IntakeState.QUARANTINED)
        try:
            raw = await rereading.bytes_of(self.blobs, row)
        except BlobNotFound:
            return Preview(unreadable="it was never fetched from its server")
        parsed = await rereading.read_parsed(self.parser, raw)
        if isinstance(parsed, Unreadable):
            return Preview(unreadable=parsed.reason)
        return _preview(parsed.message)

    async def release(self, tenant: str, row_id: int, by: str) -> IntakeState:
        """Route a mail as if it were new, whatever its mailbox's rules say, and return its state.

        One that was never fetched is left to its mailbox's watch, which lifts the size limit for
        it. Raises RowNotFound, RowDecided, MailUnreachable, and what reading a mail again does.
        """
        async with self.database.read() as connection:
            row = await held_row(connection, tenant, row_id)
        if _is_released(row):
            return row.state
        require(row, IntakeState.QUARANTINED)
        if row.blob is None:
            return await self._fetch_again(tenant, row_id, by)
        return await self._route(tenant, row, by)

    async def discard(self, tenant: str, row_id: int, reason: str | None, by: str) -> bool:
        """End a row in quarantine; returns and raises as `review.discard` does."""
        async with self.database.write() as connection:
            return await review.discard(
                connection, tenant, row_id, IntakeState.QUARANTINED, reason, by
            )

    async def _fetch_again(self, tenant: str, row_id: int, by: str) -> IntakeState:
        """Let the watch read a mail once more; `decided_at` lifts its size limit."""
        async with self.database.write() as connection:
            row = await held_row(connection, tenant, row_id, lock=True)
            require(row, IntakeState.QUARANTINED)
            await _require_reachable(connection, tenant, row)
            await connection.execute(
                update(Intake)
                .where(Intake.tenant == tenant, Intake.id == row_id)
                .values(
                    state=IntakeState.SEEN,
                    reason=Decision.RELEASED,
                    attempts=0,
                    decided_by=by,
                    decided_at=utc_now(),
                )
            )
        return IntakeState.SEEN

    async def _route(self, tenant: str, row: HeldRow, by: str) -> IntakeState:
        mail = await rereading.read_again(self.database, self.blobs, self.parser, tenant, row)
        mail = replace(mail, released=True)
        mailbox_id = row.mailbox_id or ""
        rules = await rules_met(self.database, tenant, mailbox_id, [mail])
        async with self.database.write() as connection:
            require(await held_row(connection, tenant, row.id, lock=True), IntakeState.QUARANTINED)
            mailbox = await mailbox_facts(connection, tenant, mailbox_id)
            lookup = await look_up(connection, mailbox, self.keys, [mail], rules)
            router = Router(mailbox, lookup)
            router.route(mail)
            await routing.write(connection, router, utc_now())
            if router.fates[0].state is not IntakeState.QUARANTINED:
                await review.sign(connection, tenant, [row.id], by, utc_now())
        routing.tell(router)
        return router.fates[0].state


def _is_released(row: HeldRow) -> bool:
    if row.decided_at is None or row.state is IntakeState.QUARANTINED:
        return False
    return not (row.reason or "").startswith(Decision.DISCARDED)


async def _require_reachable(connection: AsyncConnection, tenant: str, row: HeldRow) -> None:
    """Raise MailUnreachable unless the row's UID still names its mail in a watched mailbox."""
    found = await connection.scalar(
        select(Intake.id)
        .join(Mailbox, (Mailbox.tenant == Intake.tenant) & (Mailbox.id == Intake.mailbox_id))
        .where(
            Intake.tenant == tenant,
            Intake.id == row.id,
            Intake.uid.is_not(None),
            Intake.folder == Mailbox.folder,
            Intake.uidvalidity == Mailbox.uidvalidity,
        )
    )
    if found is None:
        raise MailUnreachable(row.id)


def _preview(message: Message) -> Preview:
    return Preview(
        sender=message.sender.address if message.sender else None,
        sender_name=message.sender.name if message.sender else None,
        to=[address.address for address in (*message.to, *message.cc)][:50],
        subject=message.subject,
        date=message.date,
        kind=message.kind.value,
        text=message.text[:TEXT_LIMIT],
        attachments=[attachment.name for attachment in message.attachments][:50],
    )
