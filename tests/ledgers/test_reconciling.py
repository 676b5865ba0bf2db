"""Reconciling by schedule, on a real Temporal server; and its activity on a real Dovecot."""

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import ScheduleUpdate, ScheduleUpdateInput
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities.reconciling import Reconciling
from activities.watching import Watching
from clients.temporal import RECONCILE_EVERY, RECONCILE_JITTER
from contracts.ids import mailbox_workflow_id, reconcile_schedule_id
from contracts.mailbox import Watch
from ledgers.casework.delivery import Delivery
from ledgers.mailboxes.parsing import Parser
from ledgers.mailboxes.watch import MailboxWatch
from store.blobs import Blobs
from store.tables import Mailbox, MailboxStatus, Reconciliation
from tests.ledgers.deliveries import delivery_to
from tests.ledgers.letters import letter
from tests.ledgers.world import TENANT, World
from tests.servers.fixtures import Mailbox as Box


@pytest.fixture
async def delivery(small_world: World, temporal_address: str) -> Delivery:
    """A delivery to a Temporal server that no worker asks for work."""
    return await delivery_to(small_world, temporal_address)


def some_id() -> str:
    """Return a mailbox id that no other test gives to the server that all share."""
    return f"compared-{secrets.token_hex(6)}"


async def test_a_mailbox_is_compared_every_hour_and_scheduling_it_again_changes_nothing(
    delivery: Delivery,
) -> None:
    mailbox_id = some_id()
    for _ in range(2):
        await delivery.temporal.schedule_reconciling(TENANT, mailbox_id)
    handle = delivery.temporal.client.get_schedule_handle(reconcile_schedule_id(TENANT, mailbox_id))
    description = await handle.describe()
    spec = description.schedule.spec
    assert [interval.every for interval in spec.intervals] == [RECONCILE_EVERY]
    assert spec.jitter == RECONCILE_JITTER
    assert description.info.last_updated_at is None


async def test_a_schedule_with_another_interval_is_given_this_ones_and_stays_paused(
    delivery: Delivery,
) -> None:
    mailbox_id = some_id()
    await delivery.temporal.schedule_reconciling(TENANT, mailbox_id)
    handle = delivery.temporal.client.get_schedule_handle(reconcile_schedule_id(TENANT, mailbox_id))

    def slowed(known: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = known.description.schedule
        [interval] = schedule.spec.intervals
        slow = replace(interval, every=timedelta(days=1))
        return ScheduleUpdate(
            schedule=replace(schedule, spec=replace(schedule.spec, intervals=[slow]))
        )

    await handle.update(slowed)
    await handle.pause()
    await delivery.temporal.schedule_reconciling(TENANT, mailbox_id)
    schedule = (await handle.describe()).schedule
    assert [interval.every for interval in schedule.spec.intervals] == [RECONCILE_EVERY]
    assert schedule.state.paused


async def test_a_mailbox_that_is_paused_has_no_schedule_until_it_is_resumed(
    small_world: World, delivery: Delivery, tmp_path: Path
) -> None:
    blobs = Blobs((tmp_path / "blobs").as_uri())
    watching = Watching(MailboxWatch(delivery, blobs, Parser(), small_world.keys), delivery)
    mailbox_id = await small_world.mailbox(some_id())
    handle = delivery.temporal.client.get_schedule_handle(reconcile_schedule_id(TENANT, mailbox_id))
    for _ in range(2):
        await watching._watch_all_mailboxes(TENANT)
        assert (await handle.describe()).id == handle.id
        await small_world.change_mailbox(mailbox_id, status=MailboxStatus.PAUSED)
        await watching._watch_all_mailboxes(TENANT)
        with pytest.raises(RPCError, match="not found"):
            await handle.describe()
        await small_world.change_mailbox(mailbox_id, status=MailboxStatus.ACTIVE)


async def test_a_deleted_mailboxs_schedule_ends_with_its_next_comparison(
    delivery: Delivery,
) -> None:
    mailbox_id = some_id()
    await delivery.temporal.schedule_reconciling(TENANT, mailbox_id)
    said = await ActivityEnvironment().run(
        Reconciling(delivery).reconcile, Watch(tenant=TENANT, mailbox_id=mailbox_id)
    )
    assert said == "the mailbox was deleted"
    handle = delivery.temporal.client.get_schedule_handle(reconcile_schedule_id(TENANT, mailbox_id))
    with pytest.raises(RPCError, match="not found"):
        await handle.describe()


async def _unread(world: World, box: Box) -> str:
    mailbox_id = await world.mailbox(some_id(), imap_port=box.server.port, imap_username=box.user)
    await world.attach(mailbox_id, uidvalidity=box.server.uidvalidity(box.user), uidnext=1)
    with box.server.session(box.user) as client:
        client.append("INBOX", "", '"01-Feb-2026 10:00:00 +0000"', letter("unread"))
    return mailbox_id


async def test_what_is_missing_after_all_looks_is_a_gap_in_one_report(
    small_world: World, delivery: Delivery, dovecot: Box
) -> None:
    mailbox_id = await _unread(small_world, dovecot)
    reconciling = Reconciling(delivery, again_after=timedelta(0))
    watch = Watch(tenant=TENANT, mailbox_id=mailbox_id)
    said = await ActivityEnvironment().run(reconciling.reconcile, watch)
    assert said == "1 missing, 0 unlisted, 0 stuck"
    assert (await small_world.row(Mailbox, id=mailbox_id)).gaps == 1
    assert len(await small_world.rows(Reconciliation)) == 1


async def test_what_its_watch_reads_when_it_is_woken_is_no_gap_and_breaks_no_connection(
    small_world: World, delivery: Delivery, dovecot: Box
) -> None:
    mailbox_id = await _unread(small_world, dovecot)
    reconciling = Reconciling(delivery, again_after=timedelta(seconds=1))
    watch = Watch(tenant=TENANT, mailbox_id=mailbox_id)

    async def read_once_wanted() -> None:
        attached = await small_world.attach(
            mailbox_id, uidvalidity=dovecot.server.uidvalidity(dovecot.user), uidnext=1
        )
        async with asyncio.timeout(20):
            # No event tells.
            while not (await small_world.row(Mailbox, id=mailbox_id)).wanted_until:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await small_world.take(attached, 1, letter("unread"))

    said, _ = await asyncio.gather(
        ActivityEnvironment().run(reconciling.reconcile, watch), read_once_wanted()
    )
    assert said == "0 missing, 0 unlisted, 0 stuck"
    assert (await small_world.row(Mailbox, id=mailbox_id)).gaps == 0
    handle = delivery.temporal.client.get_workflow_handle(mailbox_workflow_id(TENANT, mailbox_id))
    with pytest.raises(RPCError, match="not found"):
        await handle.describe()
