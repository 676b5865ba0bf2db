"""What a deadline asks before it fires: how far its mailbox has been read."""

from dataclasses import dataclass

from temporalio import activity

from activities.catalogue import READING
from contracts.watermark import Reading, ReadingAsked
from ledgers.mailboxes import watermark
from store.database import Database


@dataclass(frozen=True, slots=True)
class Readings:
    """The activity by which cases look at the ledger's watermark."""

    database: Database

    @activity.defn(name=READING.name)
    async def reading(self, asked: ReadingAsked) -> Reading:
        """Return whether all that reached a mailbox until a time has reached its case."""
        return await watermark.reading(self.database, asked)
