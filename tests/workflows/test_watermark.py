"""Deadlines wait until their mailbox has been read, but not for ever."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.clock import utc_now
from tests.product.mails import customer_mail
from tests.workflows.definitions import DECISION
from tests.workflows.office import ADDRESS, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"


def _with_deadline(after: str) -> dict[str, Any]:
    states = {
        "deciding": {
            "on": [{"event": "email", "to": "answered"}],
            "deadlines": [{"after": after, "to": "late"}],
        },
        "answered": {"on": [{"event": "close", "to": "closed"}]},
        "late": {"on": [{"event": "close", "to": "closed"}]},
        "closed": {"final": True},
    }
    return {**DECISION, "states": states}


async def test_a_deadline_waits_for_its_mailbox_and_then_fires(desk: Office) -> None:
    await desk.register(_with_deadline("1 second"))
    await desk.read_until(utc_now() - timedelta(hours=1))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await desk.until_waiting_for_mailbox(case_id)
    assert (await desk.until_state(case_id, "deciding")).status == "open"
    await desk.read_until(utc_now() + timedelta(hours=1))
    view = await desk.until_state(case_id, "late")
    assert view.waits_for_mailbox_until is None


async def test_an_answer_that_comes_while_a_deadline_waits_goes_first(desk: Office) -> None:
    await desk.register(_with_deadline("1 second"))
    await desk.read_until(utc_now() - timedelta(hours=1))
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "Decide", "Please")
    case_id = await desk.receive(first)
    await desk.until_waiting_for_mailbox(case_id)
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: Decide", "Yes", answers=first))
    view = await desk.until_state(case_id, "answered")
    assert view.waits_for_mailbox_until is None


async def test_a_deadline_fires_at_last_though_its_mailbox_is_not_read(timeless: Office) -> None:
    await timeless.register(_with_deadline("2 days"))
    await timeless.read_until(utc_now() - timedelta(hours=1))
    await timeless.start_workers()
    case_id = await timeless.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    waiting = await timeless.until_waiting_for_mailbox(case_id)
    (deadline,) = waiting.deadlines
    assert (waiting.states, waiting.waits_for_mailbox_until) == (["deciding"], deadline.due)
    view = await timeless.until_state(case_id, "late", seconds=60)
    assert view.waits_for_mailbox_until is None
    (unread,) = [entry for entry in await timeless.trace(case_id) if entry["kind"] == "unread"]
    assert "fired although its mailbox is read only until" in unread["notes"][0]


async def test_a_deadline_waits_for_a_mail_that_is_under_way_to_its_case(desk: Office) -> None:
    await desk.register(_with_deadline("1 second"))
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "Decide", "Please")
    case_id = await desk.receive(first)
    rows = await desk.take(customer_mail(CUSTOMER, ADDRESS, "Re: Decide", "Yes", answers=first))
    await desk.until_waiting_for_mailbox(case_id)
    await desk.parts.delivery.deliver(desk.tenant, rows)
    await desk.until_state(case_id, "answered")


async def test_a_deadline_that_waits_goes_on_waiting_when_the_case_continues_as_new(
    desk: Office,
) -> None:
    await desk.register(_with_deadline("1 second"))
    await desk.read_until(utc_now() - timedelta(hours=1))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await desk.until_waiting_for_mailbox(case_id)
    carried = await desk.continue_as_new(case_id)
    assert carried.reading_since is not None
    view = await desk.until_waiting_for_mailbox(case_id)
    assert view.states == ["deciding"]
    await desk.read_until(utc_now() + timedelta(hours=1))
    await desk.until_state(case_id, "late")
