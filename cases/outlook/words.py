"""Words of the outlook: what a task does and leads to, why a guard says no, which thread it is."""

from collections.abc import Mapping

from cases.expressions.fields import Facts
from cases.expressions.guards import Guard, Verdict
from cases.game.working import Working
from cases.net import Net, Split, Task
from cases.values import JSON, shown, shown_text

# More leaves of one guard, and more reasons for one event, say no more to a person.
MAX_TOLD = 5

_BETWEEN: Mapping[Split, str] = {Split.ALL: " and ", Split.FIRST: " or ", Split.EVERY: " and/or "}


def does(net: Net, task: Task) -> str:
    """Return what a task does and where it leads, as `reply thanks, then goes to closed`."""
    parts = [str(planned.action) for planned in task.actions]
    if task.until is not None:
        parts.append(f"waits for {task.until.event_type}")
    if task.stops_watched and task.watches is not None:
        parts.append(f"stops {task.watches}")
    steps = [", ".join(parts), "" if task.keeps_visit else leads(net, task)]
    return ", then ".join(step for step in steps if step) or "nothing more"


def leads(net: Net, task: Task) -> str:
    """Return where a task leads, as `goes to pack and bill`; nothing where it leads to no place."""
    states = dict.fromkeys(net.places[branch.place].state for branch in task.outputs)
    return f"goes to {_BETWEEN[task.split].join(states)}" if states else ""


def refusal(guard: Guard, facts: Facts) -> str:
    """Return why a guard says no, as `needs label is refund, but label is question`."""
    verdicts = guard.explain(facts)
    # Under a `not` it is what holds that says no.
    said_no = [one for one in verdicts if not one.holds] or list(verdicts)
    found = list(dict.fromkeys(map(_found, said_no)))[:MAX_TOLD]
    return f"needs {shown_text(guard.text)}, but {' and '.join(found)}"


def told_thread(work: Working, thread: int | None) -> dict[str, JSON]:
    """Return as JSON which thread of control something belongs to: {thread, number, item}."""
    if thread is None:
        return {}
    data = work.thread_data(thread)
    told: dict[str, JSON] = {"thread": thread}
    for name in ("number", "item"):
        if data.get(name) is not None:
            told[name] = shown(data[name], depth=1)
    return told


def _found(verdict: Verdict) -> str:
    found = verdict.found
    if isinstance(found, bool):
        return f"{verdict.field} is {'true' if found else 'false'}"
    return f"{verdict.field} is {'not set' if found is None else shown(found, depth=1)}"
