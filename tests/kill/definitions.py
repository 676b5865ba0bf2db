"""The kill test's own definitions: each mail of a person gets exactly one reply.

In every state but the last a mail is read and answered, so what a mail must lead to does not
depend on when which process died. They differ in what a reply waits for, and in what a mail does
to a closed case; which one a new case gets, the subject tells by the mailbox's rules.
"""

from collections.abc import Mapping
from copy import deepcopy
from enum import StrEnum
from typing import Any

SUPPORT = "kill-support"
ERRAND = "kill-errand"
LEADS = "leads@everpost.test"
ANSWERED_STATES = ("overdue", "closed")
DEADLINE_SECONDS = 6
HOLD_SECONDS = 1
# Longer than the others' deadline: a reply that is still held then does not go out.
HOLDING_DEADLINE_SECONDS = 10


class Line(StrEnum):
    """What a customer writes about, and so the definition of the case."""

    SUPPORT = SUPPORT  # what comes after the end opens a follow-up
    REOPEN = "kill-reopen"  # ... opens the case again
    ANSWER = "kill-answer"  # ... is answered, and the case stays closed
    DRAFT = "kill-draft"  # replies wait for approval
    HOLD = "kill-hold"  # replies wait for a while

    @property
    def subject(self) -> str:
        """The word with which its customers' subjects begin."""
        return _SUBJECTS[self]


_SUBJECTS: Mapping[Line, str] = {
    Line.SUPPORT: "Order",
    Line.REOPEN: "Repair",
    Line.ANSWER: "Survey",
    Line.DRAFT: "Contract",
    Line.HOLD: "Booking",
}
# In these cases one customer's mails are never in two cases.
ONE_CASE = frozenset({Line.REOPEN, Line.ANSWER})


def _template(text: str) -> dict[str, str]:
    return {"subject": "Re: {{ message.subject }}", "text": text + "\n\nCase {{ case.id }}\n"}


# Any: JSON of a definition, here and below.
SUPPORT_SPEC: dict[str, Any] = {
    "id": SUPPORT,
    "name": "Kill test: support",
    "starts": ["mail"],
    "labels": {
        "question": {"about": "the customer asks", "keywords": ["question"]},
        "solved": {"about": "all is well now", "keywords": ["solved"]},
        "other": "anything else",
    },
    "classifier": {"kind": "keyword", "threshold": 0.5},
    "teams": {"leads": [LEADS]},
    "templates": {
        "acknowledged": _template("We have your mail."),
        "answered": _template("We have your answer."),
        "goodbye": _template("Good to hear."),
        "late": {"subject": "Late: {{ case.id }}", "text": "Case {{ case.id }} waits.\n"},
    },
    "start": "received",
    "states": {
        "received": {
            "enter": ["classify", {"reply": {"template": "acknowledged"}}],
            "on": [
                {
                    "event": "classified",
                    "when": {"field": "label", "op": "is", "value": "solved"},
                    "to": "closed",
                },
                {"event": "classified", "to": "waiting"},
            ],
        },
        "waiting": {
            "on": [{"event": "email", "to": "reading"}, {"event": "close", "to": "closed"}],
            "deadlines": [{"after": f"{DEADLINE_SECONDS} seconds", "to": "overdue"}],
        },
        "reading": {
            "enter": ["classify"],
            "on": [
                {
                    "event": "classified",
                    "when": {"field": "label", "op": "is", "value": "solved"},
                    "do": [{"reply": {"template": "goodbye"}}],
                    "to": "closed",
                },
                {
                    "event": "classified",
                    "do": [{"reply": {"template": "answered"}}],
                    "to": "waiting",
                },
            ],
        },
        "overdue": {
            "enter": [{"notify": {"team": "leads", "template": "late"}}],
            "on": [{"event": "email", "to": "reading"}, {"event": "close", "to": "closed"}],
        },
        "closed": {"final": True},
    },
}


def _reopening() -> dict[str, Any]:
    return {**deepcopy(SUPPORT_SPEC), "after_close": {"policy": "reopen", "to": "waiting"}}


def _answering() -> dict[str, Any]:
    """Return one that sends again, by its own policy, what may have been lost."""
    spec = deepcopy(SUPPORT_SPEC)
    spec["templates"]["too_late"] = _template("This is closed.")
    return {
        **spec,
        "after_close": {"policy": "answer", "template": "too_late"},
        "unknown_outcome": "resend",
    }


def _drafting() -> dict[str, Any]:
    """Return one whose replies wait for approval: one holds the case, the others do not."""
    spec = deepcopy(SUPPORT_SPEC)
    received, waiting, reading = (spec["states"][s] for s in ("received", "waiting", "reading"))
    received["enter"] = ["classify"]
    # What closes at once is answered too.
    for transition in received["on"]:
        transition["do"] = [_approved("acknowledged", block=True)]
    waiting["on"].append({"event": "resolved"})
    for transition, template in zip(reading["on"], ("goodbye", "answered"), strict=True):
        transition["do"] = [_approved(template)]
    return spec


def _holding() -> dict[str, Any]:
    """Return one whose replies wait for a while where the case has come to rest."""
    spec = deepcopy(SUPPORT_SPEC)
    received, waiting, reading = (spec["states"][s] for s in ("received", "waiting", "reading"))
    received["enter"] = ["classify"]
    received["on"][0]["do"] = [{"reply": {"template": "goodbye"}}]
    waiting["enter"] = [{"reply": {"template": "answered", "hold": f"{HOLD_SECONDS} seconds"}}]
    waiting["deadlines"][0]["after"] = f"{HOLDING_DEADLINE_SECONDS} seconds"
    reading["on"][1]["do"] = []
    return spec


def _approved(template: str, **more: bool) -> dict[str, Any]:
    return {"reply": {"template": template, "approve": "leads"}, **more}


SPECS: Mapping[Line, dict[str, Any]] = {
    Line.SUPPORT: SUPPORT_SPEC,
    **{
        line: {**spec, "id": line.value, "name": f"Kill test: {line.name.lower()}"}
        for line, spec in (
            (Line.REOPEN, _reopening()),
            (Line.ANSWER, _answering()),
            (Line.DRAFT, _drafting()),
            (Line.HOLD, _holding()),
        )
    },
}

RULES = [
    {"name": line.name.lower(), "when": {"subject": line.subject}, "then": line.value}
    for line in Line
]

# Started by API and moved by its events; each `step` writes to the team once, and a mail of ours
# that comes back is noted.
ERRAND_SPEC: dict[str, Any] = {
    "id": ERRAND,
    "name": "Kill test: errands",
    "starts": ["api"],
    "data": {"number": {"type": "integer"}, "came_back": {"type": "string"}},
    "teams": {"leads": [LEADS]},
    "templates": {"step": {"subject": "Step of {{ case.id }}", "text": "{{ case.id }}\n"}},
    "start": "open",
    "states": {
        "open": {
            "on": [
                {"event": "step", "do": [{"notify": {"team": "leads", "template": "step"}}]},
                {"event": "bounce", "do": [{"set": {"came_back": {"from": "event.recipient"}}}]},
                {"event": "finish", "to": "done"},
            ]
        },
        "done": {"final": True},
    },
}
