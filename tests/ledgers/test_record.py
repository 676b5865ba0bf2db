"""The record of a case's steps, and what becomes of events that a case gives back."""

import asyncio

import pytest
from sqlalchemy import select

from contracts.clock import utc_now
from ledgers.casework import follow_ups, record
from store.tables import Case, CaseStatus, Intake, IntakeState
from tests.ledgers.definitions import SUPPORT_2
from tests.ledgers.interleaving import FOR_THE_OTHER_S, together
from tests.ledgers.letters import CUSTOMER, letter
from tests.ledgers.world import TENANT, World, step


async def open_case(world: World, *more: bytes) -> tuple[str, list[int]]:
    """Let a customer's mails open a case and go on with it; return its rows."""
    first = letter(message_id="<first@customer.test>")
    rows = await world.take(await world.attach(), 1, first, *more)
    return str((await world.by_uid(1)).case_id), rows


def answer(subject: str = "More") -> bytes:
    """Return a mail that continues the case."""
    return letter(subject, answers="<first@customer.test>")


async def test_a_step_is_recorded_with_what_it_applied(world: World) -> None:
    case_id, [row] = await open_case(world)
    await world.record(case_id, 1, applied=[row], trace=[1], states=["received"])
    case, applied = await world.row(Case), await world.by_uid(1)
    assert (case.revision, case.state, case.closed_at) == (1, "received", None)
    assert (applied.state, applied.due_at) == (IntakeState.APPLIED, None)
    assert applied.applied_at is not None
    assert await world.trace(case_id) == [1]


async def test_a_record_that_comes_again_changes_nothing(world: World) -> None:
    case_id, [row] = await open_case(world)
    await world.record(case_id, 1, applied=[row], trace=[1, 2])
    first, applied = await world.row(Case), await world.by_uid(1)
    await world.record(case_id, 1, applied=[row], trace=[1, 2])
    assert await world.row(Case) == first
    assert await world.by_uid(1) == applied
    assert await world.trace(case_id) == [1, 2]


async def test_a_record_that_comes_late_takes_nothing_back_and_loses_nothing(
    world: World,
) -> None:
    case_id, rows = await open_case(world, answer())
    await world.record(case_id, 2, applied=[rows[1]], trace=[2], status="closed", states=["closed"])
    await world.record(case_id, 1, applied=[rows[0]], trace=[1])
    case = await world.row(Case)
    assert (case.revision, case.status, case.state) == (2, CaseStatus.CLOSED, "closed")
    assert case.closed_at is not None
    assert {row.state for row in await world.rows(Intake)} == {IntakeState.APPLIED}
    assert await world.trace(case_id) == [1, 2]


async def test_one_tenants_record_does_not_touch_another_ones_rows(world: World) -> None:
    case_id, [row] = await open_case(world)
    await world.record(case_id, 5, applied=[row], tenant="other", status="closed")
    assert (await world.row(Case)).status == CaseStatus.OPEN
    assert (await world.by_uid(1)).state == IntakeState.ROUTED


async def test_a_mail_that_a_closing_case_gives_back_opens_a_follow_up(world: World) -> None:
    case_id, rows = await open_case(world, answer("Wait"))
    await world.register(SUPPORT_2)
    await world.record(case_id, 2, status="closed", applied=rows, returned=[rows[1]])
    follow_up = await world.row(Case, follows=case_id)
    row = await world.by_uid(2)
    assert (row.state, row.case_id, row.applied_at, row.deliveries) == (
        IntakeState.ROUTED,
        follow_up.id,
        None,
        0,
    )
    assert row.due_at <= utc_now()
    assert (follow_up.opening_id, follow_up.definition_version, follow_up.customer) == (
        row.id,
        2,
        CUSTOMER,
    )
    assert follow_up.opened_at == row.received_at
    assert await world.participants(follow_up.id) == {CUSTOMER}
    assert [mail.subject for mail in await world.mails_of(follow_up.id)] == ["Wait"]
    assert (await world.by_uid(1)).state == IntakeState.APPLIED


async def test_a_last_record_that_comes_again_leaves_the_mail_to_the_follow_up(
    world: World,
) -> None:
    case_id, rows = await open_case(world, answer())
    for _ in range(2):
        await world.record(case_id, 2, status="closed", applied=rows, returned=[rows[1]])
    row = await world.by_uid(2)
    assert row.state == IntakeState.ROUTED
    assert row.case_id == (await world.row(Case, follows=case_id)).id


async def test_all_that_is_given_back_goes_to_one_follow_up(world: World) -> None:
    case_id, rows = await open_case(world, answer("a"), answer("b"), answer("c"))
    await world.record(case_id, 2, status="closed", applied=rows, returned=rows[1:3])
    await world.record(case_id, 3, status="closed", returned=[rows[3]])
    follow_up = await world.row(Case, follows=case_id)
    assert {(await world.by_uid(uid)).case_id for uid in (2, 3, 4)} == {follow_up.id}
    assert follow_up.opening_id == rows[1]


async def test_a_row_that_the_closed_case_has_applied_is_not_handed_back(world: World) -> None:
    case_id, [row] = await open_case(world)
    await world.record(case_id, 2, status="closed", applied=[row])
    await hand_back(world, case_id, row)
    assert (await world.by_uid(1)).state == IntakeState.APPLIED
    assert len(await world.cases()) == 1


async def test_handing_back_at_once_opens_one_follow_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id, rows = await open_case(world, answer("a"), answer("b"))
    await world.close(case_id)
    monkeypatch.setattr(follow_ups, "_mint", together(follow_ups._mint))
    await asyncio.gather(*(hand_back(world, case_id, row) for row in rows[1:]))
    follow_up = await world.row(Case, follows=case_id)
    assert {(await world.by_uid(uid)).case_id for uid in (2, 3)} == {follow_up.id}


async def test_a_row_that_was_handed_back_and_applied_meanwhile_stays_applied(
    world: World,
) -> None:
    case_id, rows = await open_case(world, answer())
    await world.close(case_id)
    async with world.database.write() as connection:
        await follow_ups.hand_back(connection, TENANT, case_id, rows[1:], utc_now())
        later = asyncio.create_task(hand_back(world, case_id, rows[1]))
        await asyncio.wait({later}, timeout=FOR_THE_OTHER_S)
        target = await connection.scalar(select(Case.id).where(Case.follows == case_id))
        await record.write(connection, step(str(target), 1, applied=rows[1:]))
    await later
    assert (await world.by_uid(2)).state == IntakeState.APPLIED


async def hand_back(world: World, case_id: str, *row_ids: int) -> None:
    """Hand rows back."""
    async with world.database.write() as connection:
        await follow_ups.hand_back(connection, TENANT, case_id, row_ids, utc_now())


async def test_rows_of_a_workflow_that_was_ended_from_outside_wait_for_a_person(
    world: World,
) -> None:
    case_id, rows = await open_case(world, answer())
    await world.record(case_id, 1, applied=[rows[0]])
    async with world.database.write() as connection:
        await follow_ups.leave_to_a_person(connection, TENANT, case_id, rows, utc_now())
    assert (await world.row(Case)).status == CaseStatus.TERMINATED
    assert (await world.by_uid(1)).state == IntakeState.APPLIED
    row = await world.by_uid(2)
    assert (row.state, row.suggested_case_id, row.due_at) == (IntakeState.REVIEW, case_id, None)
    assert row.reason == "the case's workflow was ended from outside"
