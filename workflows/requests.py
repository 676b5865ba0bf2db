"""Commands of the core as requests to activities."""

from cases.actions import Notify, Perform, Reply, ReportUnhandled
from cases.events import ACTION_FAILED, ACTION_UNKNOWN, BOUNCE, EMAIL, ActionEnded, Ending
from cases.state import CaseState
from contracts.case import CaseInput
from contracts.model import Json
from contracts.outbox import ClassifyRequest, SendOutcome, SendRequest
from workflows.views import json_of, row_of

# A notice about an action has the action's key, moved out of the way of real actions, and of the
# mails by which approval is asked for (one million).
NOTICE_OFFSET = 10_000
HELD_OFFSET = 30_000

_WHAT_HAPPENED = {
    ACTION_UNKNOWN: "may or may not have been done",
    BOUNCE: "did not reach everybody",
}


def event_row(start: CaseInput, event_id: str | None) -> int:
    """Return the ledger row that an action goes back to; without one, the opening's."""
    row = row_of(event_id) if event_id is not None else None
    return start.opening.id if row is None else row


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
        approvers=list(action.approvers) if isinstance(action, Reply) else [],
        attach=list(action.attach),
        event_id=event_row(start, perform.event_id),
        event=json_of(perform.event.data) if perform.event else {},
        data=json_of(state.data),
        thread=json_of(perform.thread),
        label=state.label,
    )


def notice_request(start: CaseInput, definition_hash: str, report: ReportUnhandled) -> SendRequest:
    """Return the request to tell the teams that an action needs a person."""
    what = _WHAT_HAPPENED.get(report.event_type, "was not done")
    text = f"In case {start.case_id} the action '{report.action}' {what}: {report.reason}."
    return _notice(start, definition_hash, (report.firing, report.index + NOTICE_OFFSET), text)


def held_notice(
    start: CaseInput, definition_hash: str, request: SendRequest, outcome: SendOutcome
) -> SendRequest:
    """Return the request to tell the teams that a mail waits for a person's decision."""
    text = (
        f"In case {start.case_id} the mail '{request.kind} {request.template}' is held"
        f" (outbox row {outcome.outbox_id}) until somebody decides on it: {outcome.reason}."
    )
    key = (request.firing, request.action_index + HELD_OFFSET)
    return _notice(start, definition_hash, key, text)


def _notice(start: CaseInput, definition_hash: str, key: tuple[int, int], text: str) -> SendRequest:
    firing, index = key
    return SendRequest(
        tenant=start.tenant,
        case_id=start.case_id,
        definition_hash=definition_hash,
        firing=firing,
        action_index=index,
        kind="notify",
        notice=(
            f"{text}\n"
            f"Please look at it (everpost cases show {start.case_id}) and do what is needed."
        ),
    )


def late_notice(start: CaseInput, definition_hash: str, ended: ActionEnded) -> SendRequest | None:
    """Return the request to tell the teams of an action that failed after the case's end.

    None for one that was done.
    """
    if ended.outcome is Ending.DONE:
        return None
    event_type = ACTION_UNKNOWN if ended.outcome is Ending.UNKNOWN else ACTION_FAILED
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
