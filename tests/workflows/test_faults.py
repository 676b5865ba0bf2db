"""A fault of the core parks the case and wedges nothing, also after the core has been repaired."""

from typing import Any

import pytest

from cases import engine
from cases.engine import Step
from cases.events import Event
from cases.state import CaseStatus
from tests.product.mails import customer_mail
from tests.workflows.definitions import DECISION
from tests.workflows.office import ADDRESS, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"


async def test_a_step_that_fails_parks_the_case_as_it_was_with_the_event_kept(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id, row = await _parked(desk, monkeypatch)
    view = await desk.until_state(case_id, "deciding")
    assert view.parked == "a fault of the engine: KeyError in _broken.<locals>.step"
    assert [event.id for event in view.waiting] == [row]
    traced = await desk.until_traced(case_id, "parked")
    assert traced["event"]["type"] == "decide"


async def test_a_case_that_a_fault_has_parked_goes_on_after_the_repair(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id, _ = await _parked(desk, monkeypatch)
    await desk.stop_workers()
    monkeypatch.undo()
    # The new worker replays the history: in it the step that would succeed now has failed.
    await desk.start_workers()
    accepted = await desk.door.accept(desk.tenant, case_id, "2", "decide", {})
    await desk.until_intake(accepted.event_id, "applied")
    assert len((await desk.until_state(case_id, "deciding")).waiting) == 2
    await desk.door.cancel(desk.tenant, case_id, "admin")
    assert await desk.workflow(case_id).result() == "cancelled"


async def test_a_case_that_can_not_be_opened_is_parked(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: Any, **__: Any) -> Step:
        raise RecursionError

    monkeypatch.setattr(engine, "start", start)
    await desk.register(DECISION)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    traced = await desk.until_traced(case_id, "parked")
    assert "RecursionError" in traced["notes"][0]
    await desk.door.cancel(desk.tenant, case_id, "admin")
    assert await desk.workflow(case_id).result() == "cancelled"


async def test_a_case_that_can_not_be_shown_is_parked(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outlook(net: Any, state: Any) -> Any:
        if state.status is CaseStatus.OPEN:
            raise ZeroDivisionError
        return ()

    monkeypatch.setattr("workflows.views.outlook", outlook)
    await desk.register(DECISION)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    view = await desk.until_state(case_id, "deciding")
    assert "ZeroDivisionError" in (view.parked or "")


async def _parked(desk: Office, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """Return a case that a fault has parked, and the event at which it did."""
    monkeypatch.setattr(engine, "step", _broken(engine.step))
    await desk.register(DECISION)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    accepted = await desk.door.accept(desk.tenant, case_id, "1", "decide", {})
    await desk.until_traced(case_id, "parked")
    return case_id, accepted.event_id


def _broken(whole: Any) -> Any:
    def step(net: Any, state: Any, given: Any, now: Any) -> Step:
        if isinstance(given, Event) and given.type == "decide":
            raise KeyError("place")
        done: Step = whole(net, state, given, now)
        return done

    return step
