"""What the recorded histories are of: each scenario drives one workflow along paths of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from cases import engine
from contracts.case import TAKE_SIGNAL
from contracts.clock import utc_now
from contracts.ids import delivery_workflow_id, mailbox_workflow_id, outbox_workflow_id
from contracts.steps import CaseEvent
from ledgers.outbox import resolving
from ledgers.outbox.resolving import Resolution
from store import mailboxes
from store.tables import MailboxStatus
from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault
from tests.workflows.definitions import DECISION, FAMILY, RECURSION, SUPPORT, TRIP
from tests.workflows.office import ADDRESS, MAILBOX, Office
from workers.run import mail_worker

CUSTOMER = "first@customer.test"
# One whom the mail server refuses, and one whom it does not.
TWO_LEADS = {"leads": ["leads@everpost.test", "other@everpost.test"]}

Scenario = Callable[[Office], Awaitable[str]]


async def answered_and_closed(desk: Office) -> str:
    """A mail, an answer to it, and the mail that closes the case."""
    await desk.register(SUPPORT)
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    case_id = await desk.receive(first)
    await desk.until_state(case_id, "waiting")
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "More", answers=first))
    await desk.until_sent(case_id, 2)
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "solved", answers=first))
    await desk.workflow(case_id).result()
    return desk.workflow(case_id).id


async def unknown_outcome(desk: Office) -> str:
    """A reply of which nobody knows whether it was sent, and the notice about it."""
    await desk.register(SUPPORT)
    desk.sink.script.append(Fault.DROP_LOST)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_sent(case_id, 1)
    return desk.workflow(case_id).id


async def sorted_by_the_model(desk: Office) -> str:
    """A case whose definition asks a model, and no model is there."""
    await desk.register({**SUPPORT, "classifier": {"kind": "llm"}})
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_sent(case_id, 1)
    return desk.workflow(case_id).id


async def continued_as_new(desk: Office) -> str:
    """A case with more events than one run takes."""
    await desk.register(SUPPORT)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_state(case_id, "waiting")
    for number in range(60):
        accepted = await desk.door.accept(desk.tenant, case_id, f"{number}", "ping", {})
    await desk.until_intake(accepted.event_id, "applied")
    return desk.workflow(case_id).id


async def handed_back(desk: Office) -> str:
    """A case that closes while a mail waits in it."""
    await desk.register(DECISION)
    first = customer_mail(CUSTOMER, ADDRESS, "Decide", "Please")
    case_id = await desk.receive(first)
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: Decide", "Well?", answers=first))
    await desk.door.accept(desk.tenant, case_id, "1", "decide", {})
    await desk.door.settle()
    await desk.start_workers()
    await desk.workflow(case_id).result()
    return desk.workflow(case_id).id


async def cancelled(desk: Office) -> str:
    """A case that a person cancels."""
    await desk.register(SUPPORT)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.until_state(case_id, "waiting")
    await desk.door.cancel(desk.tenant, case_id, "admin")
    await desk.workflow(case_id).result()
    return desk.workflow(case_id).id


async def watched_paused_and_deleted(desk: Office) -> str:
    """A mailbox whose server can't be reached, which is paused and then deleted."""
    temporal, tenant = desk.parts.delivery.temporal, desk.tenant
    async with mail_worker(desk.parts):
        await temporal.watch_mailbox(tenant, MAILBOX, changed=False)
        handle = desk.parts.client.get_workflow_handle(mailbox_workflow_id(tenant, MAILBOX))
        await _until_scheduled(handle)
        async with desk.parts.database.write() as connection:
            await mailboxes.set_status(connection, tenant, MAILBOX, MailboxStatus.PAUSED)
        await temporal.watch_mailbox(tenant, MAILBOX, changed=True)
        await _until_scheduled(handle, times=2)
        async with desk.parts.database.write() as connection:
            await mailboxes.remove(connection, tenant, MAILBOX)
        await temporal.watch_mailbox(tenant, MAILBOX, changed=True)
        await handle.result()
    return handle.id


async def deliveries(desk: Office) -> str:
    """The watch of a tenant's deliveries, under way."""
    async with mail_worker(desk.parts):
        await desk.parts.delivery.temporal.watch_deliveries(desk.tenant)
        handle = desk.parts.client.get_workflow_handle(delivery_workflow_id(desk.tenant))
        await _until_scheduled(handle)
    return handle.id


async def held_and_withdrawn(desk: Office) -> str:
    """A reply that is held for a while, and withdrawn because a mail comes."""
    case_id, first = await _with_reply(desk, {"hold": "10 minutes"})
    await desk.until_state(case_id, "received")
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "Wait", answers=first))
    await desk.until_traced(case_id, "withdrawn")
    return desk.workflow(case_id).id


async def held_and_released(desk: Office) -> str:
    """A reply that is held for a while, and goes out after it in another run."""
    case_id, _ = await _with_reply(desk, {"hold": "4 seconds"})
    await desk.continue_as_new(case_id)
    await desk.until_sent(case_id, 1)
    await desk.until_traced(case_id, "released")
    return desk.workflow(case_id).id


async def approved(desk: Office) -> str:
    """A reply that waits for a person, who lets it go out."""
    case_id, _ = await _with_reply(desk, {"approve": "leads"})
    await desk.until_sent(case_id, 1)
    await _decide(desk, case_id, Resolution.RESEND)
    await desk.until_sent(case_id, 2)
    return desk.workflow(case_id).id


async def sent_beside_its_case(desk: Office) -> str:
    """The workflow of a reply's own that sends it once a person has let it go out."""
    case_id, _ = await _with_reply(desk, {"approve": "leads"})
    await desk.until_sent(case_id, 1)
    await _decide(desk, case_id, Resolution.RESEND)
    row = (await desk.outbox(case_id))[0]
    return outbox_workflow_id(desk.tenant, row.id)


async def rejected(desk: Office) -> str:
    """A reply that waits for a person, who drops it: the case hears that it failed."""
    case_id, _ = await _with_reply(desk, {"approve": "leads"})
    await desk.until_sent(case_id, 1)
    await _decide(desk, case_id, Resolution.DROP)
    await desk.until_state(case_id, "failed")
    return desk.workflow(case_id).id


async def waited_for_its_mailbox(desk: Office) -> str:
    """A deadline that waits until its mailbox is read, in two runs, and then fires."""
    await desk.register({**DECISION, "states": _deadline_states()})
    await desk.read_until(utc_now() - timedelta(hours=1))
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await desk.until_waiting_for_mailbox(case_id)
    await desk.continue_as_new(case_id)
    await desk.until_waiting_for_mailbox(case_id)
    await desk.read_until(utc_now() + timedelta(hours=1))
    await desk.until_state(case_id, "late")
    return desk.workflow(case_id).id


async def answered_while_it_waited(desk: Office) -> str:
    """A deadline that waits for its mailbox, and an answer that comes first."""
    await desk.register({**DECISION, "states": _deadline_states()})
    await desk.read_until(utc_now() - timedelta(hours=1))
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "Decide", "Please")
    case_id = await desk.receive(first)
    await desk.until_waiting_for_mailbox(case_id)
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "Yes", answers=first))
    await desk.until_state(case_id, "answered")
    return desk.workflow(case_id).id


async def reopened(desk: Office) -> str:
    """A closed case that a mail opens again."""
    case_id, first = await _closed(desk, {"policy": "reopen", "to": "waiting"})
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "More", answers=first))
    await desk.until_traced(case_id, "reopened")
    return desk.workflow(case_id).id


async def answered_after_the_end(desk: Office) -> str:
    """A closed case that answers a mail and stays closed."""
    case_id, first = await _closed(desk, {"policy": "answer", "template": "answered"})
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "More", answers=first))
    await desk.until_sent(case_id, 2)
    await desk.workflow(case_id).result()
    return desk.workflow(case_id).id


async def woken_while_it_finished(desk: Office) -> str:
    """A closed case that a mail opens again while its last reply is still on its way."""
    spec = {**SUPPORT, "after_close": {"policy": "reopen", "to": "waiting"}}
    await desk.register(spec)
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    desk.sink.script.extend([Fault.MAIL_LATER] * 1_000)
    case_id = await desk.receive(first)
    await desk.until_state(case_id, "waiting")
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "solved", answers=first))
    await desk.until_state(case_id, "closed")
    await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Re: it", "More", answers=first))
    await desk.until_traced(case_id, "reopened")
    desk.sink.script.clear()
    await desk.until_sent(case_id, 2)
    return desk.workflow(case_id).id


async def bounced(desk: Office) -> str:
    """A mail that comes back, of which people hear since nothing in the case does."""
    case_id, _ = await _with_reply(desk, {})
    await desk.until_sent(case_id, 1)
    data: dict[str, Any] = {"recipient": CUSTOMER, "reason": "no such user", "hard": True}
    event = CaseEvent(id=1_000_000, type="bounce", at=utc_now(), data=data)
    await desk.workflow(case_id).signal(TAKE_SIGNAL, [event])
    await desk.until_sent(case_id, 2)
    return desk.workflow(case_id).id


async def partly_refused(desk: Office) -> str:
    """A notice of whose recipients the mail server refuses one, before and after the end."""
    notify = {"notify": {"team": "leads", "template": "overdue"}}
    received = {"enter": [notify], "on": [{"event": "bounce", "do": [notify], "to": "closed"}]}
    states = {"received": received, "closed": {"final": True}}
    await desk.register({**SUPPORT, "teams": TWO_LEADS, "states": states})
    desk.sink.script.extend([Fault.FIRST_RCPT_REFUSED] * 2)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    await desk.workflow(case_id).result()
    return desk.workflow(case_id).id


async def ran_a_subcase(desk: Office) -> str:
    """A case that runs a sub-case and goes on with what it returns."""
    parent, child = await _family(desk, FAMILY)
    await desk.door.accept(desk.tenant, child, "1", "told", {"what": "a hat"})
    await desk.until_state(parent, "checked")
    return desk.workflow(parent).id


async def was_a_subcase(desk: Office) -> str:
    """A sub-case that tells its parent how it ended."""
    parent, child = await _family(desk, FAMILY)
    await desk.door.accept(desk.tenant, child, "1", "told", {"what": "a hat"})
    await desk.until_state(parent, "checked")
    await desk.workflow(child).result()
    return desk.workflow(child).id


async def ran_a_subcase_over_two_runs(desk: Office) -> str:
    """A case that continues as new while it runs a sub-case."""
    parent, child = await _family(desk, FAMILY)
    await desk.continue_as_new(parent)
    await desk.door.accept(desk.tenant, child, "1", "told", {"what": "a hat"})
    await desk.until_state(parent, "checked")
    return desk.workflow(parent).id


async def ran_itself(desk: Office) -> str:
    """A sub-case of which the net runs itself."""
    parent, child = await _family(desk, RECURSION)
    await desk.door.accept(desk.tenant, child, "1", "look", {"again": True})
    [deepest] = await desk.until_children(child, 1)
    await desk.door.accept(desk.tenant, deepest, "1", "look", {"what": "a hat"})
    await desk.until_state(parent, "checked")
    await desk.workflow(child).result()
    return desk.workflow(child).id


async def withdrew_a_subcase(desk: Office) -> str:
    """A case that cancels a task which runs a sub-case."""
    parent, child = await _family(desk, FAMILY)
    await desk.door.accept(desk.tenant, parent, "1", "stop", {})
    await desk.until_status(child, "cancelled")
    return desk.workflow(parent).id


async def was_withdrawn(desk: Office) -> str:
    """A sub-case that is withdrawn, and withdraws what it runs itself."""
    parent, child = await _family(desk, RECURSION)
    await desk.door.accept(desk.tenant, child, "1", "look", {"again": True})
    [deepest] = await desk.until_children(child, 1)
    await desk.door.cancel(desk.tenant, parent, "admin")
    await desk.until_status(deepest, "cancelled")
    await desk.workflow(child).result()
    return desk.workflow(child).id


async def undid_what_was_done(desk: Office) -> str:
    """A case that undoes two actions when the third fails."""
    await desk.register(TRIP)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a trip", "Please"))
    await desk.until_sent(case_id, 2)
    desk.sink.script.append(Fault.RCPT_REFUSED)
    await desk.door.accept(desk.tenant, case_id, "1", "hire", {})
    await desk.workflow(case_id).result()
    return desk.workflow(case_id).id


async def parked_by_a_fault(desk: Office) -> str:
    """A case that is parked since a step of the core fails, which is repaired later."""
    await desk.register(DECISION)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "Decide", "Please"))
    await desk.until_state(case_id, "deciding")
    with patch.object(engine, "step", side_effect=KeyError("place")):
        await desk.door.accept(desk.tenant, case_id, "1", "decide", {})
        await desk.until_traced(case_id, "parked")
    return desk.workflow(case_id).id


async def resumed_after_a_fault(desk: Office) -> str:
    """A case that a fault has parked, and a person lets go on; the fault comes once more."""
    case_id = (await parked_by_a_fault(desk)).rpartition("/")[2]
    with patch.object(engine, "resume", side_effect=KeyError("place")):
        await desk.door.resume(desk.tenant, case_id, "admin")
    await desk.door.resume(desk.tenant, case_id, "admin")
    await desk.workflow(case_id).result()
    return desk.workflow(case_id).id


async def _family(desk: Office, spec: dict[str, Any]) -> tuple[str, str]:
    """Return a case that runs a sub-case, and the sub-case."""
    await desk.register(spec)
    await desk.start_workers()
    parent = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    [child] = await desk.until_children(parent, 1)
    return parent, child


async def _with_reply(desk: Office, reply: dict[str, Any]) -> tuple[str, Any]:
    """Return a case that has been asked for a reply, and the mail that opened it."""
    received = {
        "enter": [{"reply": {"template": "acknowledged", **reply}}],
        "on": [{"event": "action_failed", "to": "failed"}],
    }
    failed = {"on": [{"event": "close", "to": "closed"}]}
    states = {"received": received, "failed": failed, "closed": {"final": True}}
    await desk.register({**SUPPORT, "states": states})
    await desk.start_workers()
    first = customer_mail(CUSTOMER, ADDRESS, "a question", "Hello")
    return await desk.receive(first), first


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


async def _decide(desk: Office, case_id: str, resolution: Resolution) -> None:
    """Decide on a case's first mail as a person does, and let the case hear of it."""
    parts = desk.parts
    row = (await desk.outbox(case_id))[0]
    await resolving.resolve(
        parts.database, parts.delivery.temporal, desk.tenant, row.id, resolution, "lead"
    )
    async with asyncio.timeout(20):
        while not (  # noqa: ASYNC110 (no event tells)
            due := await parts.delivery.due(desk.tenant, utc_now())
        ):
            await asyncio.sleep(0.02)
    await parts.delivery.deliver(desk.tenant, due)
    await desk.until_intake(due[-1], "applied")


def _deadline_states() -> dict[str, Any]:
    close = {"on": [{"event": "close", "to": "closed"}]}
    deciding = {
        "on": [{"event": "email", "to": "answered"}],
        "deadlines": [{"after": "1 second", "to": "late"}],
    }
    return {"deciding": deciding, "answered": close, "late": close, "closed": {"final": True}}


async def _until_scheduled(handle: WorkflowHandle[Any, Any], times: int = 1) -> None:
    """Return once a workflow has asked for an activity so many times."""
    async with asyncio.timeout(20):
        while True:
            kinds = [event.event_type for event in (await handle.fetch_history()).events]
            if kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) >= times:
                return
            await asyncio.sleep(0.05)


SCENARIOS: tuple[Scenario, ...] = (
    answered_and_closed,
    unknown_outcome,
    sorted_by_the_model,
    continued_as_new,
    handed_back,
    cancelled,
    watched_paused_and_deleted,
    deliveries,
    held_and_withdrawn,
    held_and_released,
    approved,
    sent_beside_its_case,
    rejected,
    waited_for_its_mailbox,
    answered_while_it_waited,
    reopened,
    answered_after_the_end,
    woken_while_it_finished,
    bounced,
    partly_refused,
    ran_a_subcase,
    was_a_subcase,
    ran_a_subcase_over_two_runs,
    ran_itself,
    withdrew_a_subcase,
    was_withdrawn,
    undid_what_was_done,
    parked_by_a_fault,
    resumed_after_a_fault,
)
