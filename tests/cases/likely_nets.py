"""Nets of tasks and conditions drawn at random, most of them right, with every kind of feature."""

from random import Random
from typing import Any

from tests.cases.small_definitions import tasks_spec

# Any: definitions as they are written.
Spec = dict[str, Any]

GUARD = {"field": "data.amount", "op": "more_than", "value": {"from": "data.limit"}}
UNDONE = {"set": {"amount": 1}, "undo": [{"set": {"amount": 0}}]}
ACTIONS: tuple[Any, ...] = (
    "classify",
    {"reply": {"template": "thanks"}, "block": True, "retry": {"attempts": 2}},
    {"notify": {"template": "sorry", "team": "leads"}},
    {"together": ["classify", {"run": "inner"}]},
    {"run": {"net": "inner", "with": {"amount": 1}, "returns": {"limit": {"from": "data.limit"}}}},
    UNDONE,
    {"set": {"thread.step": {"from": "thread.number"}}},
)


def likely_net(random: Random) -> Spec:
    """Return a definition whose tasks form a chain, with more arrows and features thrown in."""
    names = [f"t{number}" for number in range(random.randrange(1, 6))]
    tasks = {name: _task(random, names, index) for index, name in enumerate(names)}
    conditions: Spec = {}
    if random.random() < 0.5:
        conditions["wait"] = {"to": [random.choice(names)]}
        tasks[names[0]]["to"].append("wait")
    inner = {"start": "i", "ends": "empty", "tasks": {"i": {"do": ["classify"]}}}
    more: Spec = {"nets": {"inner": inner}}
    if random.random() < 0.2:
        more["locks"] = {"lock": [[name] for name in names]}
    return tasks_spec(tasks, conditions, **more)


def _task(random: Random, names: list[str], index: int) -> Spec:
    after = names[index + 1] if index + 1 < len(names) else "end"
    last: list[Any] = [after]
    task: Spec = {"to": last}
    if random.random() < 0.4:
        task["split"] = random.choice(["xor", "or"])
        task["to"] = [{"to": random.choice([*names, "end"]), "when": GUARD}, *last]
    elif random.random() < 0.2:
        task["to"] = [{"to": after, **random.choice([{"times": 2}, {"each": "data.orders"}])}]
    features: list[Spec] = [
        {"join": random.choice(["xor", "or", {"at_least": 1, "rest": "cancel"}])},
        {"trigger": random.choice(["go", {"event": "go", "transient": True}])},
        {"trigger": {"after": "1 hour"}},
        {"when": GUARD},
        {"do": random.choices(ACTIONS, k=random.randrange(4))},
        {"do": [UNDONE, "compensate", {"compensate": {"tasks": [names[index]]}}]},
        {"do": ["classify"], "on_error": ["end", names[0]]},
        {"until": "done", "deadlines": [{"after": "1 day", "to": random.choice(names)}]},
        {"until": {"event": "done", "when": GUARD}, "deadlines": [{"at": "data.due", "to": "end"}]},
        {"instances": {"count": 3, "threshold": 2, "rest": "cancel"}},
        {"instances": {"over": "data.orders", "add": "more", "collect": {"answers": "event.a"}}},
        {"cancels": [random.choice(names), "end"]},
        {"only_while": ["end"]},
    ]
    for feature in random.sample(features, random.randrange(4)):
        task |= feature
    return task
