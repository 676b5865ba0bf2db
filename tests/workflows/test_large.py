"""Cases with more than a message or a record holds."""

import asyncio

import pytest

from contracts.case import TAKE_SIGNAL
from contracts.clock import utc_now
from contracts.model import Json
from contracts.steps import CaseEvent
from tests.product.mails import customer_mail
from tests.workflows.definitions import DECISION, SUPPORT
from tests.workflows.office import ADDRESS, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"


async def test_waiting_events_of_several_megabytes_survive_continue_as_new(desk: Office) -> None:
    await desk.register(DECISION)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await desk.until_state(case_id, "deciding")
    for _ in range(60):
        data: dict[str, Json] = {"text": "x" * 60_000}
        await desk.send_unheard(case_id, data)
    await desk.door.accept(desk.tenant, case_id, "decision", "decide", {})
    assert await asyncio.wait_for(desk.workflow(case_id).result(), 20) == "closed"


async def test_thousands_of_events_at_once_are_taken_and_the_mail_among_them_is_answered(
    desk: Office,
) -> None:
    await desk.register(SUPPORT)
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    case_id = await desk.receive(first)
    await desk.until_state(case_id, "waiting")
    await desk.until_sent(case_id, 1)
    await desk.stop_workers()
    for batch in range(100):
        ids = range(1_000_000 + batch * 20, 1_000_020 + batch * 20)
        pings = [CaseEvent(id=number, type="ping", at=utc_now()) for number in ids]
        await desk.workflow(case_id).signal(TAKE_SIGNAL, pings)
    rows = await desk.take(customer_mail(CUSTOMER, ADDRESS, "x", "More", answers=first))
    await desk.parts.delivery.deliver(desk.tenant, rows)
    await desk.start_workers()
    await desk.until_intake(rows[0], "applied", seconds=40)
    await desk.until_sent(case_id, 2)


async def test_an_answer_that_came_in_time_beats_a_deadline_that_passed_meanwhile(
    desk: Office,
) -> None:
    spec = {
        **DECISION,
        "states": {
            "deciding": {
                "on": [{"event": "email", "to": "answered"}],
                "deadlines": [{"after": "2 seconds", "to": "late"}],
            },
            "answered": {"on": [{"event": "close", "to": "late"}]},
            "late": {"final": True},
        },
    }
    await desk.register(spec)
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "Decide", "Please")
    case_id = await desk.receive(first)
    view = await desk.until_state(case_id, "deciding")
    await desk.stop_workers()
    rows = await desk.take(customer_mail(CUSTOMER, ADDRESS, "x", "Here", answers=first))
    (deadline,) = view.deadlines
    assert utc_now() < deadline.due
    await asyncio.sleep((deadline.due - utc_now()).total_seconds() + 0.2)
    await desk.parts.delivery.deliver(desk.tenant, rows)
    await desk.start_workers()
    await desk.until_state(case_id, "answered")
