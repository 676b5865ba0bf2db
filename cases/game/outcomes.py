"""What the end of an action means to the case: a label, an event, or a report to people."""

from collections.abc import Sequence
from datetime import datetime

from cases.actions import ReportUnhandled
from cases.events import (
    ACTION_FAILED,
    ACTION_UNKNOWN,
    BOUNCE,
    CLASSIFIED,
    ActionEnded,
    Ending,
    Event,
)
from cases.notation.declarations import UNCLASSIFIED
from cases.state import Outcome
from cases.values import JSON, shown_text


def label_in(ended: ActionEnded, labels: Sequence[str]) -> tuple[str, float]:
    """Return the label and confidence that a classification found.

    A failed one, or one whose label the definition does not have, makes the mail unclassified: the
    case goes on either way.
    """
    label, confidence = ended.event_data.get("label"), ended.event_data.get("confidence")
    if ended.outcome != Ending.DONE or label not in labels:
        return UNCLASSIFIED, 0.0
    if isinstance(confidence, int | float) and 0 <= confidence <= 1:
        return str(label), float(confidence)
    return str(label), 0.0


def classified(
    ended: ActionEnded, label: str, confidence: float, cause: str | None, now: datetime
) -> Outcome:
    """Return the event `classified`: what the classifier said, with the label that counts."""
    data = {**ended.event_data, "label": label, "confidence": confidence}
    return Outcome(Event(_id(ended, CLASSIFIED), CLASSIFIED, now, data), cause)


def failure(ended: ActionEnded, action: str, cause: str | None, now: datetime) -> Outcome | None:
    """Return `action_failed` or `action_unknown`, or None for an action that was done."""
    if ended.outcome == Ending.DONE:
        return None
    event_type = ACTION_FAILED if ended.outcome == Ending.FAILED else ACTION_UNKNOWN
    reason = ended.event_data.get("reason")
    data: dict[str, JSON] = {
        "action": action,
        "firing": ended.firing,
        "index": ended.index,
        "reason": shown_text(reason) if isinstance(reason, str) else "",
    }
    return Outcome(Event(_id(ended, event_type), event_type, now, data), cause)


def report_of(outcome: Outcome) -> ReportUnhandled | None:
    """Return what people are told of an outcome that nothing handles, if it concerns them.

    `classified` does not: the label is known all the same, and guards can read it.
    """
    event = outcome.event
    firing, index = event.data.get("firing"), event.data.get("index")
    if event.type == CLASSIFIED or not isinstance(firing, int) or not isinstance(index, int):
        return None
    action, reason = str(event.data["action"]), str(event.data["reason"])
    return ReportUnhandled(event.type, firing, index, action, reason)


def report_of_bounce(event: Event, firing: int) -> ReportUnhandled | None:
    """Return what people are told of a bounce that nothing handles: only that of a hard one.

    A soft one is a delay, or a server's word on the way; the mail may still arrive.
    """
    if event.type != BOUNCE or event.data.get("hard") is not True:
        return None
    said = [event.data.get(key) for key in ("recipient", "reason")]
    reason = ": ".join(shown_text(part) for part in said if isinstance(part, str) and part)
    action = event.data.get("action")
    named = shown_text(action) if isinstance(action, str) and action else "send a mail"
    return ReportUnhandled(BOUNCE, firing, 0, named, reason or "its recipient was refused")


def _id(ended: ActionEnded, event_type: str) -> str:
    """Return the id of a core event: unique in its case, as firing numbers are."""
    return f"{ended.firing}.{ended.index}.{event_type}"
