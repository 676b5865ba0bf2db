"""Record the histories that `test_replay` replays: `python -m tests.workflows.record_histories`.

To be run, and its files committed beside the old ones, whenever a workflow gets a new path.
"""

import asyncio
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from contracts import search_attributes
from contracts.ids import delivery_workflow_id, mailbox_workflow_id
from store import mailboxes
from store.tables import MailboxStatus
from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault, SmtpSink
from tests.workflows.conftest import TEMPORAL, short_history_settings
from tests.workflows.definitions import DECISION, SUPPORT
from tests.workflows.office import ADDRESS, MAILBOX, Office, office
from workers.run import mail_worker

FOLDER = Path(__file__).parent.parent / "histories"
CUSTOMER = "first@customer.test"

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
)


async def record() -> None:
    """Run every scenario and write the history of each run of its workflow."""
    day = datetime.now(UTC).date().isoformat()
    async with await WorkflowEnvironment.start_local(
        search_attributes=search_attributes.ALL,
        dev_server_existing_path=TEMPORAL,
        dev_server_extra_args=short_history_settings(),
    ) as environment:
        for scenario in SCENARIOS:
            name = f"{day}-{scenario.__name__}"
            with tempfile.TemporaryDirectory() as folder, SmtpSink() as sink:
                async with office(environment.client, Path(folder), sink) as desk:
                    await _write(desk, name, await scenario(desk))
            sys.stdout.write(f"{name}\n")


async def _write(desk: Office, name: str, workflow_id: str) -> None:
    async for run in desk.parts.client.list_workflows(f"WorkflowId = '{workflow_id}'"):
        handle: WorkflowHandle[object, object] = desk.parts.client.get_workflow_handle(
            run.id, run_id=run.run_id
        )
        history = await handle.fetch_history()
        number = 1 + sum(1 for _ in FOLDER.glob(f"{name}-*.json"))
        # Which machine recorded it is nobody's business.
        text = history.to_json().replace(f"@{socket.gethostname()}", "@recorder")
        (FOLDER / f"{name}-{number}.json").write_text(text)
    async with desk.parts.database.read() as connection:
        documents = await desk.documents(connection)
    for hash_, document in documents:
        (FOLDER / "definitions").mkdir(exist_ok=True)
        (FOLDER / "definitions" / f"{hash_}.json").write_text(document)


if __name__ == "__main__":
    asyncio.run(record())
