"""What the delivery watch does for mailboxes, on a real Temporal server."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities.watching import SILENT_AFTER, Watching
from contracts.clock import utc_now
from contracts.ids import mailbox_workflow_id
from contracts.mailbox import CHANGED_SIGNAL, TenantWatch
from ledgers.casework.delivery import Delivery
from ledgers.mailboxes.parsing import Parser
from ledgers.mailboxes.watch import MailboxWatch
from store.blobs import Blobs
from store.tables import MailboxStatus
from tests.ledgers.deliveries import delivery_to
from tests.ledgers.world import TENANT, World

MAX_SECONDS = 20
LONG_AGO = SILENT_AFTER + timedelta(minutes=1)


@pytest.fixture
async def delivery(small_world: World, temporal_address: str) -> Delivery:
    """A delivery to a Temporal server that no worker asks for work."""
    return await delivery_to(small_world, temporal_address)


@asynccontextmanager
async def watching(world: World, delivery: Delivery, tmp_path: Path) -> AsyncIterator[None]:
    """Run the activity that watches deliveries."""
    blobs = Blobs((tmp_path / "blobs").as_uri())
    activity = Watching(MailboxWatch(delivery, blobs, Parser(), world.keys), delivery)
    run = ActivityEnvironment().run(activity.watch_deliveries, TenantWatch(tenant=TENANT))
    task = asyncio.create_task(run)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def signals(delivery: Delivery, mailbox_id: str) -> list[str]:
    """Return the signals that a mailbox's watch was sent, once it was started."""
    handle = delivery.temporal.client.get_workflow_handle(mailbox_workflow_id(TENANT, mailbox_id))
    async with asyncio.timeout(MAX_SECONDS):
        while True:
            with contextlib.suppress(RPCError):
                return [
                    event.workflow_execution_signaled_event_attributes.signal_name
                    for event in (await handle.fetch_history()).events
                    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
                ]
            await asyncio.sleep(0.02)


def some_id() -> str:
    """Return a mailbox id that no other test gives to the server that all share."""
    return f"watched-{secrets.token_hex(6)}"


async def test_a_watch_that_missed_its_mailboxs_resumption_is_told_again(
    small_world: World, delivery: Delivery, tmp_path: Path
) -> None:
    """Temporal was down as the mailbox was resumed, so the paused watch heard nothing."""
    before = utc_now() - LONG_AGO
    mailbox_id = await small_world.mailbox(some_id(), created_at=before, checked_at=before)
    await delivery.temporal.watch_mailbox(TENANT, mailbox_id, changed=False)
    async with watching(small_world, delivery, tmp_path), asyncio.timeout(MAX_SECONDS):
        while not (told := await signals(delivery, mailbox_id)):  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.02)
    assert told == [CHANGED_SIGNAL]


@pytest.mark.parametrize(
    "changed", [{"connected": True}, {"checked_at": None}], ids=["connected", "new"]
)
async def test_a_watch_that_is_missing_is_started_and_told_nothing(
    small_world: World, delivery: Delivery, tmp_path: Path, changed: dict[str, object]
) -> None:
    values = {"checked_at": utc_now() - LONG_AGO} | changed
    mailbox_id = await small_world.mailbox(some_id(), **values)
    async with watching(small_world, delivery, tmp_path):
        assert await signals(delivery, mailbox_id) == []


async def test_a_paused_mailbox_gets_no_watch(
    small_world: World, delivery: Delivery, tmp_path: Path
) -> None:
    paused = await small_world.mailbox(some_id(), status=MailboxStatus.PAUSED)
    other = await small_world.mailbox(some_id())
    async with watching(small_world, delivery, tmp_path):
        await signals(delivery, other)
    handle = delivery.temporal.client.get_workflow_handle(mailbox_workflow_id(TENANT, paused))
    with pytest.raises(RPCError, match="not found"):
        await handle.describe()
