"""Small definitions of tasks and conditions, for the tests of their notation."""

from typing import Any

from cases.compiling.compile import compile_net
from cases.definitions import parse_definition
from cases.net import Net, Task

# Any: specs are written loosely on purpose, since many of them are wrong.
Spec = dict[str, Any]

END: Spec = {"end": {"final": True}}


def tasks_spec(tasks: Spec, conditions: Spec | None = None, **more: Any) -> Spec:
    """Return a definition that starts in its first task and has a final condition `end`."""
    return {
        "id": "small",
        "start": next(iter(tasks), None),
        "labels": {"refund": "money back"},
        "templates": {"thanks": {"text": "Thanks"}, "sorry": {"text": "Sorry"}},
        "teams": {"leads": ["leads@example.com"]},
        "data": {
            "amount": {"type": "number"},
            "limit": {"type": "number"},
            "copies": {"type": "integer"},
            "orders": {"type": "array"},
            "answers": {"type": "array"},
            "due": {"type": "string", "format": "date-time"},
        },
        "tasks": tasks,
        "conditions": {**END, **(conditions or {})},
        **more,
    }


def tasks_net(tasks: Spec, conditions: Spec | None = None, **more: Any) -> Net:
    """Return the net of a small definition."""
    return compile_net(parse_definition(tasks_spec(tasks, conditions, **more)))


def one_task(**keys: Any) -> Task:
    """Return the compiled task of a definition with one task `a`, which leads to the end."""
    return tasks_net({"a": {"to": ["end"], **keys}}).numbered["a"].task
