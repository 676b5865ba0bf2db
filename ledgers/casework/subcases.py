"""Sub-cases: each is a case of its own, with a row that says which action of which case runs it.

It runs on its parent's version, with its mailbox, customer, subject and participants, so that its
mails go where the parent's would, and count with them. Opening one again finds the same one.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Row, ScalarSelect, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from clients.temporal import Started
from contracts.clock import utc_now
from contracts.ids import subcase_id
from contracts.model import Json
from contracts.steps import CaseEvent, Snapshot
from contracts.subcases import SubcaseEnded, SubcaseOpened, SubcaseRequest, SubcaseStatus
from ledgers.casework.case_rows import case_row
from ledgers.inserts import insert_new
from ledgers.locks import one_at_a_time
from store.database import Database
from store.tables import Case, CaseStatus, Intake, Participant

# Of one case at the top: a recursion of ten at each level stays finite work too.
MAX_SUBCASES = 1_000
ENDED_FROM_OUTSIDE = "its workflow was ended from outside"

# Any: rows of several columns.
_Row = Row[Any]
# Tells whether the workflow of a tenant's case runs.
Stands = Callable[[str, str], Awaitable[Started]]


async def open_subcase(
    database: Database, request: SubcaseRequest, stands: Stands
) -> SubcaseOpened:
    """Return the sub-case of an action, opened if it is not there yet; its end if it has ended.

    One whose workflow was ended from outside is marked so: it would never tell its parent.
    """
    case_id = subcase_id(request.tenant, request.parent.case_id, *request.key)
    async with database.write() as connection:
        parent = await _read(connection, request.tenant, request.parent.case_id)
        root = parent.root or parent.id
        known = await _find(connection, request.tenant, case_id)
        if known is None:
            refusal = await _open(connection, request, parent, root, case_id)
            if refusal is not None:
                return SubcaseOpened(case_id=case_id, root=root, ended=refusal)
        opening = await _opening(connection, request.tenant, request.event_id)
    opened = SubcaseOpened(case_id=case_id, root=root, opening=opening)
    return opened if known is None else await _as_it_stands(database, request, opened, stands)


def family(tenant: str, case_id: str) -> Select[str]:
    """Return the query of a case's id and, of a sub-case, those of all that belong together.

    A sub-case answers a mail that another of them has.
    """
    root = root_of(tenant, case_id)
    related = (Case.id == root) | (Case.root == root)
    return select(Case.id).where(Case.tenant == tenant, (Case.id == case_id) | related)


def root_of(tenant: str, case_id: str) -> ScalarSelect[str | None]:
    """Return the query of the case at the top of a sub-case; of others it finds none."""
    return (
        select(Case.root)
        .where(Case.tenant == tenant, Case.id == case_id)
        .correlate(None)
        .scalar_subquery()
    )


async def _open(
    connection: AsyncConnection, request: SubcaseRequest, parent: _Row, root: str, case_id: str
) -> SubcaseEnded | None:
    """Open a sub-case, or return why there can be no more of them."""
    await one_at_a_time(connection, "subcases", request.tenant, root)
    family = await connection.scalar(
        select(func.count()).where(Case.tenant == request.tenant, Case.root == root)
    )
    if (family or 0) >= MAX_SUBCASES:
        reason = (
            f"case {root} has run {MAX_SUBCASES:,} sub-cases already, and may not run more: "
            "let the definition run fewer, or start a case of its own for each"
        )
        return _ended(request, SubcaseStatus.REFUSED, reason)
    now = utc_now()
    row = case_row(
        tenant=request.tenant,
        case_id=case_id,
        definition=parent.definition,
        version=parent.definition_version,
        hash_=parent.definition_hash,
        mailbox_id=parent.mailbox_id,
        customer=parent.customer,
        subject=parent.subject,
        opening_id=request.event_id,
        opened_at=now,
        now=now,
        data=request.data,
    )
    family_columns = {
        "parent": parent.id,
        "parent_firing": request.parent.firing,
        "parent_index": request.parent.index,
        "root": root,
        "net": request.net,
        "depth": request.depth,
    }
    await connection.execute(insert(Case).values(**row, **family_columns))
    await _share_participants(connection, request.tenant, parent.id, case_id)
    return None


async def _share_participants(
    connection: AsyncConnection, tenant: str, parent: str, case_id: str
) -> None:
    addresses = await connection.execute(
        select(Participant.address).where(
            Participant.tenant == tenant, Participant.case_id == parent
        )
    )
    rows = [
        {"tenant": tenant, "case_id": case_id, "address": address}
        for address in addresses.scalars()
    ]
    await insert_new(connection, Participant, rows)


async def _as_it_stands(
    database: Database, request: SubcaseRequest, opened: SubcaseOpened, stands: Stands
) -> SubcaseOpened:
    """Return a sub-case that was opened before, with its end, or whether it runs."""
    workflow = await stands(request.tenant, opened.case_id)
    # Read after that: what ends by itself records its end before its workflow ends.
    async with database.write() as connection:
        if workflow is Started.ENDED:
            await _note_termination(connection, request.tenant, opened.case_id)
        known = await _read(connection, request.tenant, opened.case_id)
    runs = workflow is Started.RUNNING
    return opened.model_copy(update={"ended": _end(request, known), "runs": runs})


def _end(request: SubcaseRequest, known: _Row) -> SubcaseEnded | None:
    if known.status == CaseStatus.OPEN:
        return None
    if known.status == CaseStatus.TERMINATED:
        return _ended(request, SubcaseStatus.TERMINATED, ENDED_FROM_OUTSIDE)
    data = Snapshot.model_validate(known.snapshot).data if known.snapshot else {}
    return _ended(request, SubcaseStatus(known.status), None, data)


async def _note_termination(connection: AsyncConnection, tenant: str, case_id: str) -> None:
    """Mark a case whose workflow has ended, unless it has recorded its end."""
    now = utc_now()
    await connection.execute(
        update(Case)
        .where(Case.tenant == tenant, Case.id == case_id, Case.status == CaseStatus.OPEN)
        .values(status=CaseStatus.TERMINATED, closed_at=now, updated_at=now)
    )


def _ended(
    request: SubcaseRequest,
    status: SubcaseStatus,
    reason: str | None,
    data: dict[str, Json] | None = None,
) -> SubcaseEnded:
    firing, index = request.key
    return SubcaseEnded(firing=firing, index=index, status=status, data=data or {}, reason=reason)


async def _read(connection: AsyncConnection, tenant: str, case_id: str) -> _Row:
    found = await _find(connection, tenant, case_id)
    if found is None:
        raise LookupError(f"case {case_id} is not there")
    return found


async def _find(connection: AsyncConnection, tenant: str, case_id: str) -> _Row | None:
    return (
        await connection.execute(select(Case).where(Case.tenant == tenant, Case.id == case_id))
    ).one_or_none()


async def _opening(connection: AsyncConnection, tenant: str, event_id: int) -> CaseEvent:
    row = (
        await connection.execute(
            select(
                Intake.id,
                Intake.event_type,
                Intake.received_at,
                Intake.event,
                Intake.correlation_id,
            ).where(Intake.tenant == tenant, Intake.id == event_id)
        )
    ).one()
    return CaseEvent(
        id=row.id,
        type=row.event_type,
        at=row.received_at,
        data=row.event or {},
        correlation_id=row.correlation_id,
    )
