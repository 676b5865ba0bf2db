"""The long activities of the mail workers: one watch for each mailbox, one for deliveries."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy import select
from temporalio import activity
from temporalio.service import RPCError

from activities.catalogue import WATCH_DELIVERIES, WATCH_MAILBOX
from activities.heartbeats import beating
from contracts.clock import utc_now
from contracts.mailbox import TenantWatch, Watch
from ledgers.casework.delivery import Delivery
from ledgers.mailboxes import alarms, reconcile
from ledgers.mailboxes.watch import MailboxWatch
from ledgers.outbox import resolving
from store.tables import Mailbox, MailboxStatus

log = structlog.get_logger()

DELIVERY_CHECK = timedelta(seconds=1)
MAILBOX_CHECK = timedelta(seconds=30)
# A watch that connects or fails says so more often than this; one that was never told of a
# mailbox's resumption says nothing.
SILENT_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Watching:
    """The watches of one mail worker."""

    mailboxes: MailboxWatch
    delivery: Delivery
    # Whose schedule is known to be there: asked for once in the life of a process.
    _scheduled: set[str] = field(default_factory=set)

    @activity.defn(name=WATCH_MAILBOX.name)
    async def watch_mailbox(self, watch: Watch) -> str:
        """Watch a mailbox until it is paused, deleted or taken by another watch."""
        async with beating():
            return await self.mailboxes.run(watch.tenant, watch.mailbox_id)

    @activity.defn(name=WATCH_DELIVERIES.name)
    async def watch_deliveries(self, watch: TenantWatch) -> None:
        """Deliver what is due again and again, and see that every mailbox has its watch."""
        async with beating():
            next_mailbox_check = utc_now()
            teller = alarms.Teller(self.delivery.database, watch.tenant)
            while True:
                if utc_now() >= next_mailbox_check:
                    await self._watch_all_mailboxes(watch.tenant)
                    forgotten = await resolving.unfinished(self.delivery.database, watch.tenant)
                    await reconcile.forget_mended(self.delivery.database, watch.tenant)
                    told = await teller.tell(utc_now())
                    await resolving.start(self.delivery.temporal, watch.tenant, [*forgotten, *told])
                    next_mailbox_check = utc_now() + MAILBOX_CHECK
                due = await self.delivery.due(watch.tenant, utc_now())
                await self.delivery.deliver(watch.tenant, due)
                await asyncio.sleep(DELIVERY_CHECK.total_seconds())

    async def _watch_all_mailboxes(self, tenant: str) -> None:
        """Start watches that are missing, and wake those that missed that they are to go on.

        Whoever attached or resumed a mailbox may not have reached Temporal, or a watch died.
        """
        async with self.delivery.database.read() as connection:
            rows = (
                await connection.execute(
                    select(
                        Mailbox.id, Mailbox.connected, Mailbox.checked_at, Mailbox.created_at
                    ).where(Mailbox.tenant == tenant, Mailbox.status == MailboxStatus.ACTIVE)
                )
            ).all()
        for gone in self._scheduled - {row.id for row in rows}:
            await self._forget(tenant, gone)
        silent_since = utc_now() - SILENT_AFTER
        for row in rows:
            silent = not row.connected and (row.checked_at or row.created_at) < silent_since
            try:
                await self.delivery.temporal.watch_mailbox(tenant, row.id, changed=silent)
                if row.id not in self._scheduled:
                    await self.delivery.temporal.schedule_reconciling(tenant, row.id)
                    self._scheduled.add(row.id)
            except RPCError as error:
                log.warning(
                    "watch.not_started",
                    tenant=tenant,
                    mailbox=row.id,
                    status=error.status.name,
                )

    async def _forget(self, tenant: str, mailbox_id: str) -> None:
        """Compare a mailbox no more that was paused or deleted; resumed, it is scheduled again."""
        try:
            await self.delivery.temporal.unschedule_reconciling(tenant, mailbox_id)
            self._scheduled.discard(mailbox_id)
        except RPCError as error:
            log.warning(
                "reconciling.not_unscheduled",
                tenant=tenant,
                mailbox=mailbox_id,
                status=error.status.name,
            )
