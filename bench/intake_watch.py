"""`python -m bench.intake_watch FOLDER PORT USER UIDVALIDITY MAILS` takes in a full mailbox.

A process of its own, so that its memory is that of intake: the watch, its ledger on SQLite with
full sync, its blobs, its parser. No case is started: their speed is another number.
Prints the seconds from the login to the last row.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import func, select, update

from bench.product import SPEC
from contracts.logs import configure_logs
from ledgers.casework.delivery import Delivery
from ledgers.mailboxes.parsing import Parser
from ledgers.mailboxes.watch import MailboxWatch
from store.blobs import Blobs
from store.database import Database
from store.migrate import migrate
from store.tables import Intake, IntakeState
from tests.ledgers.world import TENANT, World

LOOK_EVERY_SECONDS = 0.05


class TakenAtOnce(Delivery):
    """Writes down that the cases have taken their mails, without any case."""

    async def deliver_now(self, tenant: str, row_ids: Sequence[int]) -> None:
        """Mark the rows as applied: a watch reads no further while too many are not."""
        async with self.database.write() as connection:
            await connection.execute(
                update(Intake)
                .where(Intake.tenant == tenant, Intake.id.in_(row_ids))
                .values(state=IntakeState.APPLIED)
            )


async def main(folder: Path, imap_port: int, user: str, uidvalidity: int, mails: int) -> float:
    """Take in so many mails, and return the seconds."""
    configure_logs("info", (folder / "log.jsonl").open("w"))
    database = Database(f"sqlite+aiosqlite:///{folder / 'intake.db'}", short_statements=True)
    await migrate(database)
    world = World(database)
    await world.register(SPEC)
    mailbox = await world.mailbox(definition=SPEC["id"], imap_port=imap_port, imap_username=user)
    await world.attach(mailbox, uidvalidity=uidvalidity)
    delivery = TakenAtOnce(database, None, world.box)  # type: ignore[arg-type]  # asked for nothing
    blobs = Blobs((folder / "blobs").as_uri())
    watch = MailboxWatch(delivery, blobs, Parser(), world.keys)
    start = time.perf_counter()
    task = asyncio.create_task(watch.run(TENANT, mailbox))
    applied = asyncio.create_task(_until_applied(database, mails))
    await asyncio.wait({task, applied}, return_when=asyncio.FIRST_COMPLETED)
    seconds = time.perf_counter() - start
    if not applied.done():
        raise RuntimeError(f"the watch ended first: {task}")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await database.close()
    return seconds


async def _until_applied(database: Database, mails: int) -> None:
    query = select(func.count()).where(Intake.state == IntakeState.APPLIED)
    while True:
        async with database.read() as connection:
            if (await connection.execute(query)).scalar_one() >= mails:
                return
        await asyncio.sleep(LOOK_EVERY_SECONDS)


if __name__ == "__main__":
    folder, port, user, uidvalidity, mails = sys.argv[1:]
    seconds = asyncio.run(main(Path(folder), int(port), user, int(uidvalidity), int(mails)))
    print(seconds)  # noqa: T201  # its answer
