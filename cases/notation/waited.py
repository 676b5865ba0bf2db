"""Which events a definition waits for, in either notation and in all its nets."""

from collections.abc import Iterator

from cases.notation.declarations import Definition
from cases.notation.states import StatesDefinition
from cases.notation.tasks import TaskNet, TasksDefinition

_Place = tuple[str | int, ...]


def waited_types(definition: Definition) -> tuple[str, ...]:
    """Return the types of events that something in a definition takes, sorted, each once."""
    return tuple(sorted({event for _, event in waited_events(definition)}))


def waited_events(definition: Definition) -> Iterator[tuple[_Place, str]]:
    """Yield each type of event that something waits for, with the place where it is written."""
    if isinstance(definition, StatesDefinition):
        for name, state in definition.states.items():
            for index, transition in enumerate(state.on):
                yield ("states", name, "on", index, "event"), transition.event
    if isinstance(definition, TasksDefinition):
        yield from _of_net((), definition)
        for name, net in definition.nets.items():
            yield from _of_net(("nets", name), net)


def _of_net(place: _Place, net: TaskNet) -> Iterator[tuple[_Place, str]]:
    for name, task in net.tasks.items():
        own = (*place, "tasks", name)
        if task.trigger is not None and task.trigger.event is not None:
            yield (*own, "trigger"), task.trigger.event
        if task.until is not None:
            yield (*own, "until"), task.until.event
        if task.instances is not None and task.instances.add is not None:
            yield (*own, "instances", "add"), task.instances.add.event
