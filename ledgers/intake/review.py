"""Review: a person says where a mail belongs that routing would not place by itself.

Each decision is made once: whoever comes second with the same one hears what came of it, and
with another one that the row is decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cases.events import OWN_PREFIX
from cases.notation.declarations import Start
from contracts.clock import utc_now
from contracts.errors import (
    CaseClosed,
    CaseNotFound,
    DefinitionNotFound,
    EventReused,
    RowHasNoMail,
    StartRefused,
)
from ledgers.intake import rereading, routing
from ledgers.intake.known import Lookup
from ledgers.intake.lookup import find_case, mailbox_facts, newest_versions
from ledgers.intake.mails import DELIVERY_GRACE, Arrived, Fate
from ledgers.intake.rereading import HeldRow, held_row, require
from ledgers.intake.routing import Router
from ledgers.mailboxes.parsing import Parser
from store.blobs import Blobs
from store.database import Database
from store.tables import Case, CaseStatus, Intake, IntakeState, Message


class Decision(StrEnum):
    """What a person decided about a row, as its reason in the ledger."""

    JOINED = "joined by a person"
    OPENED = "opened as a case by a person"
    DISCARDED = "discarded"
    RELEASED = "released by a person"


@dataclass(frozen=True, slots=True)
class Review:
    """Carries out what people decide about rows under review."""

    database: Database
    blobs: Blobs
    parser: Parser

    async def join(self, tenant: str, row_id: int, case_id: str, by: str) -> bool:
        """Make a row the next event of a case; its sender takes part from now on.

        Of a closed case, what its definition says of mails comes next. Returns whether anything
        changed, which the same decision a second time does not. Raises RowNotFound, RowDecided,
        CaseNotFound, CaseClosed, EventReused, and what reading a mail again does.
        """
        row = await self._row(tenant, row_id)
        if _is_decided(row, Decision.JOINED, case_id):
            return False
        require(row, IntakeState.REVIEW)
        if row.source != "imap":
            return await self._join_event(tenant, row_id, case_id, by)
        mail = await rereading.read_again(self.database, self.blobs, self.parser, tenant, row)
        async with self.database.write() as connection:
            row = await held_row(connection, tenant, row_id, lock=True)
            if _is_decided(row, Decision.JOINED, case_id):
                return False
            require(row, IntakeState.REVIEW)
            router, fate = await _joined(connection, tenant, row, mail, case_id)
            await _write(connection, router, fate, by)
        routing.tell(router)
        return True

    async def open(self, tenant: str, row_id: int, definition: str | None, by: str) -> bool:
        """Open a case with a mail, by the definition that is named or else its mailbox's.

        Returns and raises as `join` does; DefinitionNotFound and StartRefused besides.
        """
        row = await self._row(tenant, row_id)
        if _is_decided(row, Decision.OPENED):
            return False
        require(row, IntakeState.REVIEW)
        if row.source != "imap" or row.mailbox_id is None:
            raise RowHasNoMail(row_id, "join it to an open case, or discard it.")
        mail = await rereading.read_again(self.database, self.blobs, self.parser, tenant, row)
        async with self.database.write() as connection:
            row = await held_row(connection, tenant, row_id, lock=True)
            if _is_decided(row, Decision.OPENED):
                return False
            require(row, IntakeState.REVIEW)
            mailbox = await mailbox_facts(connection, tenant, row.mailbox_id or "")
            name = definition or mailbox.definition.name
            version = (await newest_versions(connection, tenant, [name])).get(name)
            if version is None:
                raise DefinitionNotFound(name)
            if Start.MAIL not in version.definition.starts:
                raise StartRefused(name, "is not started by mail; add `mail` to its `starts`.")
            router = Router(mailbox, Lookup())
            await _write(connection, router, router.open(mail, version, reason=Decision.OPENED), by)
        routing.tell(router)
        return True

    async def discard(self, tenant: str, row_id: int, reason: str | None, by: str) -> bool:
        """End a row under review: nothing is done with it, and the ledger says who said so.

        Returns whether anything changed; raises RowNotFound and RowDecided.
        """
        async with self.database.write() as connection:
            return await discard(connection, tenant, row_id, IntakeState.REVIEW, reason, by)

    async def _row(self, tenant: str, row_id: int) -> HeldRow:
        async with self.database.read() as connection:
            return await held_row(connection, tenant, row_id)

    async def _join_event(self, tenant: str, row_id: int, case_id: str, by: str) -> bool:
        """Make a program's event the next one of an open case."""
        async with self.database.write() as connection:
            row = await held_row(connection, tenant, row_id, lock=True)
            if _is_decided(row, Decision.JOINED, case_id):
                return False
            require(row, IntakeState.REVIEW)
            _require_movable(row, case_id)
            await _require_open(connection, tenant, case_id)
            await _require_new(connection, tenant, case_id, row)
            now = utc_now()
            await connection.execute(
                update(Intake)
                .where(Intake.tenant == tenant, Intake.id == row_id)
                .values(
                    state=IntakeState.ROUTED,
                    reason=Decision.JOINED,
                    case_id=case_id,
                    due_at=now + DELIVERY_GRACE,
                    decided_by=by,
                    decided_at=now,
                )
            )
        return True


async def discard(
    connection: AsyncConnection,
    tenant: str,
    row_id: int,
    before: IntakeState,
    reason: str | None,
    by: str,
) -> bool:
    """End a row that waits in the state `before`; False when that was decided already."""
    row = await held_row(connection, tenant, row_id, lock=True)
    if _is_decided(row, Decision.DISCARDED):
        return False
    require(row, before)
    told = f"{Decision.DISCARDED}: {reason}" if reason else str(Decision.DISCARDED)
    await connection.execute(
        update(Intake)
        .where(Intake.tenant == tenant, Intake.id == row_id)
        .values(
            state=IntakeState.IGNORED,
            reason=told,
            due_at=None,
            decided_by=by,
            decided_at=utc_now(),
        )
    )
    return True


def _is_decided(row: HeldRow, decision: Decision, case_id: str | None = None) -> bool:
    """Tell whether a person has decided this before, and the row stands so."""
    if row.decided_at is None or not (row.reason or "").startswith(decision):
        return False
    return case_id is None or row.case_id == case_id


async def _joined(
    connection: AsyncConnection, tenant: str, row: HeldRow, mail: Arrived, case_id: str
) -> tuple[Router, Fate]:
    mailbox = await mailbox_facts(connection, tenant, row.mailbox_id or "")
    lookup = Lookup()
    case = await find_case(connection, tenant, case_id, lookup)
    if case is None:
        raise CaseNotFound(case_id)
    router = Router(mailbox, lookup)
    fate = router.join(mail, case, reason=Decision.JOINED)
    if fate.case is None:
        raise CaseClosed(case_id, "closed")
    return router, fate


async def _write(connection: AsyncConnection, router: Router, fate: Fate, by: str) -> None:
    tenant, row_id = router.mailbox.tenant, fate.mail.row_id
    router.keep(fate)
    # It may have been a mail of a case whose workflow was ended from outside.
    await connection.execute(
        delete(Message).where(Message.tenant == tenant, Message.intake_id == row_id)
    )
    await routing.write(connection, router, utc_now())
    await sign(connection, tenant, [row_id], by, utc_now())


async def sign(
    connection: AsyncConnection, tenant: str, row_ids: Sequence[int], by: str, now: datetime
) -> None:
    """Note who decided about rows."""
    await connection.execute(
        update(Intake)
        .where(Intake.tenant == tenant, Intake.id.in_(row_ids))
        .values(decided_by=by, decided_at=now, applied_at=None, delivered_at=None, deliveries=0)
    )


def _require_movable(row: HeldRow, case_id: str) -> None:
    """Raise RowHasNoMail where a row tells one case of its own doings, and is to join another.

    Whoever joined the end of a mail to another case would end whatever has its number there.
    """
    if (row.event_type or "").startswith(OWN_PREFIX) and row.case_id != case_id:
        raise RowHasNoMail(row.id, "it is of its own case alone; discard it.")


async def _require_open(connection: AsyncConnection, tenant: str, case_id: str) -> None:
    status = await connection.scalar(
        select(Case.status).where(Case.tenant == tenant, Case.id == case_id)
    )
    if status is None:
        raise CaseNotFound(case_id)
    if status != CaseStatus.OPEN:
        raise CaseClosed(case_id, status)


async def _require_new(
    connection: AsyncConnection, tenant: str, case_id: str, row: HeldRow
) -> None:
    """Raise EventReused when the case already has another event of this id."""
    if row.external_id is None or row.case_id == case_id:
        return
    same = await connection.scalar(
        select(func.count())
        .select_from(Intake)
        .where(
            Intake.tenant == tenant,
            Intake.case_id == case_id,
            Intake.external_id == row.external_id,
        )
    )
    if same:
        raise EventReused(case_id, row.external_id)
