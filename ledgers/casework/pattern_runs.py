"""Runs of patterns: a real case of a pattern's definition, given its events one after the other.

Each event goes in once the case has done all that came of the one before. Whatever happens, a run
comes back within a bounded time with what the case has done until then.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cases.definitions import content_hash
from cases.notation.declarations import ExampleEvent
from cases.trace import TraceKind
from contracts.clock import utc_now
from contracts.errors import CaseClosed
from contracts.model import Json
from contracts.steps import Snapshot
from ledgers.casework.delivery import UNDELIVERED
from ledgers.casework.door import Door
from ledgers.casework.event_types import refuse_own, refuse_unknown
from ledgers.casework.patterns import Pattern
from ledgers.casework.registration import judged
from store import cases, definitions
from store.cases import CaseDetail
from store.database import Database
from store.tables import Case, CaseStatus, Intake, TraceEntry

# Below what clients usually wait for an answer.
RUN_WITHIN = timedelta(seconds=20)
# Between two looks at the ledger: no message tells this process that a case has moved.
FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.25
MAX_TRACE_ENTRIES = 1_000
# What the outlook says of a running task that waits for something from outside.
_STILL = frozenset({"waits_for", "instances", "retry"})


@dataclass(frozen=True, slots=True)
class TracedStep:
    """An entry of the trace of a run's case, or of a sub-case that runs one of its `net`s."""

    case_id: str
    net: str | None
    seq: int
    entry: dict[str, Any]  # Any: JSON of the core's trace


@dataclass(frozen=True, slots=True)
class FedEvent:
    """An event that a run gave its case; `row` is its number in the ledger, and its id there."""

    row: int
    type: str


@dataclass(frozen=True, slots=True)
class PatternRun:
    """What came of a run: the case, the trace, the events that it was given, and those it was not.

    The trace is that of the case and of its sub-cases, in the order in which it happened.
    `in_time` is False where the time was over before the case had come to rest.
    """

    case: CaseDetail
    trace: list[TracedStep]
    fed: tuple[FedEvent, ...]
    left: tuple[str, ...]
    in_time: bool

    def took(self, event: FedEvent) -> bool:
        """Tell whether a task of the case or of a sub-case has taken an event."""
        id_ = str(event.row)
        return any(
            (step.entry.get("event") or {}).get("id") == id_
            and step.entry.get("kind") in (TraceKind.FIRED, TraceKind.HEARD)
            for step in self.trace
        )


def check_events(pattern: Pattern, events: Sequence[ExampleEvent]) -> None:
    """Raise EventTypeReserved or EventTypeUnknown for an event that the door would refuse."""
    for event in events:
        refuse_own(event.event)
        refuse_unknown(pattern.definition, event.event)


async def run_pattern(
    door: Door,
    tenant: str,
    by: str,
    pattern: Pattern,
    data: Mapping[str, Json],
    events: Sequence[ExampleEvent],
) -> PatternRun:
    """Run a pattern as a case, and return where it has come to.

    Registers the definition for the tenant unless it is. Raises CaseDataInvalid, EventTypeReserved
    and EventTypeUnknown, and then no case has been opened.
    """
    check_events(pattern, events)
    database = door.delivery.database
    version = await _registered(database, tenant, by, pattern)
    started = await door.start(
        tenant, pattern.definition.id, dict(data), version=version, subject=pattern.name
    )
    fed: list[FedEvent] = []
    in_time = True
    try:
        async with asyncio.timeout(RUN_WITHIN.total_seconds()):
            is_open = await _rest(database, tenant, started.case_id)
            while is_open and len(fed) < len(events):
                index = len(fed)
                row = await _feed(door, tenant, started.case_id, index, events[index])
                fed.append(FedEvent(row, events[index].event))
                is_open = await _rest(database, tenant, started.case_id)
    except TimeoutError:
        in_time = False
    except CaseClosed:
        pass  # it has ended by itself between the look and the event
    left = tuple(event.event for event in events[len(fed) :])
    async with database.read() as connection:
        case = await cases.read(connection, tenant, started.case_id)
        trace = await _trace(connection, tenant, started.case_id)
    return PatternRun(case, trace, tuple(fed), left, in_time)


async def _registered(database: Database, tenant: str, by: str, pattern: Pattern) -> int:
    """Return the version of a pattern's definition; the same content is the same version."""
    verdict = judged(pattern.definition).verdict
    async with database.write() as connection:
        stored, _ = await definitions.register(
            connection,
            tenant,
            pattern.definition.id,
            pattern.document,
            content_hash(pattern.document),
            by,
            utc_now(),
            verdict,
        )
    return stored.version


async def _trace(connection: AsyncConnection, tenant: str, case_id: str) -> list[TracedStep]:
    """Return the trace of a case and of all its sub-cases; they are traced by one clock."""
    found = await connection.execute(
        select(Case.id, Case.net, TraceEntry.seq, TraceEntry.entry)
        .join_from(
            TraceEntry,
            Case,
            (Case.tenant == TraceEntry.tenant) & (Case.id == TraceEntry.case_id),
        )
        .where(TraceEntry.tenant == tenant, (Case.id == case_id) | (Case.root == case_id))
        .order_by(TraceEntry.at, Case.depth, TraceEntry.seq)
        .limit(MAX_TRACE_ENTRIES)
    )
    return [TracedStep(row.id, row.net, row.seq, row.entry) for row in found]


async def _feed(door: Door, tenant: str, case_id: str, index: int, event: ExampleEvent) -> int:
    """Give a case an event, and return its row in the ledger."""
    key = f"example-{index + 1}"
    accepted = await door.accept(tenant, case_id, key, event.event, dict(event.data))
    return accepted.event_id


async def _rest(database: Database, tenant: str, case_id: str) -> bool:
    """Wait until a case has done all that there is to do, and return whether it is open."""
    pause_s = FIRST_PAUSE_S
    while True:
        is_open, rests = await _look(database, tenant, case_id)
        if rests or not is_open:
            return is_open
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)


async def _look(database: Database, tenant: str, case_id: str) -> tuple[bool, bool]:
    """Return whether a case is open, and whether it rests: nothing is on its way or being done.

    The case records what it has applied together with what came of it.
    """
    under_way = (
        select(Intake.id)
        .where(Intake.tenant == tenant, Intake.case_id == case_id, Intake.state.in_(UNDELIVERED))
        .limit(1)
    )
    async with database.read() as connection:
        row = (
            await connection.execute(
                select(Case.status, Case.snapshot).where(Case.tenant == tenant, Case.id == case_id)
            )
        ).one()
        moves = (await connection.execute(under_way)).scalar_one_or_none() is not None
    if row.snapshot is None:
        return True, False
    snapshot = Snapshot.model_validate(row.snapshot)
    return row.status == CaseStatus.OPEN, not moves and not _is_busy(snapshot)


def _is_busy(snapshot: Snapshot) -> bool:
    """Tell whether a task of the case waits for the end of an action, such as a sub-case.

    One that waits for an event, for its instances or for time to pass does not move by itself.
    """
    return any("doing" in item and not _STILL & item.keys() for item in snapshot.next)
