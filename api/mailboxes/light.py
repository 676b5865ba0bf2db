"""Whether a mailbox is well, as one light: ok or red."""

from datetime import datetime

from ledgers.mailboxes import health
from ledgers.mailboxes.health import HealthStatus as Light
from store.mailboxes import StoredMailbox

__all__ = ["Light", "light"]


def light(mailbox: StoredMailbox, now: datetime) -> Light:
    """Return red where mail may lie unread, or is missing from the ledger; paused ones are ok."""
    return health.status(mailbox.health, mailbox.status, mailbox.created_at, now)
