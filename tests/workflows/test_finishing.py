"""Mails that reach a case which has closed and is still sending its last reply."""

import asyncio
from typing import Any

import pytest

from contracts.clock import utc_now
from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault
from tests.workflows.definitions import SUPPORT
from tests.workflows.office import ADDRESS, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"
REOPEN = {"policy": "reopen", "to": "again"}
ANSWER = {"policy": "answer", "template": "answered"}
STATES: dict[str, Any] = {
    "deciding": {
        "on": [
            {"event": "decide", "do": [{"reply": {"template": "acknowledged"}}], "to": "closed"},
            {"event": "put_off", "to": "again"},
        ]
    },
    "again": {"on": [{"event": "email", "to": "heard"}]},
    "heard": {"on": [{"event": "close", "to": "closed"}]},
    "closed": {"final": True},
}


async def _finishing(
    desk: Office, after_close: dict[str, str], *, a_mail_waits: bool = False
) -> tuple[str, Any]:
    """Return a case that has closed while its reply is refused for now, and its first mail.

    If a mail waits in it when it closes, it has been given back by then.
    """
    spec = {**SUPPORT, "start": "deciding", "states": STATES, "after_close": after_close}
    await desk.register(spec)
    desk.sink.script.extend([Fault.MAIL_LATER] * 1_000)
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    case_id = await desk.receive(first)
    await desk.until_state(case_id, "deciding")
    rows: list[int] = []
    if a_mail_waits:
        rows = await desk.take(customer_mail(CUSTOMER, ADDRESS, "Re", "Well?", answers=first))
        await desk.parts.delivery.deliver(desk.tenant, rows)
        await desk.until_intake(rows[0], "applied")
    await desk.door.accept(desk.tenant, case_id, "1", "decide", {})
    await desk.until_state(case_id, "closed")
    for row in rows:
        await desk.until_intake(row, "routed")
    return case_id, first


async def _deliver_due(desk: Office) -> int:
    """Do the delivery watch's work until nothing is due; return how often there was some."""
    rounds = 0
    async with asyncio.timeout(20):
        while due := await desk.parts.delivery.due(desk.tenant, utc_now()):
            rounds += 1
            await desk.parts.delivery.deliver(desk.tenant, due)
            await asyncio.sleep(0.05)
    return rounds


@pytest.mark.parametrize(
    ("after_close", "ends"),
    [(REOPEN, "reopened"), (ANSWER, "answered"), ({}, "followed")],
    ids=["reopen", "answer", "follow_up"],
)
async def test_a_mail_to_a_case_that_finishes_ends_as_its_definition_says(
    desk: Office, after_close: dict[str, str], ends: str
) -> None:
    case_id, first = await _finishing(desk, after_close)
    rows = await desk.take(customer_mail(CUSTOMER, ADDRESS, "Re", "More", answers=first))
    await desk.parts.delivery.deliver(desk.tenant, rows)
    assert await _deliver_due(desk) <= 2
    await desk.until_intake(rows[0], "applied")
    kinds = [entry["kind"] for entry in await desk.trace(case_id)]
    if ends == "followed":
        assert await desk.case_of(rows[0]) != case_id
        assert not {"reopened", "answered"}.intersection(kinds)
    else:
        assert await desk.case_of(rows[0]) == case_id
        assert kinds.count(ends) == 1
    desk.sink.script.clear()
    await desk.until_sent(case_id, 2 if ends == "answered" else 1)


@pytest.mark.parametrize(
    ("after_close", "ends"), [(REOPEN, "reopened"), (ANSWER, "answered")], ids=["reopen", "answer"]
)
async def test_a_mail_that_waited_when_the_case_closed_wakes_it_while_it_finishes(
    desk: Office, after_close: dict[str, str], ends: str
) -> None:
    case_id, _ = await _finishing(desk, after_close, a_mail_waits=True)
    assert await _deliver_due(desk) <= 2
    await desk.until_traced(case_id, ends)
    kinds = [entry["kind"] for entry in await desk.trace(case_id)]
    assert kinds.count(ends) == 1


async def test_people_hear_of_a_reply_that_fails_after_the_case_was_woken(desk: Office) -> None:
    case_id, first = await _finishing(desk, REOPEN)
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re", "More", answers=first))
    await desk.until_state(case_id, "heard")
    desk.sink.script.clear()
    desk.sink.script.append(Fault.MAIL_REFUSED)
    await desk.until_sent(case_id, 1)
    assert [(row.kind, row.state) for row in await desk.outbox(case_id)] == [
        ("reply", "refused"),
        ("notify", "sent"),
    ]


async def test_a_mail_that_came_behind_what_closes_the_case_reopens_it(desk: Office) -> None:
    await desk.register({**SUPPORT, "start": "deciding", "states": STATES, "after_close": REOPEN})
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    case_id = await desk.receive(first)
    await desk.door.accept(desk.tenant, case_id, "1", "decide", {})
    await desk.door.settle()
    rows = await desk.take(customer_mail(CUSTOMER, ADDRESS, "Re", "More", answers=first))
    await desk.parts.delivery.deliver(desk.tenant, rows)
    await desk.start_workers()
    await desk.until_state(case_id, "heard")
    await desk.until_intake(rows[0], "applied")
    kinds = [entry["kind"] for entry in await desk.trace(case_id)]
    assert kinds.count("reopened") == 1
