"""Deadlines wait until their mailbox has been read, but not for ever."""

import asyncio
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


async def _until_waiting(desk: Office, case_id: str) -> None:
    async with asyncio.timeout(20):
        while True:
            view = await desk.snapshot(case_id)
            if view is not None and view.waits_for_mailbox_until is not None:
                return
            await asyncio.sleep(0.02)


async def test_a_deadline_waits_for_its_mailbox_and_then_fires(desk: Office) -> None:
    await desk.register(_with_deadline("1 second"))
    await desk.read_until(utc_now() - timedelta(hours=1))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await _until_waiting(desk, case_id)
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
    await _until_waiting(desk, case_id)
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: Decide", "Yes", answers=first))
    view = await desk.until_state(case_id, "answered")
    assert view.waits_for_mailbox_until is None


async def test_a_deadline_fires_at_last_though_its_mailbox_is_not_read(timeless: Office) -> None:
    await timeless.register(_with_deadline("2 days"))
    await timeless.read_until(utc_now() - timedelta(hours=1))
    await timeless.start_workers()
    case_id = await timeless.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await timeless.until_state(case_id, "late", seconds=60)
    (unread,) = [entry for entry in await timeless.trace(case_id) if entry["kind"] == "unread"]
    assert "fired although its mailbox is read only until" in unread["notes"][0]
