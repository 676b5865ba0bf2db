"""Which of its mailbox's rules each mail of a batch meets first."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import select

from ledgers.intake.mails import Arrived
from mail.filters import BadRules, Rule, first_match, parse
from store.database import Database
from store.tables import Mailbox

log = structlog.get_logger()


async def rules_met(
    database: Database, tenant: str, mailbox_id: str, mails: Sequence[Arrived]
) -> Mapping[int, Rule]:
    """Return, by row, the rule that decides on a mail; where none does, it is left out.

    Beside the event loop and before the transaction of routing: a pattern may take long.
    """
    async with database.read() as connection:
        stored = await connection.scalar(
            select(Mailbox.rules).where(Mailbox.tenant == tenant, Mailbox.id == mailbox_id)
        )
    if not stored:
        return {}
    try:
        rules = parse(stored)
    except BadRules as error:
        # Checked when they were set: a release that reads them differently is at fault.
        log.error("mailbox.rules_unreadable", tenant=tenant, mailbox=mailbox_id, error=str(error))
        return {}
    return await asyncio.to_thread(_met, rules, mails)


def _met(rules: Sequence[Rule], mails: Sequence[Arrived]) -> dict[int, Rule]:
    met = {mail.row_id: first_match(rules, mail.message) for mail in mails}
    return {row_id: rule for row_id, rule in met.items() if rule is not None}
