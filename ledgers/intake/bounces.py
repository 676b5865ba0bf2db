"""Delivery reports: which mail of ours came back, as an event of its case (RFC 3464)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.model import Json
from mail.message import DeliveryReport, FailedRecipient
from mail.reading.reports import failures
from mail.threading import provider_id
from store.tables import Outbox

MAX_RECIPIENTS = 20
# Of one mail so many failures are noted; whoever knows its id may report on it for ever.
MAX_NOTED = 200
TEXT_LIMIT = 500
# Of cases whose token a report carries, so many mails are compared with its recipients.
MAX_MAILS = 200


@dataclass(slots=True)
class Sent:
    """A mail of ours as a delivery report may tell of it; `evidence` grows with each report."""

    id: int
    case_id: str
    firing: int
    action_index: int
    template: str | None
    message_id: str
    recipients: frozenset[str]
    # Any: JSON, as the outbox wrote it.
    evidence: dict[str, Any]
    has_new_evidence: bool = False


async def sent_mails(
    connection: AsyncConnection, tenant: str, ids: set[int], case_ids: set[str]
) -> list[Sent]:
    """Return mails of ours by their rows, and the newest of some cases, the newest first."""
    if not ids and not case_ids:
        return []
    rows = await connection.execute(
        select(
            Outbox.id,
            Outbox.case_id,
            Outbox.firing,
            Outbox.action_index,
            Outbox.template,
            Outbox.message_id,
            Outbox.recipients,
            Outbox.evidence,
        )
        .where(
            Outbox.tenant == tenant,
            or_(Outbox.id.in_(sorted(ids)), Outbox.case_id.in_(sorted(case_ids))),
        )
        .order_by(Outbox.id.desc())
        .limit(MAX_MAILS)
        # Evidence is read and then written.
        .with_for_update()
    )
    return [
        Sent(
            row.id,
            row.case_id,
            row.firing,
            row.action_index,
            row.template,
            row.message_id,
            frozenset(address.lower() for address in row.recipients),
            dict(row.evidence or {}),
        )
        for row in rows
    ]


def reported_mail(
    report: DeliveryReport, sent: Sequence[Sent], case_of_id: str | None, cases: set[str]
) -> Sent | None:
    """Return which mail of ours a report is about, or None.

    `case_of_id` is the case that sent the mail whose id the report names, and `cases` those
    whose token is in the address that the report was sent to. Without an id of ours, a token
    and a recipient to whom that case wrote must come together.
    """
    about = {entry.address.lower() for entry in report.recipients}
    if case_of_id is not None:
        named = [mail for mail in sent if mail.case_id == case_of_id and _has_id(mail, report)]
        reached = [mail for mail in named if about & mail.recipients]
        return next(iter(reached or named), None)
    return next((mail for mail in sent if mail.case_id in cases and about & mail.recipients), None)


def _has_id(mail: Sent, report: DeliveryReport) -> bool:
    """Tell whether a report names a mail, by our Message-ID or by the one of its provider."""
    if report.message_id is None:
        return False
    provider = mail.evidence.get("provider_id")
    return mail.message_id == report.message_id or provider == provider_id(report.message_id)


def worst(report: DeliveryReport) -> FailedRecipient | None:
    """Return the first recipient who failed for good, else the first who failed, else None."""
    failed = failures(report)
    return next((entry for entry in failed if entry.hard), failed[0] if failed else None)


def bounce_facts(report: DeliveryReport, first: FailedRecipient, mail: Sent) -> dict[str, Json]:
    """Return the data of a `bounce` event: the worst failure, the mail, and all failures."""
    return {
        **_told(first),
        "message_id": mail.message_id,
        "firing": mail.firing,
        "index": mail.action_index,
        "template": mail.template,
        "recipients": [_told(entry) for entry in failures(report)[:MAX_RECIPIENTS]],
    }


def is_news(mail: Sent, report: DeliveryReport) -> bool:
    """Tell whether a report says of a mail what none before has said."""
    noted = mail.evidence.get("bounced", [])
    known = {(str(entry["recipient"]).lower(), entry["status"], entry["hard"]) for entry in noted}
    told = [_told(entry) for entry in failures(report)]
    said = {(str(entry["recipient"]).lower(), entry["status"], entry["hard"]) for entry in told}
    return len(noted) < MAX_NOTED and not said <= known


def note(mail: Sent, report: DeliveryReport, row_id: int) -> None:
    """Add a report to the evidence of the mail that it is about."""
    failed = [_told(entry) | {"row": row_id} for entry in failures(report)[:MAX_RECIPIENTS]]
    known = mail.evidence.get("bounced", [])
    mail.evidence["bounced"] = [*known, *failed][:MAX_NOTED]
    mail.has_new_evidence = True


async def write_evidence(connection: AsyncConnection, tenant: str, sent: Sequence[Sent]) -> None:
    """Write the evidence that came to mails of ours."""
    for mail in sent:
        if mail.has_new_evidence:
            await connection.execute(
                update(Outbox)
                .where(Outbox.tenant == tenant, Outbox.id == mail.id)
                .values(evidence=mail.evidence)
            )


def _told(entry: FailedRecipient) -> dict[str, Json]:
    return {
        "recipient": entry.address[:TEXT_LIMIT],
        "status": entry.status,
        "reason": entry.reason[:TEXT_LIMIT],
        "hard": entry.hard,
        "action": entry.action,
    }
