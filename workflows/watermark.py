"""Whether a deadline that is due may fire: once its mailbox has been read up to its time.

What a customer sent in time must count, however late it reaches us. The wait is bounded: a mailbox
that can't be read holds nothing up for good.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.catalogue import READING, call
    from contracts.case import CaseInput
    from contracts.watermark import Reading, ReadingAsked

# Longer than that no deadline waits for its mailbox.
PATIENCE = timedelta(hours=1)
# Each pause is about as long as all before it, so that an hour costs a history a score of looks.
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)


class Watermark:
    """Asks how far a case's mailbox has been read, again and again until it is far enough."""

    def __init__(self, start: CaseInput, has_taken: Callable[[int], bool]) -> None:
        """Start without a question; `has_taken` tells whether the case holds an event."""
        self._start = start
        self._has_taken = has_taken
        self._task: asyncio.Task[None] | None = None
        self._due: datetime | None = None
        self._read_until: datetime | None = None
        self.since = start.carried.reading_since if start.carried else None
        self.is_short = False

    @property
    def waits_until(self) -> datetime | None:
        """Return up to where the mailbox has still to be read, if a deadline waits for that."""
        return self._due if self.is_asking and self.is_short else None

    @property
    def is_asking(self) -> bool:
        """Whether a deadline waits for an answer."""
        return self._task is not None and not self._task.done()

    @property
    def has_answer(self) -> bool:
        """Whether it is known that the deadline may fire."""
        return self._task is not None and self._task.done()

    def lets_by(self, at: datetime) -> bool:
        """Tell whether an event that was received then need not wait for an answer."""
        in_time = self._due is not None and at <= self._due
        return in_time or self.is_short or not self.is_asking

    def keep(self, due: datetime | None) -> None:
        """Ask no more unless the deadline that is asked for is still the next."""
        if due != self._due:
            self.forget()

    def may_fire(self, due: datetime) -> bool:
        """Tell whether a deadline that is due may fire; if that is not known yet, ask."""
        if not self._start.mailbox_id:
            return True
        if due != self._due:
            self.forget()
            self._due = due
        if self._task is None:
            self._task = asyncio.create_task(self._ask_until_read(self._start.mailbox_id, due))
        if self._task.done():
            # What went wrong in there is a fault of ours, and shows as one.
            self._task.result()
            return True
        return False

    def shortfall(self) -> str | None:
        """Return what the trace is told when a deadline fires before its mailbox has been read."""
        if not self.is_short:
            return None
        until = self._read_until.isoformat() if self._read_until else "an unknown time"
        return f"fired although its mailbox is read only until {until}"

    def forget(self) -> None:
        """Ask no more, since the deadline has fired or is no longer the next."""
        if self._task is not None:
            self._task.cancel()
            self.since = None
        self._task, self._due, self.is_short = None, None, False

    def stop(self) -> None:
        """Ask no more in this run; the next one knows since when it has been asked."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _ask_until_read(self, mailbox_id: str, due: datetime) -> None:
        if self.since is None or self.since < due:  # it was another deadline that waited then
            self.since = workflow.now()
        pause = FIRST_PAUSE
        while not await self._is_read(mailbox_id, due):
            self.is_short = True
            if workflow.now() >= self.since + PATIENCE:
                return
            await workflow.sleep(pause, summary="waits for the mailbox to be read")
            pause = min(pause * 2, LONGEST_PAUSE)
        self.is_short = False

    async def _is_read(self, mailbox_id: str, due: datetime) -> bool:
        asked = ReadingAsked(
            tenant=self._start.tenant,
            case_id=self._start.case_id,
            mailbox_id=mailbox_id,
            due=due,
        )
        try:
            reading = await call(
                READING, asked, tenant=self._start.tenant, summary="is the mailbox read?"
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                # Nobody asks any more. The SDK has made another error of it, and this would go on.
                raise asyncio.CancelledError from error
            return False
        self._read_until = reading.read_until
        return reading.complete or self._has_all(reading, due)

    def _has_all(self, reading: Reading, due: datetime) -> bool:
        """Tell whether all that is still under way has reached the case, if not its ledger."""
        is_past = reading.read_until is not None and reading.read_until >= due
        return is_past and all(map(self._has_taken, reading.under_way))
