"""Delivery to a real Temporal server: until applied, whatever ends or fails on the way."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from contracts.case import Carried, CaseInput, PinnedDefinition
from contracts.clock import utc_now
from contracts.ids import case_workflow_id
from contracts.steps import CaseEvent
from ledgers.casework import delivery as deliveries
from ledgers.casework import record
from ledgers.casework.delivery import Delivery
from ledgers.casework.door import Door
from store.tables import Case, CaseStatus, Intake, IntakeState
from tests.ledgers.definitions import SUPPORT
from tests.ledgers.deliveries import delivery_to
from tests.ledgers.interleaving import FOR_THE_OTHER_S
from tests.ledgers.letters import letter
from tests.ledgers.world import TENANT, World, step
from tests.servers.tcp_proxy import TcpProxy


@pytest.fixture
async def delivery(small_world: World, temporal_address: str) -> Delivery:
    """A delivery to a server on which no worker runs."""
    return await delivery_to(small_world, temporal_address)


def answer(subject: str = "More", first: str = "<first@customer.test>") -> bytes:
    """Return a mail that continues a case."""
    return letter(subject, answers=first)


async def open_case(world: World, *more: bytes) -> tuple[str, list[int]]:
    """Let mails open a case and go on with it; nothing is delivered yet."""
    first = letter(message_id="<first@customer.test>")
    rows = await world.take(await world.attach(), 1, first, *more)
    return str((await world.by_uid(1)).case_id), rows


def workflow(delivery: Delivery, case_id: str) -> WorkflowHandle[object, object]:
    """Return a case's workflow."""
    return delivery.temporal.client.get_workflow_handle(case_workflow_id(TENANT, case_id))


async def signalled(delivery: Delivery, case_id: str) -> list[list[int]]:
    """Return the event ids of each signal that a case's workflow was sent."""
    converter = delivery.temporal.client.data_converter
    signals = []
    async for event in workflow(delivery, case_id).fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            payloads = event.workflow_execution_signaled_event_attributes.input.payloads
            [events] = await converter.decode(list(payloads), [list[CaseEvent]])
            signals.append([taken.id for taken in events])
    return signals


async def test_a_new_case_is_started_with_its_opening_and_sent_the_rest_in_order(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    case_id, rows = await open_case(world, answer("a"), answer("b"))
    await delivery.deliver(TENANT, rows)
    assert await signalled(delivery, case_id) == [rows[1:]]
    for row in await world.rows(Intake):
        assert (row.state, row.deliveries) == (IntakeState.DELIVERED, 1)
        assert row.due_at > row.delivered_at


async def test_what_is_delivered_and_not_applied_is_delivered_again(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    case_id, rows = await open_case(world, answer())
    await delivery.deliver(TENANT, rows)
    assert await delivery.due(TENANT, utc_now()) == []
    later = utc_now() + deliveries.FIRST_REDELIVERY
    assert await delivery.due(TENANT, later) == rows
    await delivery.deliver(TENANT, rows)
    assert await signalled(delivery, case_id) == [[rows[1]], [rows[1]]]
    row = await world.by_uid(2)
    assert row.deliveries == 2
    assert row.due_at > later


async def test_redelivery_slows_down_and_never_stops(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    _, rows = await open_case(world)
    async with world.database.write() as connection:
        await connection.execute(update(Intake).values(deliveries=1_000))
    await delivery.deliver(TENANT, rows)
    row = await world.by_uid(1)
    assert row.due_at - row.delivered_at < deliveries.LONGEST_REDELIVERY + timedelta(seconds=5)


async def test_what_is_applied_is_neither_due_nor_delivered_nor_marked(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    case_id, rows = await open_case(world, answer())
    await world.record(case_id, 1, applied=rows)
    assert await delivery.due(TENANT, utc_now() + timedelta(days=1)) == []
    await delivery.deliver(TENANT, rows)
    assert {row.state for row in await world.rows(Intake)} == {IntakeState.APPLIED}


async def test_a_row_that_is_applied_while_it_is_delivered_stays_applied(
    world: World, temporal_address: str
) -> None:
    case_id, rows = await open_case(world)
    delivery = await delivery_to(world, temporal_address)
    async with world.database.write() as connection:
        await record.write(connection, step(case_id, 1, applied=rows))
        task = asyncio.create_task(delivery.deliver(TENANT, rows))
        await asyncio.wait({task}, timeout=FOR_THE_OTHER_S)
    await task
    assert (await world.by_uid(1)).state == IntakeState.APPLIED


async def test_rows_of_a_closed_case_go_to_a_follow_up_and_are_delivered_there(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    case_id, rows = await open_case(world, answer())
    await delivery.deliver(TENANT, rows[:1])
    await world.record(case_id, 1, applied=rows[:1], status="closed")
    await delivery.deliver(TENANT, rows[1:])
    follow_up = await world.row(Case, follows=case_id)
    assert await delivery.due(TENANT, utc_now()) == [rows[1]]
    await delivery.deliver(TENANT, [rows[1]])
    assert (await world.by_uid(2)).state == IntakeState.DELIVERED
    description = await workflow(delivery, follow_up.id).describe()
    assert description.id.endswith(follow_up.id)


async def test_an_operators_terminate_leaves_unapplied_rows_to_a_person(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    case_id, rows = await open_case(world)
    await delivery.deliver(TENANT, rows)
    await world.record(case_id, 1, applied=rows)
    await workflow(delivery, case_id).terminate()
    later = await world.take(await world.attach(), 2, answer())
    await delivery.deliver(TENANT, later)
    row = await world.by_uid(2)
    assert (row.state, row.suggested_case_id) == (IntakeState.REVIEW, case_id)
    assert (await world.row(Case)).status == CaseStatus.TERMINATED
    # The customer's next mail is not lost either.
    await world.take(await world.attach(), 3, answer("Hello?"))
    assert (await world.by_uid(3)).case_id == (await world.row(Case, follows=case_id)).id


async def test_a_terminated_case_whose_opening_was_never_applied_is_left_to_a_person(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    case_id, rows = await open_case(world, answer())
    await delivery.deliver(TENANT, rows)
    await workflow(delivery, case_id).terminate()
    await delivery.deliver(TENANT, rows)
    assert {row.state for row in await world.rows(Intake)} == {IntakeState.REVIEW}


async def test_while_temporal_is_down_rows_stay_due(
    small_world: World, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.temporal.RPC_TIMEOUT", timedelta(milliseconds=500))
    world = small_world
    _, rows = await open_case(world)
    before = await world.by_uid(1)
    async with TcpProxy(int(temporal_address.rpartition(":")[2])) as proxy:
        delivery = await delivery_to(world, f"127.0.0.1:{proxy.port}")
        assert await delivery.temporal.reachable()
        proxy.freeze()
        await delivery.deliver(TENANT, rows)
        assert await world.by_uid(1) == before
        proxy.thaw()
        await delivery.deliver(TENANT, rows)
    assert (await world.by_uid(1)).state == IntakeState.DELIVERED


async def test_one_case_that_cannot_be_delivered_stops_no_other_and_is_tried_later(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    case_id, rows = await open_case(world)
    door = Door(delivery)
    # JSON knows lone surrogates, UTF-8 and so Temporal's payloads do not.
    await delivery.deliver(TENANT, rows)
    bad = await door.accept(TENANT, case_id, "bad", "paid", {"name": "\ud800"})
    await door.settle()
    other = await world.take(await world.attach(), 2, letter("Another case"))
    await delivery.deliver(TENANT, [bad.event_id, *other])
    assert (await world.by_uid(2)).state == IntakeState.DELIVERED
    row = await world.row(Intake, id=bad.event_id)
    # Once by the door, once by us; each time it is tried again later.
    assert (row.state, row.deliveries) == (IntakeState.ROUTED, 2)
    assert row.due_at > utc_now() + deliveries.FIRST_REDELIVERY


async def test_many_events_of_one_case_are_sent_in_several_signals(
    small_world: World, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "EVENTS_A_SIGNAL", 2)
    case_id, rows = await open_case(small_world, *(answer(str(number)) for number in range(5)))
    await delivery.deliver(TENANT, rows)
    assert await signalled(delivery, case_id) == [rows[1:3], rows[3:5], rows[5:]]


async def test_one_tenant_delivers_nothing_of_another(
    small_world: World, delivery: Delivery
) -> None:
    _, rows = await open_case(small_world)
    assert await delivery.due("other", utc_now() + timedelta(days=1)) == []
    await delivery.deliver("other", rows)
    row = await small_world.by_uid(1)
    assert (row.state, row.deliveries) == (IntakeState.ROUTED, 0)


async def test_a_mail_to_a_case_that_may_be_reopened_starts_it_again_with_what_it_kept(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    await world.register({**SUPPORT, "after_close": {"policy": "reopen", "to": "received"}})
    case_id, rows = await open_case(world)
    await delivery.deliver(TENANT, rows)
    await workflow(delivery, case_id).terminate()
    kept = Carried(core={"kept": True}, revision=5, trace_seq=7, inbox=[], seen=rows)
    await world.record(
        case_id, 5, status="closed", applied=rows, carried=kept.model_dump(mode="json")
    )
    late = await world.take(await world.attach(), 2, answer("a"), answer("b"))
    await delivery.deliver(TENANT, late)
    start = await started_with(delivery, case_id)
    assert (start.case_id, start.opening.id, start.reopened) == (case_id, late[0], "reopen")
    assert start.carried == kept
    assert await signalled(delivery, case_id) == [late[1:]]
    assert {(await world.by_uid(uid)).state for uid in (2, 3)} == {IntakeState.DELIVERED}
    assert len(await world.cases()) == 1


async def test_what_comes_while_a_reopened_case_starts_is_signalled_to_it(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    await world.register({**SUPPORT, "after_close": {"policy": "reopen", "to": "received"}})
    case_id, rows = await open_case(world)
    kept = Carried(core={}, revision=5, trace_seq=7, inbox=[], seen=rows)
    await world.record(
        case_id, 5, status="closed", applied=rows, carried=kept.model_dump(mode="json")
    )
    late = await world.take(await world.attach(), 2, answer("a"), answer("b"))
    await delivery.deliver(TENANT, late[:1])
    await delivery.deliver(TENANT, late[1:])
    assert await signalled(delivery, case_id) == [late[1:]]


async def test_a_mail_that_the_closing_case_gave_back_is_no_mail_that_it_has_had(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    await world.register({**SUPPORT, "after_close": {"policy": "reopen", "to": "received"}})
    case_id, rows = await open_case(world, answer("a"))
    kept = Carried(core={}, revision=5, trace_seq=7, inbox=[], seen=rows)
    await world.record(
        case_id,
        5,
        status="closed",
        applied=rows,
        returned=rows[1:],
        carried=kept.model_dump(mode="json"),
    )
    assert await delivery.due(TENANT, utc_now()) == rows[1:]
    await delivery.deliver(TENANT, rows[1:])
    start = await started_with(delivery, case_id)
    assert start.opening.id == rows[1]
    assert start.carried is not None
    assert start.carried.seen == rows[:1]


async def test_a_mail_that_a_case_gives_back_twice_wakes_it_no_more(
    small_world: World, delivery: Delivery
) -> None:
    world = small_world
    await world.register({**SUPPORT, "after_close": {"policy": "reopen", "to": "received"}})
    case_id, rows = await open_case(world, answer("a"))
    kept = Carried(core={}, revision=5, trace_seq=7, inbox=[], seen=rows).model_dump(mode="json")
    ended: dict[str, Any] = {"status": "closed", "applied": rows, "returned": rows[1:]}
    for _ in range(2):  # a record that comes again is the same one
        await world.record(case_id, 5, **ended, carried=kept)
    assert (await world.by_uid(2)).state == IntakeState.ROUTED
    await delivery.deliver(TENANT, rows[1:])
    await world.record(case_id, 6, **ended, carried=kept)
    row = await world.by_uid(2)
    assert (row.state, row.suggested_case_id) == (IntakeState.REVIEW, case_id)
    assert row.reason == "the case closed twice without using it"


async def started_with(delivery: Delivery, case_id: str) -> CaseInput:
    """Return what a case's newest run was started with."""
    converter = delivery.temporal.client.data_converter
    async for event in workflow(delivery, case_id).fetch_history_events():
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        [start, _] = await converter.decode(list(payloads), [CaseInput, PinnedDefinition])
        assert isinstance(start, CaseInput)
        return start
    raise AssertionError("a history begins with the start")
