"""Commands of the core as requests to activities."""

from cases.actions import Notify, Perform, Reply, ReportUnhandled
from cases.events import EMAIL, ActionEnded, Ending
from cases.state import CaseState
from contracts.case import CaseInput
from contracts.model import Json
from contracts.outbox import ClassifyRequest, SendRequest
from workflows.views import json_of

# A notice about an action has the action's key, moved out of the way of real actions.
NOTICE_OFFSET = 10_000


def event_row(start: CaseInput, event_id: str | None) -> int:
    """Return the ledger row that an action goes back to; without one, the opening's."""
    return int(event_id) if event_id is not None else start.opening.id


def classify_request(start: CaseInput, definition_hash: str, perform: Perform) -> ClassifyRequest:
    """Return the request to sort the mail that an action goes back to."""
    return ClassifyRequest(
        tenant=start.tenant,
        case_id=start.case_id,
        definition_hash=definition_hash,
        firing=perform.firing,
        action_index=perform.index,
        event_id=event_row(start, perform.event_id),
    )


def send_request(
    start: CaseInput,
    definition_hash: str,
    perform: Perform,
    action: Reply | Notify,
    state: CaseState,
) -> SendRequest:
    """Return the request to send a reply or a notice."""
    to = ([action.to] if action.to else []) if isinstance(action, Reply) else list(action.to)
    return SendRequest(
        tenant=start.tenant,
        case_id=start.case_id,
        definition_hash=definition_hash,
        firing=perform.firing,
        action_index=perform.index,
        kind="reply" if isinstance(action, Reply) else "notify",
        template=action.template,
        to=to,
        event_id=event_row(start, perform.event_id),
        event=json_of(perform.event.data) if perform.event else {},
        data=json_of(state.data),
        label=state.label,
    )


def notice_request(start: CaseInput, definition_hash: str, report: ReportUnhandled) -> SendRequest:
    """Return the request to tell the teams that an action needs a person."""
    unknown = report.event_type == "action_unknown"
    what = "may or may not have been done" if unknown else "was not done"
    return SendRequest(
        tenant=start.tenant,
        case_id=start.case_id,
        definition_hash=definition_hash,
        firing=report.firing,
        action_index=report.index + NOTICE_OFFSET,
        kind="notify",
        notice=(
            f"In case {start.case_id} the action '{report.action}' {what}: {report.reason}.\n"
            f"Please look at it (everpost cases show {start.case_id}) and do what is needed."
        ),
    )


def late_notice(start: CaseInput, definition_hash: str, ended: ActionEnded) -> SendRequest:
    """Return the request to tell the teams of an action that failed after the case's end."""
    event_type = "action_unknown" if ended.outcome is Ending.UNKNOWN else "action_failed"
    reason = str(ended.event_data.get("reason") or ended.outcome.value)
    report = ReportUnhandled(event_type, ended.firing, ended.index, "send a mail", reason)
    return notice_request(start, definition_hash, report)


def keyword_verdict(perform: Perform) -> dict[str, Json] | None:
    """Return the verdict that came with the mail, or None where the action took no mail."""
    event = perform.event
    if event is None or event.type != EMAIL or "label" not in event.data:
        return None
    return json_of(
        {key: event.data.get(key) for key in ("classifier", "label", "confidence", "reason")}
    )
