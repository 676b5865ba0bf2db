"""Replies that are held: for a while by the case, or by the outbox until a person decides."""

import asyncio
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from contracts.case import RESOLVED_EVENT, TAKE_SIGNAL
from contracts.clock import utc_now
from contracts.steps import CaseEvent
from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault
from tests.workflows.definitions import SUPPORT
from tests.workflows.office import ADDRESS, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"


def _with_reply(reply: dict[str, Any], **more: Any) -> dict[str, Any]:
    states = {
        "received": {
            "enter": [{"reply": {"template": "acknowledged", **reply}}],
            "on": [
                {"event": "taken_over"},
                {"event": "resolved", "to": "closed"},
                {"event": "action_failed", "to": "failed"},
                {"event": "bounce", "to": "bounced"},
            ],
        },
        "failed": {"on": [{"event": "close", "to": "closed"}]},
        "bounced": {"on": [{"event": "close", "to": "closed"}]},
        "closed": {"final": True},
    }
    return {**SUPPORT, "start": "received", "states": states, **more}


async def test_a_reply_goes_out_once_its_hold_is_over(timeless: Office) -> None:
    await timeless.register(_with_reply({"hold": "2 days"}))
    await timeless.start_workers()
    case_id = await timeless.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await timeless.until_sent(case_id, 1)
    released = await timeless.until_traced(case_id, "released")
    assert released["did"] == ["reply acknowledged"]


async def test_a_person_who_takes_the_case_over_withdraws_a_held_reply(desk: Office) -> None:
    await desk.register(_with_reply({"hold": "10 minutes"}))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    view = await desk.until_state(case_id, "received")
    assert [deadline.does for deadline in view.deadlines] == ["reply acknowledged goes out"]
    await desk.door.accept(desk.tenant, case_id, "1", "taken_over", {})
    withdrawn = await desk.until_traced(case_id, "withdrawn")
    assert withdrawn["notes"] == ["reply acknowledged: a person has taken the case over"]
    assert await desk.outbox(case_id) == []


async def test_a_held_reply_goes_out_once_though_the_case_continues_as_new_meanwhile(
    desk: Office,
) -> None:
    await desk.register(_with_reply({"hold": "4 seconds"}))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    carried = await desk.continue_as_new(case_id)
    assert carried.core["holding"]
    await desk.until_sent(case_id, 1)
    await desk.continue_as_new(case_id)
    assert [row.state for row in await desk.outbox(case_id)] == ["sent"]
    kinds = [entry["kind"] for entry in await desk.trace(case_id)]
    assert kinds.count("released") == 1


async def _until_rows(desk: Office, case_id: str, count: int) -> list[Any]:
    async with asyncio.timeout(20):
        while len(rows := await desk.outbox(case_id)) < count:  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.02)
    return rows


async def test_people_are_told_once_of_a_reply_that_is_held_as_a_loop(desk: Office) -> None:
    await desk.register(SUPPORT)
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    case_id = await desk.receive(first)
    await desk.until_sent(case_id, 1)
    ours = message_from_bytes(desk.sink.mails[-1].raw, policy=default)
    rows = await desk.take(customer_mail(CUSTOMER, ADDRESS, "Re: it", "More", answers=ours))
    await desk.parts.delivery.deliver(desk.tenant, rows)
    await desk.until_sent(case_id, 2)
    again = CaseEvent(id=rows[0], type="email", at=utc_now())
    await desk.workflow(case_id).signal(TAKE_SIGNAL, [again])
    await desk.continue_as_new(case_id)
    found = await desk.outbox(case_id)
    assert [(row.kind, row.state) for row in found] == [
        ("reply", "sent"),
        ("reply", "held"),
        ("notify", "sent"),
    ]
    assert found[1].held_for == "loop"


async def test_people_hear_of_a_bounce_after_the_end_of_the_case(desk: Office) -> None:
    teams = {"leads": ["leads@everpost.test", "other@everpost.test"]}
    definition = _with_reply({}, teams=teams)
    notify = {"notify": {"team": "leads", "template": "overdue"}}
    definition["states"]["received"]["enter"] = [notify, {"close": "told"}]
    await desk.register(definition)
    desk.sink.script.append(Fault.FIRST_RCPT_REFUSED)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    assert await asyncio.wait_for(desk.workflow(case_id).result(), 20) == "closed"
    assert len(await desk.outbox(case_id)) == 2
    assert b"did not reach everybody" in desk.sink.mails[-1].raw


async def _resolve(desk: Office, case_id: str, outcome: str, number: int) -> None:
    event = CaseEvent(
        id=1_000_000 + number,
        type=RESOLVED_EVENT,
        at=utc_now(),
        data={"firing": 1, "index": 0, "outcome": outcome, "reason": "no", "by": "lead"},
    )
    await desk.workflow(case_id).signal(TAKE_SIGNAL, [event])


async def test_the_core_hears_of_a_held_reply_only_once_a_person_has_decided(
    desk: Office,
) -> None:
    await desk.register(_with_reply({"approve": "leads"}))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    async with asyncio.timeout(20):
        while [row.state for row in await desk.outbox(case_id)][:1] != ["held"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (await desk.until_state(case_id, "received")).status == "open"
    await _resolve(desk, case_id, "failed", 1)
    await desk.until_state(case_id, "failed")


async def test_a_case_that_has_continued_as_new_hears_of_the_mail_that_it_held_before(
    desk: Office,
) -> None:
    await desk.register(_with_reply({"approve": "leads"}))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_sent(case_id, 1)  # that is the mail to those who approve
    carried = await desk.continue_as_new(case_id)
    assert carried.sends == []
    await _resolve(desk, case_id, "failed", 1)
    await desk.until_state(case_id, "failed")
    assert [row.state for row in await desk.outbox(case_id)] == ["held", "sent"]


async def test_what_nobody_waits_for_any_more_is_the_event_resolved(desk: Office) -> None:
    await desk.register(_with_reply({}))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_sent(case_id, 1)
    await _resolve(desk, case_id, "done", 1)
    await _resolve(desk, case_id, "done", 2)
    assert await asyncio.wait_for(desk.workflow(case_id).result(), 20) == "closed"


async def test_a_recipient_that_the_server_refuses_is_a_bounce(desk: Office) -> None:
    teams = {"leads": ["leads@everpost.test", "other@everpost.test"]}
    definition = _with_reply({}, teams=teams)
    notify = {"notify": {"team": "leads", "template": "overdue"}}
    definition["states"]["received"]["enter"] = [notify]
    await desk.register(definition)
    desk.sink.script.append(Fault.FIRST_RCPT_REFUSED)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_state(case_id, "bounced")


async def test_people_hear_of_a_refused_recipient_that_nothing_handles(desk: Office) -> None:
    teams = {"leads": ["leads@everpost.test", "other@everpost.test"]}
    definition = _with_reply({}, teams=teams)
    definition["states"]["received"] = {
        "enter": [{"notify": {"team": "leads", "template": "overdue"}}],
        "on": [{"event": "close", "to": "failed"}, {"event": "lost", "to": "bounced"}],
    }
    await desk.register(definition)
    desk.sink.script.append(Fault.FIRST_RCPT_REFUSED)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    rows = await _until_rows(desk, case_id, 2)
    assert [row.kind for row in rows] == ["notify", "notify"]
