"""What becomes of events whose case has ended: nothing that came in is lost.

A mail opens a follow-up (or joins the one that is open); an API event is ignored with the
reason; and when a workflow was ended from outside, a person decides.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import new_case_id
from ledgers.inserts import insert_new
from ledgers.locks import one_at_a_time
from store import definitions
from store.tables import Case, CaseStatus, Intake, IntakeState, Message, Participant

UNAPPLIED = (IntakeState.ROUTED, IntakeState.DELIVERED)
CLOSED_BEFORE_USE = "the case closed before it could be used"


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
            select(Intake.id, Intake.source, Intake.mailbox_id)
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
    mails = [row.id for row in rows if row.source == "imap"]
    others = [row.id for row in rows if row.source != "imap"]
    if mails:
        await _follow_up(connection, tenant, case_id, mails, now)
    if others:
        await _settle(connection, tenant, others, IntakeState.IGNORED, CLOSED_BEFORE_USE)


async def leave_to_a_person(
    connection: AsyncConnection, tenant: str, case_id: str, row_ids: Sequence[int], now: datetime
) -> None:
    """Mark a case whose workflow was ended from outside, and hold its rows for review."""
    await connection.execute(
        update(Case)
        .where(Case.tenant == tenant, Case.id == case_id, Case.status == CaseStatus.OPEN)
        .values(status=CaseStatus.TERMINATED, closed_at=now, updated_at=now)
    )
    await connection.execute(
        update(Intake)
        .where(Intake.tenant == tenant, Intake.id.in_(row_ids), Intake.state.in_(UNAPPLIED))
        .values(
            state=IntakeState.REVIEW,
            reason="the case's workflow was ended from outside",
            suggested_case_id=case_id,
            due_at=None,
        )
    )


async def open_follow_ups(
    connection: AsyncConnection, tenant: str, case_ids: Sequence[str]
) -> dict[str, str]:
    """Return the open follow-up of each closed case that has one.

    Until this transaction ends nobody else opens one for these cases.
    """
    for case_id in sorted(case_ids):
        await one_at_a_time(connection, "follow-up", tenant, case_id)
    rows = await connection.execute(
        select(Case.follows, Case.id)
        .where(Case.tenant == tenant, Case.follows.in_(case_ids), Case.status == CaseStatus.OPEN)
        .order_by(Case.opened_at)
    )
    return {row.follows: row.id for row in rows}


async def _follow_up(
    connection: AsyncConnection, tenant: str, case_id: str, row_ids: list[int], now: datetime
) -> None:
    known = await open_follow_ups(connection, tenant, [case_id])
    target = known.get(case_id)
    if target is None:
        target = await _mint(connection, tenant, case_id, row_ids[0], now)
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
    await connection.execute(
        insert(Case).values(
            tenant=tenant,
            id=target,
            definition=newest.definition,
            definition_version=newest.version,
            definition_hash=newest.hash,
            mailbox_id=old.mailbox_id,
            customer=old.customer,
            subject=old.subject,
            initial_data={},
            follows=case_id,
            status=CaseStatus.OPEN,
            opened_at=received_at,
            updated_at=now,
            revision=0,
            opening_id=opening_id,
        )
    )
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
    await connection.execute(
        update(Intake)
        .where(Intake.tenant == tenant, Intake.id.in_(row_ids))
        .values(state=state, reason=reason, due_at=None)
    )
