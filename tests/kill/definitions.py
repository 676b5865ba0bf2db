"""The kill test's own definitions: each mail of a person gets exactly one reply.

In every state but the last a mail is read and answered, so what a mail must lead to does not
depend on when which process died.
"""

from typing import Any

SUPPORT = "kill-support"
ERRAND = "kill-errand"
LEADS = "leads@everpost.test"
ANSWERED_STATES = ("overdue", "closed")
DEADLINE_SECONDS = 6


def _template(text: str) -> dict[str, str]:
    return {"subject": "Re: {{ message.subject }}", "text": text + "\n\nCase {{ case.id }}\n"}


# Any: JSON of a definition.
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

# Started by API and moved by its events; each `step` writes to the team once.
ERRAND_SPEC: dict[str, Any] = {
    "id": ERRAND,
    "name": "Kill test: errands",
    "starts": ["api"],
    "data": {"number": {"type": "integer"}},
    "teams": {"leads": [LEADS]},
    "templates": {"step": {"subject": "Step of {{ case.id }}", "text": "{{ case.id }}\n"}},
    "start": "open",
    "states": {
        "open": {
            "on": [
                {"event": "step", "do": [{"notify": {"team": "leads", "template": "step"}}]},
                {"event": "finish", "to": "done"},
            ]
        },
        "done": {"final": True},
    },
}
