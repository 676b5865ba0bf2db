"""The durable timer of a case: one, for the deadline that is due first."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow


class DeadlineTimer:
    """Wakes a case when its next deadline is due."""

    def __init__(self) -> None:
        """Start without a deadline."""
        self._task: asyncio.Task[None] | None = None
        self._due: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether the deadline is due now."""
        return self._task is not None and self._task.done()

    def keep(self, due: datetime | None) -> None:
        """Wait for a deadline, instead of the one before if it is another."""
        if due == self._due and self._task is not None and not self._task.done():
            return
        self.stop()
        self._due = due
        if due is not None:
            wait = max(due - workflow.now(), timedelta(0))
            self._task = asyncio.create_task(workflow.sleep(wait, summary="next deadline"))

    def stop(self) -> None:
        """Wait no more."""
        if self._task is not None:
            self._task.cancel()
        self._task, self._due = None, None
