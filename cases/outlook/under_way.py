"""What a running task is at, for people: its actions, instances, tries, and what it waits for."""

from collections.abc import Iterator, Sequence

from cases.actions import Action
from cases.game.listening import waits_in_until
from cases.net import Listening, Net
from cases.outlook.words import leads
from cases.state import Firing, Group
from cases.values import JSON, shown, shown_text


def under_way(net: Net, firing: Firing) -> dict[str, JSON]:
    """Return as JSON what goes on in a running firing; what does not concern it is left out.

    {state, since, doing, task, firing}, and where there are such: instance_of, instances
    {of, running, done, waiting, passed}, waits_for [{event, when}], retry {tries, due}.
    """
    task = net.numbered[firing.task].task
    states = dict.fromkeys(net.places[token.place].state for token in firing.tokens)
    told: dict[str, JSON] = {
        "state": ", ".join(states),
        "since": firing.tokens[0].since.isoformat() if firing.tokens else None,
        "doing": _doing(net, firing),
        "task": task.id,
        "firing": firing.number,
    }
    if firing.parent is not None:
        told["instance_of"] = firing.parent
    if firing.group is not None:
        told["instances"] = _instances(firing.group)
    waited = list(_waited(net, firing))
    if waited:
        told["waits_for"] = waited
    if firing.retry is not None and firing.retry.due is not None:
        told["retry"] = {"tries": firing.retry.tries, "due": firing.retry.due.isoformat()}
    return told


def next_try(net: Net, firing: Firing) -> str:
    """Return what is tried again, as `try 2: reply thanks`."""
    retry = firing.retry
    if retry is None:
        return ""
    asked = ", ".join(str(action) for action in _actions(net, firing, retry.indexes))
    return f"try {retry.tries + 1}: {asked}"


def _instances(group: Group) -> dict[str, JSON]:
    """Return how far the instances of a task are."""
    return {
        "of": group.made,
        "running": group.started - group.done,
        "done": group.done,
        "waiting": group.made - group.started,
        "passed": group.passed,
    }


def _waited(net: Net, firing: Firing) -> Iterator[dict[str, JSON]]:
    """Yield the event that a firing waits for, or the one that adds an instance to it."""
    task = net.numbered[firing.task].task
    if task.until is not None and waits_in_until(task, firing):
        own_end = "this instance ends" if firing.parent is not None else "ends"
        yield _event(task.until, (firing.parent is None and leads(net, task)) or own_end)
    add = None if task.instances is None else task.instances.add
    if add is not None and firing.group is not None and firing.group.done < firing.group.made:
        yield _event(add, "one instance more")


def _event(listening: Listening, does: str) -> dict[str, JSON]:
    guard = listening.guard
    return {
        "event": listening.event_type,
        "when": None if guard is None else shown_text(guard.text),
        "does": does,
    }


def _doing(net: Net, firing: Firing) -> JSON:
    """Return in words what a running firing is at."""
    task = net.numbered[firing.task].task
    if firing.group is not None:
        return f"{firing.group.done} of {firing.group.made} instances are done"
    if task.until is not None and waits_in_until(task, firing):
        return f"waits for {task.until.event_type}"
    if firing.retry is not None and firing.retry.due is not None and not firing.pending:
        return shown(next_try(net, firing))
    indexes = firing.pending or (firing.position - 1,)
    words = ", ".join(str(action) for action in _actions(net, firing, indexes))
    return shown(f"undoing: {words}" if firing.undoing else words)


def _actions(net: Net, firing: Firing, indexes: Sequence[int]) -> Iterator[Action]:
    """Yield actions of a running firing: of its task, or of what it is undoing."""
    planned = net.numbered[firing.task].task.actions
    if firing.undoing:
        undoable = firing.undoing[0]
        planned = net.numbered[undoable.task].task.actions[undoable.index].undo
    for index in indexes:
        if 0 <= index < len(planned):
            yield planned[index].action
