"""What becomes of events whose case has ended: nothing that came in is lost.

A mail does what the definition says: it opens a follow-up (or joins the one that is open), or
reaches the closed case itself. An API event and an automatic answer are ignored with the
reason; and when a workflow was ended from outside, a person decides.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cases.definitions import Definition
from cases.events import AUTO_REPLY, BOUNCE
from cases.notation.declarations import ClosedPolicy
from contracts.ids import new_case_id
from ledgers.casework.case_rows import case_row
from ledgers.casework.versions import definition_by_hash
from ledgers.inserts import insert_new
from ledgers.locks import one_at_a_time
from store import definitions
from store.tables import Case, CaseStatus, Intake, IntakeState, Message, Participant

UNAPPLIED = (IntakeState.ROUTED, IntakeState.DELIVERED)
CLOSED_BEFORE_USE = "the case closed before it could be used"
ENDED_FROM_OUTSIDE = "the case's workflow was ended from outside"
GIVEN_BACK = "given back by the case when it closed"
USED_NEVER = "the case closed twice without using it"
AUTOMATIC_TO_CLOSED = "an automatic answer to a closed case"
BOUNCE_OF_CLOSED = "bounce of a closed case's mail"
# Why what programs sent does not reach a closed case, by the type of the event.
_TOO_LATE = {AUTO_REPLY: AUTOMATIC_TO_CLOSED, BOUNCE: BOUNCE_OF_CLOSED}
_WAKING = frozenset({ClosedPolicy.REOPEN, ClosedPolicy.ANSWER})
# A case that follows another one, and so on: so far it is looked.
MAX_CHAIN = 1_000


async def hand_back(
    connection: AsyncConnection, tenant: str, case_id: str, row_ids: Sequence[int], now: datetime
) -> None:
    """Route rows that reached a closed case; rows that it applied stay as they are."""
    await _route(connection, tenant, case_id, row_ids, UNAPPLIED, now)


async def take_back(
    connection: AsyncConnection, tenant: str, case_id: str, row_ids: Sequence[int], now: datetime
) -> None:
    """Route rows that a closing case gives back: it had taken them, and nothing used them."""
    await _route(connection, tenant, case_id, row_ids, (*UNAPPLIED, IntakeState.APPLIED), now)


async def _route(
    connection: AsyncConnection,
    tenant: str,
    case_id: str,
    row_ids: Sequence[int],
    states: Sequence[IntakeState],
    now: datetime,
) -> None:
    rows = (
        await connection.execute(
            select(Intake.id, Intake.source, Intake.event_type, Intake.reason, Intake.delivered_at)
            .where(
                Intake.tenant == tenant,
                Intake.case_id == case_id,
                Intake.id.in_(row_ids),
                Intake.state.in_(states),
            )
            .order_by(Intake.received_at, Intake.id)
            # Another process may be giving the same rows back.
            .with_for_update()
        )
    ).all()
    for type_, reason in _TOO_LATE.items():
        late = [row.id for row in rows if row.event_type == type_]
        await _settle(connection, tenant, late, IntakeState.IGNORED, reason)
    mails = [row for row in rows if row.source == "imap" and row.event_type not in _TOO_LATE]
    others = [row.id for row in rows if row.source != "imap"]
    if mails:
        await _reach_again(connection, tenant, case_id, mails, now)
    await _settle(connection, tenant, others, IntakeState.IGNORED, CLOSED_BEFORE_USE)


async def _reach_again(
    connection: AsyncConnection,
    tenant: str,
    case_id: str,
    mails: Sequence[Any],  # rows with id, reason and delivered_at
    now: datetime,
) -> None:
    """Route mails to the closed case where its definition says so, else to its follow-up.

    One that the case gave back before does not wake it once more, or it would go on for ever;
    without a delivery since, it is the same record that comes again.
    """
    if await after_close(connection, tenant, case_id) is None:
        await _follow_up(connection, tenant, case_id, [row.id for row in mails], now)
        return
    twice = [row.id for row in mails if row.reason == GIVEN_BACK and row.delivered_at is not None]
    await _hold(connection, tenant, case_id, twice, USED_NEVER)
    first = [row.id for row in mails if row.id not in twice]
    await connection.execute(
        update(Intake)
        .where(Intake.tenant == tenant, Intake.id.in_(first))
        .values(
            state=IntakeState.ROUTED,
            reason=GIVEN_BACK,
            due_at=now,
            delivered_at=None,
            applied_at=None,
            deliveries=0,
        )
    )


async def after_close(
    connection: AsyncConnection, tenant: str, case_id: str
) -> ClosedPolicy | None:
    """Return how a mail reaches this closed case itself, or None if it does not."""
    row = (
        await connection.execute(
            select(Case.status, Case.definition_hash, carried()).where(
                Case.tenant == tenant, Case.id == case_id
            )
        )
    ).one()
    definition = await definition_by_hash(connection, tenant, row.definition_hash)
    return (
        definition.after_close.policy
        if wakes(row.status, definition, is_carried=row.is_carried)
        else None
    )


def carried() -> ColumnElement[bool]:
    """Return the column that tells whether a case kept what it takes to go on."""
    # SQLAlchemy may have written None as JSON's null.
    return (func.coalesce(cast(Case.carried, Text), "null") != "null").label("is_carried")


def wakes(status: str, definition: Definition, *, is_carried: bool) -> bool:
    """Return whether a mail reaches this closed case itself; a cancelled one stays so."""
    if status != CaseStatus.CLOSED or not is_carried:
        return False
    return definition.after_close.policy in _WAKING


async def leave_to_a_person(
    connection: AsyncConnection, tenant: str, case_id: str, row_ids: Sequence[int], now: datetime
) -> None:
    """Mark a case whose workflow was ended from outside, and hold its rows for review."""
    await connection.execute(
        update(Case)
        .where(Case.tenant == tenant, Case.id == case_id, Case.status == CaseStatus.OPEN)
        .values(status=CaseStatus.TERMINATED, closed_at=now, updated_at=now)
    )
    held = Intake.state.in_(UNAPPLIED)
    await _hold(connection, tenant, case_id, row_ids, ENDED_FROM_OUTSIDE, held)


async def _hold(
    connection: AsyncConnection,
    tenant: str,
    case_id: str,
    row_ids: Sequence[int],
    reason: str,
    *conditions: ColumnElement[bool],
) -> None:
    """Let rows wait for a person, who learns which case they were for."""
    if row_ids:
        await connection.execute(
            update(Intake)
            .where(Intake.tenant == tenant, Intake.id.in_(row_ids), *conditions)
            .values(
                state=IntakeState.REVIEW,
                reason=reason,
                suggested_case_id=case_id,
                due_at=None,
                applied_at=None,
            )
        )


async def chain_ends(
    connection: AsyncConnection, tenant: str, case_ids: Sequence[str]
) -> dict[str, str]:
    """Return the end of each closed case's chain of follow-ups: the open one, if there is one.

    Without a follow-up the case is the end itself; what is for a closed sub-case is for the case
    that ran it, and so on. Until this transaction ends nobody else
    opens a follow-up in the tenant: chains meet, so locks on single cases could wait for each
    other.
    """
    await one_at_a_time(connection, "follow-up", tenant)
    ends = {case_id: case_id for case_id in case_ids}
    for _ in range(MAX_CHAIN):
        after = await _followers(connection, tenant, set(ends.values()))
        moved = {case_id: after[end] for case_id, end in ends.items() if end in after}
        if not moved:
            break
        ends |= moved
    return ends


async def _followers(
    connection: AsyncConnection, tenant: str, case_ids: set[str]
) -> dict[str, str]:
    """Return the follow-up of each case that has one: an open one, else the newest.

    A closed sub-case has its parent in place of one.
    """
    rows = await connection.execute(
        select(Case.follows, Case.id)
        .where(Case.tenant == tenant, Case.follows.in_(sorted(case_ids)))
        .order_by(Case.status == CaseStatus.OPEN, Case.opened_at, Case.id)
    )
    followers = {row.follows: row.id for row in rows}
    closed = await connection.execute(
        select(Case.id, Case.parent).where(
            Case.tenant == tenant,
            Case.id.in_(sorted(case_ids)),
            Case.parent.is_not(None),
            Case.status != CaseStatus.OPEN,
        )
    )
    return {row.id: row.parent for row in closed} | followers


async def _follow_up(
    connection: AsyncConnection, tenant: str, case_id: str, row_ids: list[int], now: datetime
) -> None:
    end = (await chain_ends(connection, tenant, [case_id]))[case_id]
    if await _is_open(connection, tenant, end):
        target = end
    else:
        target = await _mint(connection, tenant, end, row_ids[0], now)
    await connection.execute(
        update(Message)
        .where(
            Message.tenant == tenant,
            Message.case_id == case_id,
            Message.intake_id.in_(row_ids),
        )
        .values(case_id=target)
    )
    await connection.execute(
        update(Intake)
        .where(Intake.tenant == tenant, Intake.id.in_(row_ids))
        .values(case_id=target, state=IntakeState.ROUTED, due_at=now, applied_at=None, deliveries=0)
    )


async def _is_open(connection: AsyncConnection, tenant: str, case_id: str) -> bool:
    status = await connection.scalar(
        select(Case.status).where(Case.tenant == tenant, Case.id == case_id)
    )
    return status == CaseStatus.OPEN


async def _mint(
    connection: AsyncConnection, tenant: str, case_id: str, opening_id: int, now: datetime
) -> str:
    """Open a case that follows a closed one, on the newest version, with its participants."""
    old = (
        await connection.execute(
            select(Case.definition, Case.mailbox_id, Case.customer, Case.subject).where(
                Case.tenant == tenant, Case.id == case_id
            )
        )
    ).one()
    newest = await definitions.latest(connection, tenant, old.definition)
    if newest is None:
        raise LookupError(f"case {case_id} has a definition that is not registered")
    received_at = (
        await connection.execute(
            select(Intake.received_at).where(Intake.tenant == tenant, Intake.id == opening_id)
        )
    ).scalar_one()
    target = new_case_id()
    opened = case_row(
        tenant=tenant,
        case_id=target,
        definition=newest.definition,
        version=newest.version,
        hash_=newest.hash,
        mailbox_id=old.mailbox_id,
        customer=old.customer,
        subject=old.subject,
        follows=case_id,
        opening_id=opening_id,
        opened_at=received_at,
        now=now,
    )
    await connection.execute(insert(Case).values(opened))
    participants = await connection.execute(
        select(Participant.address).where(
            Participant.tenant == tenant, Participant.case_id == case_id
        )
    )
    await insert_new(
        connection,
        Participant,
        [
            {"tenant": tenant, "case_id": target, "address": address}
            for address in participants.scalars()
        ],
    )
    return target


async def _settle(
    connection: AsyncConnection,
    tenant: str,
    row_ids: Sequence[int],
    state: IntakeState,
    reason: str,
) -> None:
    if row_ids:
        await connection.execute(
            update(Intake)
            .where(Intake.tenant == tenant, Intake.id.in_(row_ids))
            .values(state=state, reason=reason, due_at=None, applied_at=None)
        )
