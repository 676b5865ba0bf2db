"""The activity that compares a mailbox's server with the ledger."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog
from temporalio import activity

from activities.catalogue import RECONCILE
from activities.heartbeats import beating
from contracts.errors import MailboxNotFound
from contracts.mailbox import Watch
from ledgers import reconcile
from ledgers.delivery import Delivery
from ledgers.reconcile import Report

log = structlog.get_logger()

LOOKS = 3
AGAIN_AFTER = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Reconciling:
    """Reconciles mailboxes."""

    delivery: Delivery

    @activity.defn(name=RECONCILE.name)
    async def reconcile(self, watch: Watch) -> str:
        """Reconcile a mailbox until nothing is missing, and say in a few words what was found.

        What is still missing at the last look is a gap that somebody has to look at.
        """
        async with beating():
            try:
                report = await self._until_mended(watch)
            except MailboxNotFound:
                await self.delivery.temporal.unschedule_reconciling(watch.tenant, watch.mailbox_id)
                return "the mailbox was deleted"
        if report is None:
            return "the mailbox is paused"
        log.info(
            "mailbox.reconciled",
            tenant=watch.tenant,
            mailbox=watch.mailbox_id,
            missing=report.missing,
            unlisted=report.unlisted,
            stuck=report.stuck,
            renumbered=report.renumbered,
        )
        return f"{report.missing} missing, {report.unlisted} unlisted, {report.stuck} stuck"

    async def _until_mended(self, watch: Watch) -> Report | None:
        for _ in range(LOOKS - 1):
            report = await self._look(watch)
            if report is None or not (report.missing or report.renumbered):
                return report
            # Its watch looks again now: what it reads is no gap any more.
            await asyncio.sleep(AGAIN_AFTER.total_seconds())
        return await self._look(watch)

    async def _look(self, watch: Watch) -> Report | None:
        report = await reconcile.reconcile(
            self.delivery.database, self.delivery.secrets, watch.tenant, watch.mailbox_id
        )
        if report is not None and (report.missing or report.renumbered):
            await self.delivery.temporal.watch_mailbox(watch.tenant, watch.mailbox_id, changed=True)
        return report
