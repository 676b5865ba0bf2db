"""What is done on its server to a mail that was dealt with: flagged, or moved elsewhere.

Only mails whose rows have ended, never what waits for a person. Cut off between the server and
the ledger, it is done again: flags are the same then, and a mail that was moved is passed over.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import ColumnElement, or_, select, update

from clients.imap import FolderStatus, ImapConnection, ImapFolderMissing, ImapRefused
from contracts.clock import utc_now
from ledgers.intake.mails import Watcher
from ledgers.intake.rows import GONE, RENUMBERED
from ledgers.mailboxes.accounts import Account
from store.database import Database
from store.mailboxes import AfterHandling
from store.tables import Intake, IntakeState

log = structlog.get_logger()

AT_ONCE = 200
KEYWORD = "$Everpost"
ENDED = (IntakeState.APPLIED, IntakeState.DUPLICATE, IntakeState.IGNORED)
# Mails that Everpost has not dealt with, though their rows have ended.
_NOT_OURS = (GONE, RENUMBERED, "before start")


async def handle_ended(
    database: Database,
    connection: ImapConnection,
    account: Account,
    watcher: Watcher,
    status: FolderStatus,
) -> bool:
    """Flag or move what was dealt with since; False where the server does not let us."""
    while uids := await _ended(database, watcher):
        try:
            await _handle(connection, account, status, uids)
        except (ImapRefused, ImapFolderMissing) as error:
            log.warning(
                "mailbox.not_handled",
                tenant=watcher.tenant,
                mailbox=watcher.mailbox_id,
                error=str(error),
            )
            return False
        await _note(database, watcher, uids)
    return True


async def _handle(
    connection: ImapConnection, account: Account, status: FolderStatus, uids: Sequence[int]
) -> None:
    if account.after_handling is AfterHandling.MOVE and account.after_folder:
        try:
            await connection.move(uids, account.after_folder)
        except ImapFolderMissing:
            await connection.create_folder(account.after_folder)
            await connection.move(uids, account.after_folder)
        return
    # A server may forget, or refuse, keywords that it did not offer (RFC 9051, 7.1).
    keywords = [KEYWORD] if "\\*" in status.permanent_flags else []
    await connection.store_flags(uids, ["\\Seen", *keywords])


async def _ended(database: Database, watcher: Watcher) -> list[int]:
    async with database.read() as connection:
        rows = await connection.execute(
            select(Intake.uid)
            .where(
                *_of(watcher),
                Intake.state.in_(ENDED),
                Intake.handled_at.is_(None),
                Intake.uid.is_not(None),
                or_(Intake.reason.is_(None), Intake.reason.not_in(_NOT_OURS)),
            )
            .order_by(Intake.uid)
            .limit(AT_ONCE)
        )
        return [uid for uid in rows.scalars() if uid is not None]


async def _note(database: Database, watcher: Watcher, uids: Sequence[int]) -> None:
    async with database.write() as connection:
        await connection.execute(
            update(Intake).where(*_of(watcher), Intake.uid.in_(uids)).values(handled_at=utc_now())
        )


def _of(watcher: Watcher) -> tuple[ColumnElement[bool], ...]:
    return (
        Intake.tenant == watcher.tenant,
        Intake.mailbox_id == watcher.mailbox_id,
        Intake.folder == watcher.folder,
        Intake.uidvalidity == watcher.uidvalidity,
    )
