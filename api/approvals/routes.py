"""Endpoints of approval links. Looking changes nothing, however often; only a POST decides.

Programs that check mails for harm open every link in them by GET or HEAD.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated
from urllib.parse import parse_qs

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response
from pydantic import JsonValue

from api.approvals.pages import REASON_MAX_CHARS, draft_view, page
from api.services import Services, ServicesDep
from contracts.clock import utc_now
from contracts.errors import MailDecided, MailNotFound
from ledgers.outbox import resolving
from ledgers.outbox import rows as outbox
from ledgers.outbox.approvals import ApprovalLink, LinkExpired, LinkForged, link_keys, read_link
from ledgers.outbox.resolving import Resolution
from ledgers.outbox.rows import HeldFor, Row
from mail.reading.charsets import clean_line
from store.tables import OutboxState

router = APIRouter(prefix="/approvals", tags=["approvals"])

_FIELDS_MAX = 10
_HTML: Mapping[int | str, dict[str, object]] = {
    status: {"description": description, "content": {"text/html": {}}}
    for status, description in (
        (200, "The page."),
        (404, "No such link."),
        (410, "The link has expired."),
    )
}

Token = Annotated[str, Path(description="The secret part of the link in the mail.")]


class Decision(StrEnum):
    """What an approver may decide."""

    APPROVE = "approve"
    REJECT = "reject"


_RESOLUTIONS: Mapping[Decision, Resolution] = {
    Decision.APPROVE: Resolution.RESEND,
    Decision.REJECT: Resolution.DROP,
}
_BECAME: Mapping[OutboxState, str] = {
    OutboxState.INTENDED: "The reply is on its way.",
    OutboxState.ATTEMPTING: "The reply is on its way.",
    OutboxState.SENT: "The reply has been sent.",
    OutboxState.FILED: "The reply has been sent.",
    OutboxState.PARTLY_SENT: "The reply has been sent, though not to all who should get it.",
    OutboxState.DROPPED: "The reply will not be sent.",
    OutboxState.REFUSED: "The mail server refused the reply.",
    OutboxState.SUPPRESSED: "The reply will not be sent.",
    OutboxState.UNKNOWN: "It is not known whether the reply went out; somebody has to look.",
    OutboxState.HELD: "The reply is held for another reason; somebody has to look.",
}


@router.head("/{token}", include_in_schema=False)
@router.get("/{token}", response_class=Response, responses=dict(_HTML))
async def look(token: Token, services: ServicesDep) -> Response:
    """Show a draft that waits for approval, with the buttons that decide. Changes nothing."""
    found = await _found(services, token)
    if isinstance(found, Response):
        return found
    link, row = found
    if not _waits(row):
        return page(200, "Already decided", _became(row))
    return page(
        200,
        "A reply waits for your approval",
        "Nothing is sent until you, or another approver, decide below.",
        draft=await anyio.to_thread.run_sync(draft_view, row),
        approver=link.approver,
    )


@router.post(
    "/{token}",
    response_class=Response,
    responses={
        **_HTML,
        400: {"description": "Not a decision.", "content": {"text/html": {}}},
        409: {"description": "It was decided before.", "content": {"text/html": {}}},
    },
    openapi_extra={
        "requestBody": {
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": ["decision"],
                        "properties": {
                            "decision": {"enum": list(Decision)},
                            "reason": {"type": "string", "maxLength": REASON_MAX_CHARS},
                        },
                    }
                }
            }
        }
    },
)
async def decide(token: Token, request: Request, services: ServicesDep) -> Response:
    """Approve or reject a draft, once."""
    found = await _found(services, token)
    if isinstance(found, Response):
        return found
    link, row = found
    fields = _form(await request.body())
    try:
        decision = Decision(fields.get("decision", ""))
    except ValueError:
        return page(400, "Nothing was decided", "Open the link again and use one of its buttons.")
    if not _waits(row):
        return page(409, "Already decided", f"{_became(row)} Nothing was changed.")
    return await _resolved(services, link, decision, fields.get("reason", ""))


async def _resolved(
    services: Services, link: ApprovalLink, decision: Decision, reason: str
) -> Response:
    noted: dict[str, JsonValue] = {"channel": "link"}
    if told := clean_line(reason)[:REASON_MAX_CHARS]:
        noted["reason"] = told
    try:
        await resolving.resolve(
            services.database,
            services.temporal,
            link.tenant,
            link.outbox_id,
            _RESOLUTIONS[decision],
            link.by,
            evidence=noted,
            only=HeldFor.APPROVAL,
        )
    except (MailDecided, MailNotFound):
        return page(409, "Already decided", "Somebody else was faster. Nothing was changed.")
    if decision is Decision.APPROVE:
        return page(200, "Approved", "Thank you. The reply is on its way.")
    return page(200, "Rejected", "Thank you. The reply will not be sent.")


async def _found(services: Services, token: str) -> tuple[ApprovalLink, Row] | Response:
    """Return what a link is for, or the page that says why it is for nothing."""
    try:
        link = read_link(link_keys(services.secrets), token, utc_now())
    except LinkForged:
        return page(
            404,
            "No such link",
            "This link is not complete, or not one of ours. Copy all of it from the mail.",
        )
    except LinkExpired:
        return page(
            410,
            "The link has expired",
            "The reply may still wait: whoever runs Everpost can decide about it there.",
        )
    async with services.database.read() as connection:
        row = await outbox.find_by_id(connection, link.tenant, link.outbox_id)
    if row is None:
        return page(404, "No such reply", "The reply that this link was for is gone.")
    return link, row


def _waits(row: Row) -> bool:
    return row.state is OutboxState.HELD and row.held_for is HeldFor.APPROVAL


def _became(row: Row) -> str:
    """Return what became of a draft, and who decided."""
    by = str(row.resolutions[-1]["by"]) if row.resolutions else None
    return _BECAME[row.state] + (f" Decided by: {by}." if by else "")


def _form(body: bytes) -> Mapping[str, str]:
    """Return the fields of a form, each with its first value; none for what is no form."""
    try:
        fields = parse_qs(body.decode("utf-8"), max_num_fields=_FIELDS_MAX)
    except ValueError:  # not UTF-8, or more fields than the form has
        return {}
    return {name: values[0] for name, values in fields.items()}
