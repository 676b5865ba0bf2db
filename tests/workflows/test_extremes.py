"""Steps as large as they may be: what the core does at once, Temporal takes bit by bit."""

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from ledgers.casework import subcases
from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault
from tests.workflows.office import ADDRESS, Office
from workflows import actions, slots

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"
_TELL = {"notify": {"team": "leads", "template": "told"}}
_WAITING = {
    "start": "asked",
    "tasks": {"tell": {"trigger": "told", "to": ["end"]}},
    "conditions": {"asked": {"to": ["tell"]}, "end": {"final": True}},
}


async def test_ten_thousand_firings_of_one_step_are_recorded_by_one_record(desk: Office) -> None:
    instances = {"count": 9_990}
    do = [{"set": {"count": {"from": "thread.number"}}}]
    await desk.start_workers()
    case_id = await _started(desk, _net({"each": {"instances": instances, "do": do}}))
    view = await desk.until_state(case_id, "wait")
    assert view.data == {"count": 9_990}
    trace = await desk.trace(case_id)
    assert sum(entry["kind"] == "instance" for entry in trace) == 9_990
    await desk.door.accept(desk.tenant, case_id, "1", "close", {})
    assert await desk.workflow(case_id).result() == "closed"
    kinds = [event.event_type for event in (await desk.history(case_id)).events]
    assert kinds.count(EventType.EVENT_TYPE_MARKER_RECORDED) == 2
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds


async def test_more_mails_than_the_server_takes_at_once_wait_their_turn(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "UNDER_WAY", 4)
    monkeypatch.setattr(slots, "PAYLOADS_A_TASK", 2)
    await desk.start_workers()
    # On this server the case continues as new in between: what has waited is asked for then.
    case_id = await _started(desk, _net({"each": {"instances": {"count": 12}, "do": [_TELL]}}))
    await desk.until_sent(case_id, 12)
    rows = await desk.outbox(case_id)
    assert len({(row.firing, row.action_index) for row in rows}) == len(rows) == 12


async def test_a_step_that_asks_for_thousands_of_mails_has_few_of_them_under_way(
    timeless: Office,
) -> None:
    desk = timeless
    each = {"instances": {"count": 500}, "do": [_TELL], "to": ["wait"]}
    tasks = {f"each{number}": each for number in range(5)}
    await desk.start_workers()
    case_id = await _started(desk, _net({"begin": {"to": list(tasks)}, **tasks}))
    await desk.until_sent(case_id, 1)
    case = await desk.workflow(case_id).describe()
    assert 0 < len(case.raw_description.pending_activities) <= slots.UNDER_WAY
    kinds = [event.event_type for event in (await desk.history(case_id)).events]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds
    await desk.workflow(case_id).terminate()


async def test_a_step_that_asks_for_too_much_parks_the_case_with_the_reason(desk: Office) -> None:
    each = {"instances": {"count": 501}, "do": [_TELL] * 10}
    await desk.start_workers()
    case_id = await _started(desk, _net({"each": each}))
    view = await desk.until_state(case_id, "each")
    assert "actions" in (view.parked or "")
    assert await desk.outbox(case_id) == []


async def test_sub_cases_beyond_what_a_case_may_run_fail_and_the_others_go_on(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subcases, "MAX_SUBCASES", 3)
    each = {"instances": {"count": 5, "threshold": 1}, "do": [{"run": {"net": "look"}}]}
    tasks = {"each": {**each, "on_error": ["wait"]}}
    await desk.start_workers()
    case_id = await _started(desk, {**_net(tasks), "nets": {"look": _WAITING}})
    children = await desk.until_children(case_id, 3)
    await desk.door.accept(desk.tenant, children[0], "1", "told", {})
    await desk.until_state(case_id, "wait")
    assert len(await desk.until_children(case_id, 3)) == 3


async def test_sub_cases_that_were_being_started_when_the_worker_died_are_started_once(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "PAYLOADS_A_TASK", 4)
    each = {"instances": {"count": 8}, "do": [{"run": {"net": "look"}}]}
    await desk.start_workers()
    case_id = await _started(desk, {**_net({"each": each}), "nets": {"look": _WAITING}})
    await desk.until_children(case_id, 4)
    await desk.stop_workers()
    await desk.start_workers()
    children = await desk.until_children(case_id, 8)
    assert len(children) == 8
    await desk.door.cancel(desk.tenant, case_id, "admin")
    assert await desk.workflow(case_id).result() == "cancelled"
    for child in children:
        await desk.until_status(child, "cancelled")


async def test_a_case_that_has_no_room_for_events_can_be_cancelled(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "UNDER_WAY", 2)
    monkeypatch.setattr(actions, "UNDER_WAY", 2)
    desk.sink.script.extend([Fault.MAIL_LATER] * 100)  # and so each mail stays under way
    await desk.start_workers()
    case_id = await _started(desk, _net({"each": {"instances": {"count": 3}, "do": [_TELL]}}))
    await desk.until_state(case_id, "wait")
    await desk.door.cancel(desk.tenant, case_id, "admin")
    await desk.until_status(case_id, "cancelled")
    await desk.workflow(case_id).terminate()


def _net(tasks: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "support",
        "starts": ["mail"],
        "data": {"count": {"type": "integer"}},
        "teams": {"leads": ["leads@everpost.test"]},
        "templates": {"told": {"subject": "told", "text": "Case {{ case.id }}."}},
        "start": next(iter(tasks)),
        "tasks": {name: {"to": ["wait"], **task} for name, task in tasks.items()}
        | {"close": {"trigger": "close", "to": ["done"]}},
        "conditions": {"wait": {"to": ["close"]}, "done": {"final": True}},
    }


async def _started(desk: Office, spec: dict[str, Any]) -> str:
    await desk.register(spec)
    return await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
