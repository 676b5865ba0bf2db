"""A definition that the tests of this folder route to, and its second version."""

from typing import Any

SUPPORT: dict[str, Any] = {
    "id": "support",
    "starts": ["mail", "api"],
    "data": {"count": {"type": "integer"}},
    "labels": {"refund": {"about": "money back", "keywords": ["money back"]}},
    "teams": {"leads": ["lead@everpost.test", "second-lead@everpost.test"]},
    "templates": {
        "acknowledged": {"text": "We have your mail in case {{ case.id }}."},
        "overdue": {"subject": "Overdue", "text": "Case {{ case.id }} is overdue."},
    },
    "start": "received",
    "states": {
        "received": {
            "on": [
                {
                    "event": "email",
                    "do": [{"reply": {"template": "acknowledged", "to": "x@y.test"}}],
                },
                {"event": "close", "to": "closed"},
                {"event": "paid"},
                {"event": "refunded"},
            ],
            "deadlines": [
                {"after": "3 days", "do": [{"notify": {"team": "leads", "template": "overdue"}}]},
            ],
        },
        "closed": {"final": True},
    },
}
SUPPORT_2: dict[str, Any] = {**SUPPORT, "name": "Support, second version"}
