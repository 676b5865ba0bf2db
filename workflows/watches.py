"""Workflows that keep one long activity alive, wherever its worker dies."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.catalogue import WATCH_DELIVERIES, WATCH_MAILBOX, call
    from contracts.mailbox import (
        CHANGED_SIGNAL,
        DELIVERY_WORKFLOW,
        MAILBOX_WORKFLOW,
        TenantWatch,
        Watch,
    )

# The history of a watch stays small; a fresh run every so many activities keeps it so.
ACTIVITIES_A_RUN = 100
# Between two watches that end by themselves: a fenced one must not take the mailbox back.
PAUSE = timedelta(seconds=5)


@workflow.defn(name=MAILBOX_WORKFLOW)
class MailboxWorkflow:
    """Watches one mailbox until it is deleted."""

    def __init__(self) -> None:
        """Start without news."""
        self._changes = 0

    @workflow.signal(name=CHANGED_SIGNAL)
    def changed(self) -> None:
        """The mailbox's row has changed: look again."""
        self._changes += 1

    @workflow.run
    async def run(self, watch: Watch) -> None:
        """Keep the mailbox watched."""
        for _ in range(ACTIVITIES_A_RUN):
            seen = self._changes
            end = await self._watch_until_changed(watch, seen)
            if end == "gone":
                return
            if end == "paused":
                await self._wait_for_change(seen)
            elif end == "fenced":
                await workflow.sleep(PAUSE)
        workflow.continue_as_new(watch)

    async def _wait_for_change(self, seen: int) -> None:
        await workflow.wait_condition(lambda: self._changes > seen)

    async def _watch_until_changed(self, watch: Watch, seen: int) -> str:
        """Return how the watch ended: by itself, or `changed` by a signal."""
        activity = call(
            WATCH_MAILBOX, watch, tenant=watch.tenant, summary=f"watches {watch.mailbox_id}"
        )
        changed = asyncio.create_task(self._wait_for_change(seen))
        await workflow.wait({activity, changed}, return_when=asyncio.FIRST_COMPLETED)
        if activity.done():
            changed.cancel()
            return activity.result()
        activity.cancel()
        try:
            return await activity
        except BaseException as error:
            if not is_cancelled_exception(error):
                raise
            return "changed"


@workflow.defn(name=DELIVERY_WORKFLOW)
class DeliveryWorkflow:
    """Keeps a tenant's deliveries watched."""

    @workflow.run
    async def run(self, watch: TenantWatch) -> None:
        """Keep delivering."""
        for _ in range(ACTIVITIES_A_RUN):
            await call(WATCH_DELIVERIES, watch, tenant=watch.tenant, summary="delivers what is due")
        workflow.continue_as_new(watch)
