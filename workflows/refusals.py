"""Recipients whom a mail server did not take, as bounces that their case hears of."""

from datetime import datetime

from cases.actions import ReportUnhandled
from cases.events import BOUNCE, Event
from cases.game.outcomes import report_of_bounce
from contracts.case import CaseInput
from contracts.outbox import SendOutcome, SendRequest
from workflows.requests import notice_request

# The bounces of a mail that fail after the end have notices beside those of its action.
LATE_BOUNCES = 50_000


def bounces(request: SendRequest, outcome: SendOutcome, now: datetime) -> list[Event]:
    """Return a bounce for each recipient that was refused.

    The ids follow from the action's key and are no rows of the intake ledger.
    """
    return [
        Event(
            f"{request.firing}.{request.action_index}.{BOUNCE}.{number}",
            BOUNCE,
            now,
            {
                "recipient": refusal.recipient,
                "status": refusal.answer,
                "reason": refusal.answer,
                "hard": refusal.permanent,
                "action": f"{request.kind} {request.template}",
                "firing": request.firing,
                "index": request.action_index,
                "number": number,
            },
        )
        for number, refusal in enumerate(outcome.refused)
    ]


def late_notice(start: CaseInput, definition_hash: str, bounce: Event) -> SendRequest | None:
    """Return the request to tell the teams of a hard bounce after the case's end, or None."""
    firing, index = bounce.data["firing"], bounce.data["index"]
    number = bounce.data["number"]
    if not (isinstance(firing, int) and isinstance(index, int) and isinstance(number, int)):
        return None
    report = report_of_bounce(bounce, firing)
    if report is None:
        return None
    key = LATE_BOUNCES + number
    late = ReportUnhandled(report.event_type, firing, index + key, report.action, report.reason)
    return notice_request(start, definition_hash, late)
