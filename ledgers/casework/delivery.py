"""Delivery: hand routed events to their cases, and again until the case says that it has them.

Delivered is not applied. A case that has closed meanwhile gets a follow-up, or is started again
with the mail, as its definition says; one whose workflow was ended from outside leaves its
events for a person.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Row, select, update
from temporalio.service import RPCError, RPCStatusCode

from cases.events import EMAIL
from cases.state import CORE_VERSION
from clients.temporal import Started, Temporal
from contracts.case import Carried, CaseInput, PinnedDefinition
from contracts.clock import utc_now
from contracts.steps import CaseEvent
from contracts.subcases import ParentAction
from ledgers.casework import follow_ups
from ledgers.crash_points import CrashPoint, reached
from store.database import Database
from store.secrets import SecretBox
from store.tables import Case, CaseStatus, DefinitionVersion, Intake, IntakeState

log = structlog.get_logger()

CONCURRENT_CASES = 32
FIRST_REDELIVERY = timedelta(seconds=20)
LONGEST_REDELIVERY = timedelta(minutes=10)
# A signal of so many events of the largest size stays below the server's 2 MB.
EVENTS_A_SIGNAL = 20
SUBJECT_CHARS = 200
# Nobody's rows are at fault; all are tried again as soon as the server is back.
# The SDK calls its own timeout "cancelled".
SERVER_AWAY = frozenset(
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}
)
UNDELIVERED = (IntakeState.ROUTED, IntakeState.DELIVERED)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivers intake rows to case workflows."""

    database: Database
    temporal: Temporal
    secrets: SecretBox

    async def deliver(self, tenant: str, row_ids: Sequence[int]) -> None:
        """Deliver rows, those of one case in their order, cases side by side."""
        if not row_ids:
            return
        rows = await self._rows(tenant, row_ids)
        limit = asyncio.Semaphore(CONCURRENT_CASES)
        delivered: list[int] = []
        failed: list[int] = []

        async def one_case(case_id: str, case_rows: list[Row[tuple[object, ...]]]) -> None:
            async with limit:
                try:
                    if await self._deliver_to_case(tenant, case_id, case_rows):
                        delivered.extend(row.id for row in case_rows)
                except RPCError as error:
                    if error.status not in SERVER_AWAY:
                        failed.extend(row.id for row in case_rows)
                    _failed(tenant, case_id, error.status.name)
                except Exception as error:  # one case's trouble must not stop the others'
                    failed.extend(row.id for row in case_rows)
                    _failed(tenant, case_id, type(error).__name__)

        async with asyncio.TaskGroup() as group:
            for case_id, of_case in groupby(rows, key=lambda row: row.case_id):
                group.create_task(one_case(str(case_id), list(of_case)))
        reached(CrashPoint.DELIVERY_SIGNALLED)
        await self._mark(tenant, delivered, state=IntakeState.DELIVERED, delivered_at=utc_now())
        # Later each time, so that what can't be delivered does not stand in the others' way.
        await self._mark(tenant, failed)

    async def deliver_now(self, tenant: str, row_ids: Sequence[int]) -> None:
        """Deliver rows that were just committed; never raises: the delivery watch tries again."""
        try:
            await self.deliver(tenant, row_ids)
        except Exception as error:  # whatever it is, the rows are safe
            _failed(tenant, None, type(error).__name__)

    async def due(self, tenant: str, now: datetime, limit: int = 200) -> list[int]:
        """Return rows that should have been applied by now, oldest first."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(Intake.id)
                .where(Intake.tenant == tenant, Intake.state.in_(UNDELIVERED), Intake.due_at <= now)
                .order_by(Intake.id)
                .limit(limit)
            )
            return list(rows.scalars())

    async def _rows(self, tenant: str, row_ids: Sequence[int]) -> Sequence[Row[tuple[object, ...]]]:
        async with self.database.read() as connection:
            result = await connection.execute(
                select(
                    Intake.id,
                    Intake.case_id,
                    Intake.event_type,
                    Intake.event,
                    Intake.correlation_id,
                    Intake.received_at,
                    Case.status,
                    Case.opening_id,
                )
                .join_from(
                    Intake, Case, (Case.tenant == Intake.tenant) & (Case.id == Intake.case_id)
                )
                .where(
                    Intake.tenant == tenant,
                    Intake.id.in_(row_ids),
                    Intake.state.in_(UNDELIVERED),
                )
                .order_by(Intake.case_id, Intake.received_at, Intake.id)
            )
            return result.all()

    async def _deliver_to_case(
        self, tenant: str, case_id: str, rows: list[Row[tuple[object, ...]]]
    ) -> bool:
        """Return whether the case's workflow holds the events now."""
        if rows[0].status != CaseStatus.OPEN:
            return await self._deliver_to_closed(tenant, case_id, rows)
        events = [_event(row) for row in rows if row.id != row.opening_id]
        opens = len(events) < len(rows)
        if opens and await self._start(tenant, case_id) is Started.ENDED:
            await self._ended(tenant, case_id, [row.id for row in rows])
            return False
        if await self._signal(tenant, case_id, events):
            return True
        if await self._start(tenant, case_id) is Started.ENDED:
            await self._ended(tenant, case_id, [row.id for row in rows])
            return False
        return await self._signal(tenant, case_id, events)

    async def _deliver_to_closed(
        self, tenant: str, case_id: str, rows: list[Row[tuple[object, ...]]]
    ) -> bool:
        """Start a closed case again with the mails that reach it; give back what does not.

        Returns whether its workflow holds all the events now. Its first record says that it is
        open again; until then, what else comes finds it running.
        """
        async with self.database.read() as connection:
            policy = await follow_ups.after_close(connection, tenant, case_id)
        mails = [row for row in rows if row.event_type == EMAIL] if policy else []
        others = [row.id for row in rows if row not in mails]
        if others:
            await self._hand_back(tenant, case_id, others)
        if policy is None or not mails:
            return False
        kept, mails = await self._kept(tenant, case_id, mails)
        if not mails:
            return False
        start, definition = await self._case_start(tenant, case_id)
        again = start.model_copy(
            update={"opening": _event(mails[0]), "reopened": policy, "carried": kept}
        )
        started = await self.temporal.start_case(again, definition, again=True)
        late = mails if started is Started.RUNNING else mails[1:]
        return await self._signal(tenant, case_id, [_event(row) for row in late]) and not others

    async def _signal(self, tenant: str, case_id: str, events: Sequence[CaseEvent]) -> bool:
        """Return whether a running case has all events; what it had before, it drops."""
        for start in range(0, len(events), EVENTS_A_SIGNAL):
            some = list(events[start : start + EVENTS_A_SIGNAL])
            if not await self.temporal.signal_case(tenant, case_id, some):
                return False
        return True

    async def _start(self, tenant: str, case_id: str) -> Started:
        start, definition = await self._case_start(tenant, case_id)
        return await self.temporal.start_case(start, definition)

    async def _case_start(self, tenant: str, case_id: str) -> tuple[CaseInput, PinnedDefinition]:
        async with self.database.read() as connection:
            row = (
                await connection.execute(
                    select(
                        Case,
                        DefinitionVersion.hash,
                        DefinitionVersion.document,
                        Intake.id.label("event_id"),
                        Intake.event_type,
                        Intake.event,
                        Intake.correlation_id,
                        Intake.received_at,
                    )
                    .join_from(
                        Case,
                        DefinitionVersion,
                        (DefinitionVersion.tenant == Case.tenant)
                        & (DefinitionVersion.definition == Case.definition)
                        & (DefinitionVersion.version == Case.definition_version),
                    )
                    .join(Intake, (Intake.tenant == Case.tenant) & (Intake.id == Case.opening_id))
                    .where(Case.tenant == tenant, Case.id == case_id)
                )
            ).one()
        start = CaseInput(
            tenant=tenant,
            case_id=case_id,
            definition=row.definition,
            version=row.definition_version,
            mailbox_id=row.mailbox_id,
            subject=row.subject[:SUBJECT_CHARS],
            customer_hash=self.secrets.keyed_hash(row.customer) if row.customer else None,
            data=row.initial_data,
            core_version=CORE_VERSION,
            net=row.net,
            parent=_parent(row),
            root=row.root,
            depth=row.depth,
            opening=CaseEvent(
                id=row.event_id,
                type=row.event_type,
                at=row.received_at,
                data=row.event or {},
                correlation_id=row.correlation_id,
            ),
        )
        return start, PinnedDefinition(
            definition_hash=row.hash, tenant=tenant, document=row.document
        )

    async def _kept(
        self, tenant: str, case_id: str, mails: list[Row[tuple[object, ...]]]
    ) -> tuple[Carried, list[Row[tuple[object, ...]]]]:
        """Return what a closed case kept, and which mails it has not applied.

        Of these it forgets that it had seen some: it gave them back when it closed. The order
        matters: a run that ends between the two reads has applied what it has seen.
        """
        ids = [row.id for row in mails]
        async with self.database.read() as connection:
            kept = await connection.scalar(
                select(Case.carried).where(Case.tenant == tenant, Case.id == case_id)
            )
            found = await connection.execute(
                select(Intake.id).where(
                    Intake.tenant == tenant, Intake.id.in_(ids), Intake.state.in_(UNDELIVERED)
                )
            )
            left = set(found.scalars())
        carried = Carried.model_validate(kept)
        unseen = [event_id for event_id in carried.seen if event_id not in left]
        carried = carried.model_copy(update={"seen": unseen})
        return carried, [row for row in mails if row.id in left]

    async def _ended(self, tenant: str, case_id: str, row_ids: list[int]) -> None:
        """Settle rows of a case whose workflow has ended.

        A case that closes records that before its workflow ends, so a row that still says
        open means that the workflow was ended from outside.
        """
        async with self.database.read() as connection:
            status = (
                await connection.execute(
                    select(Case.status).where(Case.tenant == tenant, Case.id == case_id)
                )
            ).scalar_one()
        if status == CaseStatus.OPEN:
            async with self.database.write() as connection:
                await follow_ups.leave_to_a_person(connection, tenant, case_id, row_ids, utc_now())
            return
        await self._hand_back(tenant, case_id, row_ids)

    async def _hand_back(self, tenant: str, case_id: str, row_ids: list[int]) -> None:
        async with self.database.write() as connection:
            await follow_ups.hand_back(connection, tenant, case_id, row_ids, utc_now())

    # The columns differ by caller, so their types do.
    async def _mark(self, tenant: str, row_ids: Sequence[int], **values: Any) -> None:
        """Count a delivery of rows that are not applied yet, and say when the next is due."""
        if not row_ids:
            return
        now = utc_now()
        async with self.database.write() as connection:
            rows = (
                await connection.execute(
                    select(Intake.id, Intake.deliveries)
                    .where(
                        Intake.tenant == tenant,
                        Intake.id.in_(row_ids),
                        Intake.state.in_(UNDELIVERED),
                    )
                    .order_by(Intake.deliveries, Intake.id)
                    # Or the case could apply one meanwhile, and it would look unapplied again.
                    .with_for_update()
                )
            ).all()
            for deliveries, group in groupby(rows, key=lambda row: row.deliveries):
                wait = min(FIRST_REDELIVERY * 2 ** min(deliveries, 10), LONGEST_REDELIVERY)
                await connection.execute(
                    update(Intake)
                    .where(Intake.tenant == tenant, Intake.id.in_([row.id for row in group]))
                    .values(deliveries=deliveries + 1, due_at=now + wait, **values)
                )


def _parent(row: Row[Any]) -> ParentAction | None:  # Any: a case's columns
    """Return the action that runs a sub-case; whoever starts it first, it tells its parent."""
    if row.parent is None:
        return None
    return ParentAction(case_id=row.parent, firing=row.parent_firing, index=row.parent_index)


def _failed(tenant: str, case_id: str | None, error: str) -> None:
    log.warning("delivery.failed", tenant=tenant, case_id=case_id, error=error)


def _event(row: Row[tuple[object, ...]]) -> CaseEvent:
    return CaseEvent(
        id=row.id,
        type=row.event_type,
        at=row.received_at,
        data=row.event or {},
        correlation_id=row.correlation_id,
    )
