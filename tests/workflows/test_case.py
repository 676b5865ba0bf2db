"""Cases on a real Temporal server."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update
from temporalio.client import WorkflowExecutionStatus

from classifiers.chain import LlmFailure, LlmTrouble
from classifiers.result import Classification
from contracts.clock import utc_now
from store.tables import Intake
from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault
from tests.workflows.definitions import DECISION, SUPPORT
from tests.workflows.office import ADDRESS, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"


async def test_a_mail_becomes_a_case_that_is_classified_answered_and_waits(desk: Office) -> None:
    await desk.register(SUPPORT)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    view = await desk.until_state(case_id, "waiting")
    assert view.label == "question"
    assert [deadline.state for deadline in view.deadlines] == ["waiting", "waiting"]
    await desk.until_sent(case_id, 1)
    (sent,) = desk.sink.mails
    assert sent.recipients == (CUSTOMER,)
    assert case_id.encode() in sent.raw


async def test_an_answer_joins_its_case_and_is_answered(desk: Office) -> None:
    await desk.register(SUPPORT)
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    case_id = await desk.receive(first)
    again = customer_mail(CUSTOMER, ADDRESS, "Re: a question", "More", answers=first)
    assert await desk.receive(again) == case_id
    await desk.until_sent(case_id, 2)


async def test_a_signal_that_comes_twice_is_one_event(desk: Office) -> None:
    await desk.register(SUPPORT)
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    (opening,) = await desk.take(first)
    answer = customer_mail(CUSTOMER, ADDRESS, "Re: a question", "More", answers=first)
    (row,) = await desk.take(answer)
    await desk.parts.delivery.deliver(desk.tenant, [opening, row])
    await desk.parts.delivery.deliver(desk.tenant, [opening, row])
    await desk.start_workers()
    case_id = await desk.case_of(row)
    await desk.until_sent(case_id, 2)
    await desk.until_intake(row, "applied")
    fired = [entry for entry in await desk.trace(case_id) if entry.get("cause") == str(row)]
    assert [entry["task"] for entry in fired if "task" in entry] == ["waiting.on[1]"]


async def test_a_case_continues_as_new_and_loses_nothing(desk: Office) -> None:
    await desk.register(SUPPORT)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_state(case_id, "waiting")
    rows = [
        (await desk.door.accept(desk.tenant, case_id, f"ping {n}", "ping", {})).event_id
        for n in range(60)
    ]
    for row in rows:
        await desk.until_intake(row, "applied")
    again = customer_mail(CUSTOMER, ADDRESS, "x", "More")
    again["In-Reply-To"] = desk.sink.mails[0].message_id
    assert await desk.receive(again) == case_id
    await desk.until_sent(case_id, 2)
    first = await desk.workflow(case_id).describe()
    runs = [
        run
        async for run in desk.parts.client.list_workflows(f"WorkflowId = '{first.id}'")
        if run.status is WorkflowExecutionStatus.CONTINUED_AS_NEW
    ]
    assert runs
    causes = [entry.get("cause") for entry in await desk.trace(case_id)]
    assert [causes.count(str(row)) for row in rows] == [1] * len(rows)


async def test_a_closing_case_hands_back_what_it_could_not_use(desk: Office) -> None:
    await desk.register(DECISION)
    first = customer_mail(CUSTOMER, ADDRESS, "Decide", "Please")
    case_id = await desk.receive(first)
    early = customer_mail(CUSTOMER, ADDRESS, "Re: Decide", "Well?", answers=first)
    (row,) = await desk.take(early)
    await desk.parts.delivery.deliver(desk.tenant, [row])
    await desk.door.accept(desk.tenant, case_id, "1", "decide", {})
    await desk.door.settle()
    await desk.start_workers()
    await desk.until_state(case_id, "closed")
    async with asyncio.timeout(20):
        while (follow_up := await desk.case_of(row)) == case_id:  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.02)
    rows = await desk.parts.delivery.due(desk.tenant, utc_now())
    await desk.parts.delivery.deliver(desk.tenant, rows)
    await desk.until_state(follow_up, "deciding")
    await desk.until_intake(row, "applied")


async def test_a_mail_to_a_case_that_closes_at_that_moment_is_handled(desk: Office) -> None:
    await desk.register(SUPPORT)
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    case_id = await desk.receive(first)
    await desk.until_state(case_id, "waiting")
    await desk.stop_workers()
    solved = customer_mail(CUSTOMER, ADDRESS, "Re: hello", "solved", answers=first)
    late = customer_mail(CUSTOMER, ADDRESS, "Re: a question", "one more", answers=first)
    rows = await desk.take(solved, late)
    await desk.parts.delivery.deliver(desk.tenant, rows)
    await desk.start_workers()
    await desk.until_state(case_id, "closed")
    async with asyncio.timeout(20):
        while (follow_up := await desk.case_of(rows[1])) == case_id:  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.02)
    await desk.parts.delivery.deliver(desk.tenant, [rows[1]])
    await desk.until_intake(rows[1], "applied")
    await desk.until_state(follow_up, "waiting")


async def test_an_unknown_outcome_is_shown_and_the_team_is_told(desk: Office) -> None:
    await desk.register(SUPPORT)
    desk.sink.script.append(Fault.DROP_LOST)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_state(case_id, "waiting")
    await desk.until_sent(case_id, 1)
    reply, notice = await desk.outbox(case_id)
    assert (reply.kind, reply.state) == ("reply", "unknown")
    assert (notice.kind, notice.recipients) == ("notify", ["leads@everpost.test"])
    assert any(entry["kind"] == "unhandled" for entry in await desk.trace(case_id))


async def test_a_definition_may_handle_an_unknown_outcome(desk: Office) -> None:
    spec = {**SUPPORT, "states": {**SUPPORT["states"]}}
    waiting = spec["states"]["waiting"]
    spec["states"]["waiting"] = {
        **waiting,
        "on": [*waiting["on"], {"event": "action_unknown", "to": "closed"}],
    }
    await desk.register(spec)
    desk.sink.script.append(Fault.DROP_LOST)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_state(case_id, "closed")


async def test_a_cancelled_case_ends_where_it_stands(desk: Office) -> None:
    await desk.register(SUPPORT)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_state(case_id, "waiting")
    await desk.door.cancel(desk.tenant, case_id, "admin")
    assert await asyncio.wait_for(desk.workflow(case_id).result(), 20) == "cancelled"
    view = await desk.snapshot(case_id)
    assert view is not None
    assert (view.status, view.states) == ("cancelled", ["waiting"])


async def test_the_model_decides_where_the_definition_asks_it(desk: Office) -> None:
    await desk.register({**SUPPORT, "classifier": {"kind": "llm"}})

    async def ask(*_: object) -> Classification:
        return Classification("llm", "small", "1", "solved", 0.9, "it says so", 10, 5)

    await desk.start_workers(ask)
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    view = await desk.until_state(case_id, "waiting")
    assert (view.label, view.confidence) == ("solved", 0.9)


async def test_keywords_decide_where_the_model_refuses(desk: Office) -> None:
    await desk.register({**SUPPORT, "classifier": {"kind": "llm"}})

    async def ask(*_: object) -> LlmFailure:
        return LlmFailure(LlmTrouble.REFUSED, "no")

    await desk.start_workers(ask)
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    view = await desk.until_state(case_id, "waiting")
    assert view.label == "question"


async def test_a_deadline_of_a_month_fires_once(timeless: Office) -> None:
    await timeless.register(SUPPORT)
    await timeless.start_workers()
    case_id = await timeless.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    assert await asyncio.wait_for(timeless.workflow(case_id).result(), 60) == "closed"
    reply, notice = await timeless.outbox(case_id)
    assert [reply.kind, notice.kind] == ["reply", "notify"]
    fired = [
        entry["task"]
        for entry in await timeless.trace(case_id)
        if "deadlines" in entry.get("task", "")
    ]
    assert fired == ["waiting.deadlines[0]", "waiting.deadlines[1]"]
    history = await timeless.workflow(case_id).fetch_history()
    times = [event.event_time.ToDatetime() for event in history.events]
    assert times[-1] - times[0] > timedelta(days=59)


async def test_an_event_that_comes_again_after_its_record_is_acknowledged_again(
    desk: Office,
) -> None:
    await desk.register(SUPPORT)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_state(case_id, "waiting")
    accepted = await desk.door.accept(desk.tenant, case_id, "1", "ping", {})
    await desk.until_intake(accepted.event_id, "applied")
    async with desk.parts.database.write() as connection:
        await connection.execute(
            update(Intake).where(Intake.id == accepted.event_id).values(state="routed")
        )
    await desk.parts.delivery.deliver(desk.tenant, [accepted.event_id])
    await desk.until_intake(accepted.event_id, "applied")
    fired = [entry for entry in await desk.trace(case_id) if entry["kind"] == "fired"]
    assert [entry["cause"] for entry in fired].count(str(accepted.event_id)) == 1
