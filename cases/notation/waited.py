"""Which events a definition waits for, in either notation and in all its nets."""

from collections.abc import Iterator

from cases.notation.declarations import Definition
from cases.notation.states import StatesDefinition
from cases.notation.tasks import TaskNet, TasksDefinition


def waited_types(definition: Definition) -> tuple[str, ...]:
    """Return the types of events that something in a definition takes, sorted, each once."""
    return tuple(sorted(set(_types(definition))))


def _types(definition: Definition) -> Iterator[str]:
    if isinstance(definition, StatesDefinition):
        for state in definition.states.values():
            yield from (transition.event for transition in state.on)
    if isinstance(definition, TasksDefinition):
        for net in (definition, *definition.nets.values()):
            yield from _types_of_net(net)


def _types_of_net(net: TaskNet) -> Iterator[str]:
    for task in net.tasks.values():
        if task.trigger is not None and task.trigger.event is not None:
            yield task.trigger.event
        if task.until is not None:
            yield task.until.event
        if task.instances is not None and task.instances.add is not None:
            yield task.instances.add.event
