"""The activity that compares a mailbox's server with the ledger."""

from dataclasses import dataclass

import structlog
from temporalio import activity

from activities.catalogue import RECONCILE
from activities.heartbeats import beating
from contracts.errors import MailboxNotFound
from contracts.mailbox import Watch
from ledgers import reconcile
from ledgers.delivery import Delivery

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reconciling:
    """Reconciles mailboxes."""

    delivery: Delivery

    @activity.defn(name=RECONCILE.name)
    async def reconcile(self, watch: Watch) -> str:
        """Reconcile a mailbox, and say in a few words what was found."""
        database, secrets = self.delivery.database, self.delivery.secrets
        async with beating():
            try:
                report = await reconcile.reconcile(
                    database, secrets, watch.tenant, watch.mailbox_id
                )
            except MailboxNotFound:
                await self.delivery.temporal.unschedule_reconciling(watch.tenant, watch.mailbox_id)
                return "the mailbox was deleted"
            if report is None:
                return "the mailbox is paused"
            if report.missing or report.renumbered:
                await self.delivery.temporal.watch_mailbox(
                    watch.tenant, watch.mailbox_id, changed=True
                )
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
