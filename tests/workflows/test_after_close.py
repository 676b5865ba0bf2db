"""Mails to a closed case, where its definition says that they reach it."""

import asyncio
from typing import Any

import pytest

from contracts.steps import Snapshot
from tests.product.mails import customer_mail
from tests.workflows.definitions import SUPPORT
from tests.workflows.office import ADDRESS, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"


async def _closed(desk: Office, after_close: dict[str, str]) -> tuple[str, Any]:
    """Return a case that has closed, and the mail that opened it."""
    await desk.register({**SUPPORT, "after_close": after_close})
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    case_id = await desk.receive(first)
    await desk.until_sent(case_id, 1)
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "solved", answers=first))
    await desk.workflow(case_id).result()
    return case_id, first


async def _until_status(desk: Office, case_id: str, status: str) -> Snapshot:
    async with asyncio.timeout(20):
        while True:
            view = await desk.snapshot(case_id)
            if view is not None and view.status == status:
                return view
            await asyncio.sleep(0.02)


async def test_a_mail_reopens_a_closed_case_in_the_state_that_is_named(desk: Office) -> None:
    case_id, first = await _closed(desk, {"policy": "reopen", "to": "waiting"})
    again = customer_mail(CUSTOMER, ADDRESS, "Re: it", "More to say", answers=first)
    assert await desk.receive(again) == case_id
    await desk.until_sent(case_id, 2)
    view = await desk.until_state(case_id, "waiting")
    assert view.status == "open"
    kinds = [entry["kind"] for entry in await desk.trace(case_id)]
    assert kinds.count("reopened") == 1


async def test_a_case_can_be_closed_and_reopened_again_and_again(desk: Office) -> None:
    case_id, first = await _closed(desk, {"policy": "reopen", "to": "waiting"})
    for round_ in (2, 3):
        await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "More", answers=first))
        await desk.until_sent(case_id, round_)
        await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "solved", answers=first))
        await desk.workflow(case_id).result()
        await _until_status(desk, case_id, "closed")


async def test_a_closed_case_answers_a_mail_and_stays_closed(desk: Office) -> None:
    case_id, first = await _closed(desk, {"policy": "answer", "template": "answered"})
    again = customer_mail(CUSTOMER, ADDRESS, "Re: it", "More to say", answers=first)
    assert await desk.receive(again) == case_id
    await desk.until_sent(case_id, 2)
    await desk.workflow(case_id).result()
    view = await _until_status(desk, case_id, "closed")
    assert view.states == ["closed"]
    kinds = [entry["kind"] for entry in await desk.trace(case_id)]
    assert kinds.count("answered") == 1


async def test_without_a_policy_a_closed_case_keeps_nothing_and_is_followed(desk: Office) -> None:
    case_id, first = await _closed(desk, {})
    again = customer_mail(CUSTOMER, ADDRESS, "Re: it", "More to say", answers=first)
    assert await desk.receive(again) != case_id
