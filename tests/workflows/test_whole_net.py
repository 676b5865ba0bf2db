"""Nets of tasks and conditions as real cases: what is at once, what is undone, what it costs."""

import asyncio
from email import message_from_bytes, policy
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault
from tests.workflows.definitions import FAMILY, TRIP
from tests.workflows.office import ADDRESS, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"


async def test_actions_that_are_done_together_are_under_way_at_the_same_time(
    desk: Office,
) -> None:
    tell = {"notify": {"team": "leads", "template": "told"}, "block": True}
    task = {"do": [{"together": [tell, tell]}], "to": ["done"]}
    case_id = await _started(desk, _net({"tell": task}))
    desk.sink.script.extend([Fault.MAIL_LATER] * 1_000)
    await desk.start_workers()
    # Neither can end, so what is under way now is so at the same time.
    await desk.until_under_way(case_id, 2)
    desk.sink.script.clear()
    assert await desk.workflow(case_id).result() == "closed"
    await desk.until_sent(case_id, 2)


async def test_what_was_done_is_undone_in_reverse_order_each_once_over_a_restart(
    desk: Office,
) -> None:
    await desk.register(TRIP)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a trip", "Please"))
    await desk.until_sent(case_id, 2)
    # The third is refused for good, and the first undoing can't go out for a while.
    desk.sink.script.extend([Fault.RCPT_REFUSED, *[Fault.MAIL_LATER] * 1_000])
    await desk.door.accept(desk.tenant, case_id, "1", "hire", {})
    await desk.until_written(case_id, "unpaid")
    await desk.stop_workers()
    desk.sink.script.clear()
    await desk.start_workers()
    assert await desk.workflow(case_id).result() == "closed"
    rows = [(row.template, row.state) for row in await desk.outbox(case_id)]
    assert rows == [
        ("booked", "sent"),
        ("paid", "sent"),
        ("hired", "refused"),
        ("unpaid", "sent"),
        ("unbooked", "sent"),
    ]
    own = {row.message_id for row in await desk.outbox(case_id)}
    assert len([mail for mail in desk.sink.mails if mail.message_id in own]) == 4


async def test_a_case_of_a_hundred_automatic_firings_costs_no_more_history_than_one_of_ten(
    desk: Office,
) -> None:
    await desk.start_workers()
    lengths = []
    for count in (10, 100):
        case_id = await _started(desk, _chain(count))
        assert await desk.workflow(case_id).result() == "closed"
        history = await desk.history(case_id)
        lengths.append(len(history.events))
        fired = [entry for entry in await desk.trace(case_id) if entry["kind"] == "fired"]
        assert len(fired) == count
    assert lengths[1] == lengths[0]


async def test_steps_of_a_thousand_firings_give_the_workflows_thread_back_in_between(
    desk: Office,
) -> None:
    tasks = _chain(900)["tasks"]
    tasks["task0"] |= {"trigger": "go", "join": "xor"}
    tasks["task899"] |= {"split": "xor", "to": [{"to": "task0", "when": _ALWAYS}, "done"]}
    case_id = await _started(desk, _net(tasks))
    for number in range(12):
        last = await desk.door.accept(desk.tenant, case_id, f"{number}", "go", {})
    await desk.door.settle()
    # All events are there when the first workflow task begins.
    await desk.start_workers()
    await desk.until_intake(last.event_id, "applied")
    await desk.door.cancel(desk.tenant, case_id, "admin")
    assert await desk.workflow(case_id).result() == "cancelled"
    kinds = [event.event_type for event in (await desk.history(case_id)).events]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds
    assert kinds.count(EventType.EVENT_TYPE_MARKER_RECORDED) >= 4
    assert len(await desk.trace(case_id)) >= 12 * 900


async def test_a_loop_that_only_routes_parks_the_case_with_the_reason(desk: Office) -> None:
    tasks = {
        "turn": {"join": "xor", "split": "xor", "to": [{"to": "turn", "when": _ALWAYS}, "done"]}
    }
    await desk.start_workers()
    case_id = await _started(desk, _net(tasks))
    await desk.until_traced(case_id, "parked")
    view = await desk.snapshot(case_id)
    assert view is not None
    assert "firings in one step" in (view.parked or "")


async def test_each_instance_writes_to_its_own_item_and_says_which_it_is(desk: Office) -> None:
    people = ["first@customer.test", "second@customer.test"]
    tell = {"notify": {"to": "thread.item", "template": "asked"}, "block": True}
    spec = _net({"tell": {"instances": {"over": "data.people"}, "do": [tell], "to": ["done"]}})
    spec["data"] = {"people": {"type": "array", "default": people}}
    asked = {"subject": "asked", "text": "You are {{ thread.item }}, number {{ thread.number }}."}
    spec["templates"] |= {"asked": asked}
    await desk.start_workers()
    case_id = await _started(desk, spec)
    assert await desk.workflow(case_id).result() == "closed"
    assert sorted((mail.recipients, _words(mail.raw)) for mail in desk.sink.mails) == [
        ((person,), f"You are {person}, number {number}.")
        for number, person in enumerate(people, 1)
    ]


def _words(raw: bytes) -> str:
    body = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
    return "" if body is None else str(body.get_content()).strip()


_ALWAYS = {"field": "event.type", "op": "exists"}


def _net(tasks: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "support",
        "starts": ["mail"],
        "data": {"count": {"type": "integer"}},
        "teams": {"leads": ["leads@everpost.test"]},
        "templates": {"told": {"subject": "told", "text": "Case {{ case.id }}."}},
        "start": next(iter(tasks)),
        "tasks": tasks,
        "conditions": {"done": {"final": True}},
    }


def _chain(count: int) -> dict[str, Any]:
    """Return a net of so many tasks, one after the other."""
    names = [f"task{number}" for number in range(count)] + ["done"]
    tasks = {
        name: {"do": [{"set": {"count": number}}], "to": [names[number + 1]]}
        for number, name in enumerate(names[:-1])
    }
    return _net(tasks)


async def _started(desk: Office, spec: dict[str, Any]) -> str:
    await desk.register(spec)
    return await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))


async def test_an_action_that_failed_is_asked_for_again_when_its_wait_is_over(
    timeless: Office,
) -> None:
    desk = timeless
    tell = {"notify": {"team": "leads", "template": "told"}, "block": True}
    task = {"do": [{**tell, "retry": {"attempts": 2, "wait": "1 day"}}], "to": ["done"]}
    desk.sink.script.append(Fault.RCPT_REFUSED)
    await desk.start_workers()
    case_id = await _started(desk, _net({"tell": task}))
    assert await desk.workflow(case_id).result() == "closed"
    assert [row.state for row in await desk.outbox(case_id)] == ["refused", "sent"]


async def test_a_deadline_of_a_running_task_ends_it_with_its_sub_case(desk: Office) -> None:
    deadline = {"after": "1 second", "to": "late"}
    tasks = {
        **FAMILY["tasks"],
        "check": {**FAMILY["tasks"]["check"], "deadlines": [deadline]},
        "close": {**FAMILY["tasks"]["close"]},
    }
    conditions = {**FAMILY["conditions"], "late": {"to": ["close"]}}
    await desk.start_workers()
    case_id = await _started(desk, {**FAMILY, "tasks": tasks, "conditions": conditions})
    await desk.until_state(case_id, "late")
    [child] = await desk.until_children(case_id, 1)
    await desk.until_status(child, "cancelled")


async def test_a_case_without_a_mailbox_ends_though_nobody_can_be_told_of_what_failed(
    desk: Office,
) -> None:
    ask = {"instances": {"over": "data.orders"}, "to": ["done"]}
    await desk.register(
        {
            "id": "by_hand",
            "starts": ["api"],
            "data": {"orders": {"type": "array"}},
            "start": "ask",
            "tasks": {"ask": ask},
            "conditions": {"done": {"final": True}},
        }
    )
    await desk.start_workers()
    started = await desk.door.start(desk.tenant, "by_hand", {})
    await desk.until_status(started.case_id, "closed")
    assert await asyncio.wait_for(desk.workflow(started.case_id).result(), 10) == "closed"
