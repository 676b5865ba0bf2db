"""Mails that wait for a person, from the case that sends them to the case that hears the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update
from temporalio.testing import WorkflowEnvironment

from contracts.clock import utc_now
from ledgers.outbox import resolving
from ledgers.outbox.resolving import Resolution
from store.tables import Mailbox
from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault, SmtpSink
from tests.workflows.definitions import SUPPORT
from tests.workflows.office import ADDRESS, Office, office

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"
OTHER = "help@elsewhere.test"
SECONDS = 20

APPROVAL: dict[str, Any] = {
    "id": "support",
    "starts": ["mail"],
    "teams": {"leads": ["leads@everpost.test"]},
    "templates": {"answer": {"text": "Here is your money."}},
    "start": "received",
    "states": {
        "received": {
            "enter": [{"reply": {"template": "answer", "approve": "leads"}}],
            "on": [
                {"event": "action_failed", "to": "by_hand"},
                {"event": "close", "to": "closed"},
            ],
        },
        "by_hand": {"on": [{"event": "close", "to": "closed"}]},
        "closed": {"final": True},
    },
}


async def parked(desk: Office, case_id: str, state: str) -> Any:
    """Return the case's reply once it is in that state."""
    async with asyncio.timeout(SECONDS):
        while True:
            rows = await desk.outbox(case_id)
            if rows and rows[0].state == state:
                return rows[0]
            await asyncio.sleep(0.02)


async def decide(desk: Office, row: Any, resolution: Resolution) -> None:
    """Decide as a person does."""
    await resolving.resolve(
        desk.parts.database,
        desk.parts.delivery.temporal,
        desk.tenant,
        row.id,
        resolution,
        "ann",
    )


async def deliver_what_is_due(desk: Office) -> int:
    """Do the delivery watch's work, once there is some; return the row that it was."""
    async with asyncio.timeout(SECONDS):
        while not (  # noqa: ASYNC110 (no event tells)
            due := await desk.parts.delivery.due(desk.tenant, utc_now())
        ):
            await asyncio.sleep(0.02)
    await desk.parts.delivery.deliver(desk.tenant, due)
    return due[-1]


async def test_an_approved_reply_is_sent_and_its_case_hears_of_it(desk: Office) -> None:
    await desk.register(APPROVAL)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "money", "Hello"))
    row = await parked(desk, case_id, "held")
    await desk.until_sent(case_id, 1)
    assert desk.sink.mails[0].recipients == ("leads@everpost.test",)
    await decide(desk, row, Resolution.RESEND)
    await desk.until_sent(case_id, 2)
    assert desk.sink.mails[1].recipients == (CUSTOMER,)
    await desk.until_intake(await deliver_what_is_due(desk), "applied")
    await desk.until_state(case_id, "received")


async def test_a_rejected_reply_is_a_failed_action_of_its_case(desk: Office) -> None:
    await desk.register(APPROVAL)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "money", "Hello"))
    row = await parked(desk, case_id, "held")
    await desk.until_sent(case_id, 1)
    await decide(desk, row, Resolution.DROP)
    await deliver_what_is_due(desk)
    await desk.until_state(case_id, "by_hand")
    assert len(desk.sink.mails) == 1


async def test_of_an_unknown_mail_the_case_hears_how_it_was_resolved(desk: Office) -> None:
    spec = {**SUPPORT, "states": {**SUPPORT["states"]}}
    waiting = spec["states"]["waiting"]
    resolved = {"event": "resolved", "to": "closed"}
    spec["states"]["waiting"] = {**waiting, "on": [*waiting["on"], resolved]}
    await desk.register(spec)
    desk.sink.script.append(Fault.DROP_LOST)
    await desk.start_workers()
    case_id = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    row = await parked(desk, case_id, "unknown")
    await desk.until_state(case_id, "waiting")
    await decide(desk, row, Resolution.RESEND)
    await deliver_what_is_due(desk)
    await desk.until_state(case_id, "closed")
    assert (await desk.outbox(case_id))[0].state == "sent"


@pytest_asyncio.fixture(loop_scope="session")
async def offices(
    temporal: WorkflowEnvironment, tmp_path: Path
) -> AsyncIterator[tuple[Office, Office]]:
    """Two instances that know nothing of each other, each with a mailbox."""
    async with AsyncExitStack() as stack:
        made = []
        for address in (ADDRESS, OTHER):
            sink = stack.enter_context(SmtpSink())
            desk = await stack.enter_async_context(office(temporal.client, tmp_path, sink))
            async with desk.parts.database.write() as connection:
                await connection.execute(update(Mailbox).values(address=address))
            await desk.register(SUPPORT)
            await desk.start_workers()
            made.append(desk)
        yield made[0], made[1]


@pytest.mark.parametrize("thread", [(), ("In-Reply-To", "References")])
async def test_two_instances_that_answer_each_other_exchange_three_mails_and_hold_visibly(
    offices: tuple[Office, Office], thread: tuple[str, ...]
) -> None:
    mail = customer_mail(OTHER, ADDRESS, "a question", "Hello")
    mails = 1
    for turn in range(12):
        desk = offices[turn % 2]
        sent = len(desk.sink.mails)
        case_id = await desk.receive(mail)
        async with asyncio.timeout(SECONDS):
            while len(desk.sink.mails) == sent:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.02)
        newest = desk.sink.mails[-1]
        if "leads@everpost.test" in newest.recipients:
            break
        mail = _stripped(newest.raw, thread)
        mails += 1
    assert mails <= 3
    rows = await desk.outbox(case_id)
    assert ("held", "loop") in [(row.state, row.held_for) for row in rows]


def _stripped(raw: bytes, thread: tuple[str, ...]) -> EmailMessage:
    """Return a mail as a relay passes it on that takes its headers away."""
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    for name in ("Auto-Submitted", "X-Auto-Response-Suppress", "Precedence", *thread):
        del mail[name]
    return mail
