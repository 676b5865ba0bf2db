"""The activities that send: a reply that waits for approval, and what becomes of the decision."""

import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import update
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from activities.casework import Casework
from clients.smtp import SmtpPool
from clients.temporal import Temporal
from contracts.case import RESOLVED_EVENT
from contracts.clock import utc_now
from contracts.ids import outbox_workflow_id
from contracts.outbox import OutboxRow, Outcome, SendOutcome, SendRequest
from ledgers.outbox import approvals, attempts, resolving
from ledgers.outbox import rows as outbox
from ledgers.outbox.resolving import Resolution
from ledgers.outbox.rows import HeldFor, Key
from ledgers.outbox.sending import Sender
from store.tables import Intake, Outbox, OutboxState
from tests.ledgers.letters import CUSTOMER, letter
from tests.ledgers.world import TENANT, World
from tests.servers.smtp_sink import Fault, SmtpSink
from workers.run import workflow_runner
from workflows.outbox import OutboxWorkflow

BOSS = "boss@everpost.test"


@dataclass
class Desk:
    """A case, the activities that send for it, and where the mails arrive."""

    world: World
    sink: SmtpSink
    casework: Casework
    case_id: str

    def request(self, **changed: object) -> SendRequest:
        """Return the request for a reply that a person has to approve."""
        return self.world.send_request(self.case_id, **{"approvers": [BOSS], **changed})

    async def send(self, request: SendRequest) -> SendOutcome:
        """Run the activity once."""
        outcome: SendOutcome = await ActivityEnvironment().run(self.casework.send, request)
        return outcome

    async def send_row(self, outbox_id: int) -> SendOutcome:
        """Run the activity of the row's workflow once."""
        row = OutboxRow(tenant=TENANT, outbox_id=outbox_id)
        outcome: SendOutcome = await ActivityEnvironment().run(self.casework.send_row, row)
        return outcome

    def arrived(self, address: str) -> list[bytes]:
        """Return what has come to an address."""
        return [mail.raw for mail in self.sink.mails if address in mail.recipients]

    async def told(self) -> list[dict[str, object]]:
        """Return what the case hears."""
        return [row.event for row in await self.world.rows(Intake, event_type=RESOLVED_EVENT)]


class NoStarts:
    """Starts nothing: the tests run the row's activity themselves."""

    async def start_outbox_workflow(self, tenant: str, outbox_id: int) -> None:
        """Do nothing."""


@pytest.fixture
async def desk(small_world: World, smtp_sink: SmtpSink) -> AsyncIterator[Desk]:
    """A desk whose mails arrive."""
    world = small_world
    await world.change_mailbox("mailbox1", smtp_port=smtp_sink.port)
    await world.take(await world.attach(), 1, letter())
    [case] = await world.cases()
    pool = SmtpPool(command_answer=timedelta(seconds=5), final_answer=timedelta(milliseconds=500))
    links = approvals.links(world.box, "https://everpost.test")
    sender = Sender(world.database, pool)
    casework = Casework(world.database, world.box, world.keys, sender, world.blobs, links)
    yield Desk(world, smtp_sink, casework, case.id)
    await pool.close()


async def test_a_reply_that_needs_approval_is_held_and_its_approver_asked_once(
    desk: Desk,
) -> None:
    for _ in range(2):
        outcome = await desk.send(desk.request())
        assert (outcome.outcome, outcome.held_for) == (Outcome.HELD, HeldFor.APPROVAL)
    [question] = desk.arrived(BOSS)
    assert desk.arrived(CUSTOMER) == []
    text = message_from_bytes(question, policy=policy.default).get_content()
    link = re.search(r"https://everpost\.test/approvals/(\S+)", text)
    assert link is not None
    found = approvals.read_link(desk.casework.links.keys, link[1], utc_now())
    assert (found.outbox_id, found.approver) == (outcome.outbox_id, BOSS)


async def test_an_approved_reply_goes_out_and_its_case_hears_of_it(desk: Desk) -> None:
    held = await desk.send(desk.request())
    await resolving.resolve(
        desk.world.database, NoStarts(), TENANT, held.outbox_id, Resolution.RESEND, BOSS
    )
    assert (await desk.send_row(held.outbox_id)).outcome is Outcome.DONE
    assert len(desk.arrived(CUSTOMER)) == 1
    [told] = await desk.told()
    assert (told["outcome"], told["by"]) == ("done", BOSS)


async def test_a_rejected_reply_never_goes_out_and_has_failed_for_its_case(desk: Desk) -> None:
    held = await desk.send(desk.request())
    await resolving.resolve(
        desk.world.database, NoStarts(), TENANT, held.outbox_id, Resolution.DROP, BOSS
    )
    assert (await desk.send(desk.request())).outcome is Outcome.FAILED
    assert desk.arrived(CUSTOMER) == []
    [told] = await desk.told()
    assert (told["outcome"], told["resolution"]) == ("failed", "dropped")


async def test_a_question_that_cannot_go_out_now_is_asked_later(desk: Desk) -> None:
    desk.sink.script.append(Fault.RCPT_LATER)
    with pytest.raises(ApplicationError):
        await desk.send(desk.request())
    assert (await desk.send(desk.request())).outcome is Outcome.HELD
    assert len(desk.arrived(BOSS)) == 1


async def test_a_question_that_was_not_asked_before_the_decision_is_not_asked_after_it(
    desk: Desk,
) -> None:
    desk.sink.script.append(Fault.RCPT_LATER)
    with pytest.raises(ApplicationError):
        await desk.send(desk.request())
    [draft] = await desk.world.rows(Outbox, state=OutboxState.HELD)
    await resolving.resolve(
        desk.world.database, NoStarts(), TENANT, draft.id, Resolution.DROP, "ann"
    )
    await desk.send(desk.request())
    assert desk.sink.mails == []
    assert {row.state for row in await desk.world.rows(Outbox)} == {OutboxState.DROPPED}


async def test_a_question_whose_sender_died_comes_to_an_end_although_it_is_decided(
    desk: Desk,
) -> None:
    desk.sink.script.append(Fault.RCPT_LATER)
    with pytest.raises(ApplicationError):
        await desk.send(desk.request())
    [draft] = await desk.world.rows(Outbox, state=OutboxState.HELD)
    [question] = await desk.world.rows(Outbox, state=OutboxState.INTENDED)
    row = await outbox.read(desk.world.database, Key(TENANT, question.id))
    assert await attempts.begin_attempt(desk.world.database, row, "somebody who has died")
    await resolving.resolve(
        desk.world.database, NoStarts(), TENANT, draft.id, Resolution.DROP, "ann"
    )
    with pytest.raises(ApplicationError):
        await desk.send(desk.request())  # the lease lasts
    async with desk.world.database.write() as connection:
        await connection.execute(
            update(Outbox).where(Outbox.id == question.id).values(lease_until=utc_now())
        )
    assert (await desk.send(desk.request())).state == OutboxState.DROPPED
    question = await desk.world.row(Outbox, id=question.id)
    assert question.state == OutboxState.UNKNOWN
    assert desk.sink.mails == []


async def test_a_reply_whose_approvers_cannot_be_asked_says_so(desk: Desk) -> None:
    desk.sink.script.append(Fault.RCPT_REFUSED)
    outcome = await desk.send(desk.request())
    assert outcome.outcome is Outcome.HELD
    assert outcome.reason == "nobody could be asked for approval"
    # The case tells its teams of whatever is held for anything but an approval.
    assert outcome.held_for is None


async def test_the_rows_workflow_sends_a_mail_that_a_person_lets_go(
    desk: Desk, temporal_address: str
) -> None:
    client = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    held = await desk.send(desk.request())
    workflow_id = f"{TENANT}/outbox/{uuid.uuid4().hex}"
    await resolving.resolve(
        desk.world.database, NoStarts(), TENANT, held.outbox_id, Resolution.RESEND, "ann"
    )
    # A queue of its own: the server is shared by tests.
    async with Worker(
        client,
        task_queue=workflow_id,
        workflows=[OutboxWorkflow],
        activities=[desk.casework.send_row],
        workflow_runner=workflow_runner(),
    ):
        desk.sink.script.append(Fault.RCPT_LATER)
        state = await client.execute_workflow(
            OutboxWorkflow.run,
            OutboxRow(tenant=TENANT, outbox_id=held.outbox_id),
            id=workflow_id,
            task_queue=workflow_id,
        )
    assert state == OutboxState.SENT
    assert len(desk.arrived(CUSTOMER)) == 1
    assert len(await desk.told()) == 1


async def test_a_rows_workflow_is_started_once_however_often_it_is_asked_for(
    temporal_address: str,
) -> None:
    client = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    tenant = f"tenant-{uuid.uuid4().hex}"
    for _ in range(3):
        await Temporal(client).start_outbox_workflow(tenant, 7)
    handle = client.get_workflow_handle(outbox_workflow_id(tenant, 7))
    first = await handle.describe()
    await Temporal(client).start_outbox_workflow(tenant, 7)
    assert (await handle.describe()).run_id == first.run_id
