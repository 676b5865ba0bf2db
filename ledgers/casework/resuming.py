"""Letting a parked case go on: whether it may, and what came of it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.case import RESUME_EVENT
from contracts.errors import CaseClosed, CaseNotParked
from store import cases
from store.database import Database
from store.tables import CaseStatus, Intake, IntakeState

# A person waits for the answer; Temporal, or the workers, may be away.
ANSWER_WITHIN = timedelta(seconds=5)
LOOK_EVERY = timedelta(milliseconds=50)
_ON_ITS_WAY = (IntakeState.ROUTED, IntakeState.DELIVERED)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What came of resuming a case; `event_id` is the row in the ledger.

    Until the case has `applied` it, nobody knows more. Then `parked` is why the case is parked
    again, or None for one that goes on.
    """

    event_id: int
    duplicate: bool
    applied: bool
    status: CaseStatus
    parked: str | None


async def key_of_resuming(connection: AsyncConnection, tenant: str, case_id: str) -> str:
    """Return the id of the event that resumes a case: one for each time that it was parked.

    Raises CaseNotFound, CaseClosed, and CaseNotParked.
    """
    case = await cases.read(connection, tenant, case_id)
    if case.summary.status is not CaseStatus.OPEN:
        raise CaseClosed(case_id, case.summary.status)
    if case.snapshot is None or case.snapshot.parked is None:
        raise CaseNotParked(case_id)
    return f"{RESUME_EVENT}.{case.snapshot.revision}"


async def what_came_of_it(
    database: Database,
    tenant: str,
    case_id: str,
    event_id: int,
    *,
    duplicate: bool,
    within: timedelta,
) -> Resumed:
    """Return how a case stands once it has taken up its resuming, or when the time is over."""
    end = asyncio.get_running_loop().time() + within.total_seconds()
    while True:
        resumed = await _look(database, tenant, case_id, event_id, duplicate=duplicate)
        if resumed.applied or asyncio.get_running_loop().time() >= end:
            return resumed
        await asyncio.sleep(LOOK_EVERY.total_seconds())


async def _look(
    database: Database, tenant: str, case_id: str, event_id: int, *, duplicate: bool
) -> Resumed:
    async with database.read() as connection:
        state = await connection.scalar(
            select(Intake.state).where(Intake.tenant == tenant, Intake.id == event_id)
        )
        # Read after it: what has applied the row has written the case in the same transaction.
        case = await cases.read(connection, tenant, case_id)
    return Resumed(
        event_id, duplicate, state not in _ON_ITS_WAY, case.summary.status, case.summary.parked
    )
