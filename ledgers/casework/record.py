"""The record of a case's steps: read model, trace, and what it has applied, in one go."""

from sqlalchemy import func, null, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.clock import utc_now
from contracts.steps import StepRecord
from ledgers.casework import follow_ups
from ledgers.inserts import insert_latest
from store.database import Database
from store.tables import MAX_STATE_CHARS, Case, Intake, IntakeState, TraceEntry


async def write(connection: AsyncConnection, record: StepRecord) -> None:
    """Write a step record; again, or after a newer one, it changes nothing it should not."""
    now = utc_now()
    snapshot = record.snapshot
    ended = snapshot.status != "open"
    await connection.execute(
        update(Case)
        .where(
            Case.tenant == record.tenant,
            Case.id == record.case_id,
            Case.revision < snapshot.revision,
        )
        .values(
            revision=snapshot.revision,
            status=snapshot.status,
            # PostgreSQL refuses what is longer than the column; the snapshot has all of them.
            state=", ".join(snapshot.states)[:MAX_STATE_CHARS] or None,
            label=snapshot.label,
            snapshot=snapshot.model_dump(mode="json"),
            updated_at=now,
            # What a closed case does afterwards does not close it again.
            closed_at=func.coalesce(Case.closed_at, now) if ended else None,
            carried=null() if record.carried is None else record.carried,
        )
    )
    if record.applied:
        await connection.execute(
            update(Intake)
            .where(
                Intake.tenant == record.tenant,
                # What it has given back since belongs to another case.
                Intake.case_id == record.case_id,
                Intake.id.in_(record.applied),
                Intake.state.in_((IntakeState.ROUTED, IntakeState.DELIVERED)),
            )
            .values(state=IntakeState.APPLIED, applied_at=now, due_at=None)
        )
    # A step that is done again, after an operator's reset say, is told as it went at last.
    await insert_latest(
        connection,
        TraceEntry,
        [
            {
                "tenant": record.tenant,
                "case_id": record.case_id,
                "seq": line.seq,
                "at": line.at,
                "entry": line.entry,
            }
            for line in record.trace
        ],
    )
    if record.returned:
        await follow_ups.take_back(connection, record.tenant, record.case_id, record.returned, now)


async def write_alone(database: Database, record: StepRecord) -> None:
    """Write a step record in a transaction of its own."""
    async with database.write() as connection:
        await write(connection, record)
