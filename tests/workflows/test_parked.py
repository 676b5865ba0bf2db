"""A parked case has ways out: a person lets it go on, or cancels it."""

from typing import Any

import pytest

from cases import engine
from cases.engine import Step
from cases.events import ActionEnded
from contracts.errors import CaseClosed, CaseNotParked
from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault
from tests.workflows.definitions import DECISION, FAMILY, SUPPORT
from tests.workflows.office import ADDRESS, Office
from tests.workflows.test_whole_net import _ALWAYS, _net

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"


async def test_a_case_that_a_fault_has_parked_is_resumed_after_the_repair(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await _decided_in_vain(desk, monkeypatch)
    await _repaired(desk, monkeypatch)
    resumed = await desk.door.resume(desk.tenant, case_id, "admin")
    assert (resumed.applied, resumed.parked, resumed.duplicate) == (True, None, False)
    assert await desk.workflow(case_id).result() == "closed"
    [told] = [entry for entry in await desk.trace(case_id) if entry["kind"] == "resumed"]
    assert told["by"] == "admin"


async def test_a_case_with_a_fault_that_is_still_there_is_parked_again_and_says_so(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resume(*_: Any) -> Step:
        raise KeyError("place")

    case_id = await _decided_in_vain(desk, monkeypatch)
    monkeypatch.setattr(engine, "resume", resume)
    resumed = await desk.door.resume(desk.tenant, case_id, "admin")
    assert resumed.applied
    assert "KeyError" in (resumed.parked or "")
    await _repaired(desk, monkeypatch)
    again = await desk.door.resume(desk.tenant, case_id, "second")
    assert (again.applied, again.parked, again.duplicate) == (True, None, False)
    assert await desk.workflow(case_id).result() == "closed"
    kinds = [entry["kind"] for entry in await desk.trace(case_id)]
    assert [kind for kind in kinds if kind in ("parked", "resumed")] == ["parked", "resumed"] * 2


async def test_the_end_of_an_action_that_met_a_fault_is_taken_up_when_the_case_is_resumed(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "step", _broken(engine.step, ActionEnded))
    await desk.register(SUPPORT)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_traced(case_id, "parked")
    await _repaired(desk, monkeypatch)
    assert (await desk.door.resume(desk.tenant, case_id, "admin")).parked is None
    assert (await desk.until_state(case_id, "waiting")).label == "question"


async def test_a_case_that_could_not_be_opened_is_opened_when_it_is_resumed(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: Any, **__: Any) -> Step:
        raise RecursionError

    monkeypatch.setattr(engine, "start", start)
    await desk.register(DECISION)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await desk.until_traced(case_id, "parked")
    accepted = await desk.door.accept(desk.tenant, case_id, "1", "decide", {})
    await desk.until_intake(accepted.event_id, "applied")
    await _repaired(desk, monkeypatch)
    await desk.door.resume(desk.tenant, case_id, "admin")
    assert await desk.workflow(case_id).result() == "closed"


async def test_a_loop_is_parked_again_with_its_reason_and_can_be_cancelled(desk: Office) -> None:
    case_id = await _looping(desk)
    resumed = await desk.door.resume(desk.tenant, case_id, "admin")
    assert resumed.applied
    assert "goes round in a loop" in (resumed.parked or "")
    await desk.door.cancel(desk.tenant, case_id, "admin", "the definition is wrong")
    assert await desk.workflow(case_id).result() == "cancelled"
    last = (await desk.trace(case_id))[-1]
    assert (last["kind"], last["by"], last["reason"]) == (
        "cancelled",
        "admin",
        "the definition is wrong",
    )
    view = await desk.snapshot(case_id)
    assert view is not None
    assert (view.status, view.parked, view.next, view.deadlines) == ("cancelled", None, [], [])
    with pytest.raises(CaseClosed):
        await desk.door.resume(desk.tenant, case_id, "admin")


async def test_a_case_that_is_not_parked_is_not_resumed(desk: Office) -> None:
    await desk.register(DECISION)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await desk.until_state(case_id, "deciding")
    with pytest.raises(CaseNotParked):
        await desk.door.resume(desk.tenant, case_id, "admin")


async def test_a_case_that_was_asked_to_go_on_while_no_worker_ran_does_so_once(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await _decided_in_vain(desk, monkeypatch)
    await desk.stop_workers()
    monkeypatch.undo()
    monkeypatch.setattr(desk.door, "answer_within", desk.door.answer_within * 0)
    first = await desk.door.resume(desk.tenant, case_id, "admin")
    again = await desk.door.resume(desk.tenant, case_id, "admin")
    assert (first.applied, again.applied, again.duplicate) == (False, False, True)
    assert first.event_id == again.event_id
    await desk.start_workers()
    assert await desk.workflow(case_id).result() == "closed"
    assert [entry["kind"] for entry in await desk.trace(case_id)].count("resumed") == 1


async def test_a_parked_case_is_resumed_in_a_later_run_of_its_workflow(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await _decided_in_vain(desk, monkeypatch)
    carried = await desk.continue_as_new(case_id)
    assert carried.core["status"] == "parked"
    await _repaired(desk, monkeypatch)
    await desk.door.resume(desk.tenant, case_id, "admin")
    assert await desk.workflow(case_id).result() == "closed"


async def test_a_parked_case_that_is_cancelled_withdraws_its_sub_cases(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.register(FAMILY)
    await desk.start_workers()
    parent = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    [child] = await desk.until_children(parent, 1)
    monkeypatch.setattr(engine, "step", _broken(engine.step, object))
    await desk.door.accept(desk.tenant, parent, "1", "stop", {})
    await desk.until_traced(parent, "parked")
    monkeypatch.undo()
    await desk.door.cancel(desk.tenant, parent, "admin")
    assert await desk.workflow(parent).result() == "cancelled"
    await desk.until_status(child, "cancelled")
    assert (await desk.trace(parent))[-1]["withdrawn"][0].startswith("check [")


async def test_a_mail_that_failed_while_the_case_was_parked_is_told_when_it_goes_on(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "step", _broken(engine.step, ActionEnded))
    tasks = {
        "write": {
            "do": [{"notify": {"to": "a@b.test", "template": "told"}, "block": True}],
            "on_error": ["failed"],
            "to": ["done"],
        },
    }
    spec = _net(tasks)
    spec["conditions"] |= {"failed": {"final": True}}
    await desk.register(spec)
    desk.sink.script.append(Fault.RCPT_REFUSED)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_traced(case_id, "parked")
    await _repaired(desk, monkeypatch)
    await desk.door.resume(desk.tenant, case_id, "admin")
    assert await desk.workflow(case_id).result() == "closed"
    view = await desk.snapshot(case_id)
    assert view is not None
    assert view.states == ["failed"]


async def _decided_in_vain(desk: Office, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a case that a fault has parked at the event for which it waits."""
    monkeypatch.setattr(engine, "step", _broken(engine.step, object))
    await desk.register(DECISION)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await desk.until_state(case_id, "deciding")
    await desk.door.accept(desk.tenant, case_id, "decide", "decide", {})
    await desk.until_traced(case_id, "parked")
    return case_id


async def _repaired(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on with workers in which the fault is mended; they replay what it did."""
    await desk.stop_workers()
    monkeypatch.undo()
    await desk.start_workers()


async def _looping(desk: Office) -> str:
    tasks = {
        "turn": {"join": "xor", "split": "xor", "to": [{"to": "turn", "when": _ALWAYS}, "done"]}
    }
    await desk.register(_net(tasks))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_traced(case_id, "parked")
    return case_id


def _broken(whole: Any, kind: type) -> Any:
    """Return a step that fails at inputs of a kind while the case is open."""

    def step(net: Any, state: Any, given: Any, now: Any) -> Step:
        if isinstance(given, kind) and state.status == "open":
            raise KeyError("place")
        done: Step = whole(net, state, given, now)
        return done

    return step
