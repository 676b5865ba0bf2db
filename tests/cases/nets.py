"""Small nets for tests: places are named by letters, tasks by the places that they lie between."""

from cases.expressions.conditions import Condition
from cases.expressions.guards import Guard, guard_of
from cases.net import Arc, Branch, Net, Place, Task, Trigger, make_net
from cases.values import JSON


def net(places: str, *tasks: Task, final: str = "", **more: object) -> Net:
    """Return a net whose places are named by letters; the first is the start."""
    named = [Place(p, p, final=p in final) for p in places]
    return make_net(named, tasks, places[0], **more)  # type: ignore[arg-type]  # as each test needs


def automatic(inputs: str, outputs: str, **more: object) -> Task:
    """Return a task between places that needs no trigger."""
    given = {
        "id": f"{inputs}->{outputs}",
        "inputs": tuple(Arc(place) for place in inputs),
        "outputs": tuple(Branch(place) for place in outputs),
        **more,
    }
    return Task(**given)  # type: ignore[arg-type]  # each test names the fields that it is about


def on(event: str, inputs: str, outputs: str, **more: object) -> Task:
    """Return a task that takes an event."""
    return automatic(inputs, outputs, trigger=Trigger.EVENT, event_type=event, **more)


def where(field: str, op: str, value: JSON) -> Guard:
    """Return a guard of one leaf."""
    return guard_of(Condition.model_validate({"field": field, "op": op, "value": value}))
