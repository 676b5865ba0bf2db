"""The activity that compares a mailbox's server with the ledger."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog
from temporalio import activity

from activities.catalogue import RECONCILE
from activities.heartbeats import beating
from contracts.clock import utc_now
from contracts.errors import MailboxNotFound
from contracts.mailbox import Watch
from ledgers.casework.delivery import Delivery
from ledgers.mailboxes import reconcile, watermark
from ledgers.mailboxes.reconcile import Report

log = structlog.get_logger()

LOOKS = 3
AGAIN_AFTER = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Reconciling:
    """Reconciles mailboxes."""

    delivery: Delivery
    again_after: timedelta = AGAIN_AFTER

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
        for look in range(LOOKS):
            report = await reconcile.reconcile(
                self.delivery.database,
                self.delivery.secrets,
                watch.tenant,
                watch.mailbox_id,
                last=look == LOOKS - 1,
            )
            if report is None or not report.unmended:
                return report
            await self._ask_watch(watch, again=look > 0 or report.renumbered)
            if look < LOOKS - 1:
                # What it reads now is no gap any more.
                await asyncio.sleep(self.again_after.total_seconds())
        return report

    async def _ask_watch(self, watch: Watch, *, again: bool) -> None:
        """Let its watch look at once, and where that did not help, over a connection anew."""
        if again:
            await self.delivery.temporal.watch_mailbox(watch.tenant, watch.mailbox_id, changed=True)
        else:
            await watermark.want(self.delivery.database, watch.tenant, watch.mailbox_id, utc_now())
