"""The row of a case that opens, made in one place for mails, follow-ups and programs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contracts.model import Json
from store.tables import CaseStatus

# Any: columns of several types.
Row = dict[str, Any]


def case_row(
    *,
    tenant: str,
    case_id: str,
    definition: str,
    version: int,
    hash_: str,
    mailbox_id: str | None,
    customer: str | None,
    subject: str,
    opening_id: int,
    opened_at: datetime,
    now: datetime,
    data: Mapping[str, Json] | None = None,
    follows: str | None = None,
    request_digest: str | None = None,
) -> Row:
    """Return a new case's row for an insert; `opening_id` is the event that opens it."""
    return {
        "tenant": tenant,
        "id": case_id,
        "definition": definition,
        "definition_version": version,
        "definition_hash": hash_,
        "mailbox_id": mailbox_id,
        "customer": customer,
        "subject": subject,
        "initial_data": dict(data or {}),
        "follows": follows,
        "opening_id": opening_id,
        "request_digest": request_digest,
        "status": CaseStatus.OPEN,
        "opened_at": opened_at,
        "updated_at": now,
        "revision": 0,
    }
