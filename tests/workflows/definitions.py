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

# Runs a net as a case of its own, which waits to be told what was found.
FAMILY: dict[str, Any] = {
    "id": "support",
    "starts": ["mail"],
    "data": {"order": {"type": "string"}, "found": {"type": "string"}},
    "start": "begin",
    "tasks": {
        "begin": {"to": ["check", "may_stop"]},
        "check": {
            "do": [
                {
                    "run": {
                        "net": "look",
                        "with": {"order": "A1"},
                        "returns": {"found": {"from": "data.found"}},
                    }
                }
            ],
            "on_error": ["failed"],
            "to": ["checked"],
        },
        "stop": {"trigger": "stop", "cancels": ["check"], "to": ["stopped"]},
        "close": {"trigger": "close", "join": "xor", "to": ["done"]},
    },
    "conditions": {
        "may_stop": {"to": ["stop"]},
        "checked": {"to": ["close"]},
        "failed": {"to": ["close"]},
        "stopped": {"to": ["close"]},
        "done": {"final": True},
    },
    "nets": {
        "look": {
            "start": "asked",
            "tasks": {
                "tell": {
                    "trigger": "told",
                    "do": [{"set": {"found": {"from": "event.what"}}}],
                    "to": ["end"],
                }
            },
            "conditions": {"asked": {"to": ["tell"]}, "end": {"final": True}},
        }
    },
}

_LOOK_DEEPER = {"net": "look", "returns": {"found": {"from": "data.found"}}}
# Runs a net that runs itself, until it is told what was found.
RECURSION: dict[str, Any] = {
    "id": "support",
    "starts": ["mail"],
    "data": {"found": {"type": "string"}},
    "start": "check",
    "tasks": {
        "check": {"do": [{"run": _LOOK_DEEPER}], "to": ["checked"]},
        "close": {"trigger": "close", "to": ["done"]},
    },
    "conditions": {"checked": {"to": ["close"]}, "done": {"final": True}},
    "nets": {
        "look": {
            "start": "asked",
            "tasks": {
                "deeper": {
                    "trigger": {"event": "look"},
                    "when": {"field": "event.again", "op": "is", "value": True},
                    "do": [{"run": _LOOK_DEEPER}],
                    "to": ["end"],
                },
                "tell": {
                    "trigger": "look",
                    "do": [{"set": {"found": {"from": "event.what"}}}],
                    "to": ["end"],
                },
            },
            "conditions": {"asked": {"to": ["deeper", "tell"]}, "end": {"final": True}},
        }
    },
}


def _told(template: str, undo: str | None = None) -> dict[str, Any]:
    """Return a notice that holds the case, and the one that undoes it."""
    done: dict[str, Any] = {"notify": {"team": "leads", "template": template}, "block": True}
    return {**done, "undo": [_told(undo)]} if undo else done


# Books and pays, and undoes both when the car can't be hired.
TRIP: dict[str, Any] = {
    "id": "support",
    "starts": ["mail"],
    "teams": {"leads": ["leads@everpost.test"]},
    "templates": {
        name: {"subject": name, "text": "Case {{ case.id }}."}
        for name in ("booked", "paid", "hired", "unbooked", "unpaid")
    },
    "start": "book",
    "tasks": {
        "book": {"do": [_told("booked", "unbooked")], "to": ["pay"]},
        "pay": {"do": [_told("paid", "unpaid")], "to": ["paid"]},
        "hire": {
            "trigger": "hire",
            "do": [_told("hired")],
            "on_error": ["undo"],
            "to": ["done"],
        },
        "undo": {"do": ["compensate"], "to": ["done"]},
    },
    "conditions": {"paid": {"to": ["hire"]}, "done": {"final": True}},
}
