"""Definitions that the tests of this folder run."""

from typing import Any

SUPPORT: dict[str, Any] = {
    "id": "support",
    "starts": ["mail"],
    "labels": {
        "question": {"about": "a question", "keywords": ["question"]},
        "solved": {"about": "all is well", "keywords": ["solved"]},
    },
    "teams": {"leads": ["leads@everpost.test"]},
    "templates": {
        "acknowledged": {"text": "We have your mail in case {{ case.id }}."},
        "answered": {"text": "We have your answer."},
        "overdue": {"subject": "overdue", "text": "Case {{ case.id }} is overdue."},
    },
    "start": "received",
    "states": {
        "received": {
            "enter": ["classify", {"reply": {"template": "acknowledged"}}],
            "on": [{"event": "classified", "to": "waiting"}],
        },
        "waiting": {
            "on": [
                {
                    "event": "email",
                    "when": {"field": "label", "op": "is", "value": "solved"},
                    "to": "closed",
                },
                {"event": "email", "do": [{"reply": {"template": "answered"}}]},
                {"event": "ping"},
            ],
            "deadlines": [
                {"after": "30 days", "do": [{"notify": {"team": "leads", "template": "overdue"}}]},
                {"after": "60 days", "to": "closed"},
            ],
        },
        "closed": {"final": True},
    },
}

# Waits for a decision; mails that come meanwhile wait too.
DECISION: dict[str, Any] = {
    "id": "support",
    "data": {"count": {"type": "integer"}},
    "start": "deciding",
    "states": {
        "deciding": {"on": [{"event": "decide", "to": "closed"}]},
        "closed": {"final": True},
    },
}
