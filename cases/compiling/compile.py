"""From a definition to its net; in the states notation a state is a place, a transition a task.

The net of a state machine has one token. A state with `enter` actions has two places: the token
comes into `NAME.entering`, an automatic task does the actions, and then it rests in `NAME`. A
blocking action holds the token inside that task, so what arrives meanwhile waits for it. The tasks
notation is compiled in `compile_tasks`.
"""

from collections.abc import Iterator
from functools import lru_cache

from cases.compiling.planning import Planner, optional_guard, timing_of
from cases.compiling.tasks import net_of_tasks
from cases.definitions import data_defaults, definition_of
from cases.net import Arc, Branch, Net, Place, Task, Trigger, make_net
from cases.notation.declarations import UNCLASSIFIED, Definition
from cases.notation.states import State, StatesDefinition
from cases.notation.tasks import TasksDefinition


def compile_net(definition: Definition, net: str | None = None) -> Net:
    """Return the net of a definition that passed its checks, or one of those it runs by name."""
    match definition:
        case StatesDefinition():
            return _net_of_states(definition)
        case TasksDefinition():
            return net_of_tasks(definition, net)
        case _:
            raise TypeError(f"{type(definition).__name__} is in no notation that has a net")


def _net_of_states(definition: StatesDefinition) -> Net:
    states, after = definition.states.items(), definition.after_close
    return make_net(
        [place for name, state in states for place in _places(name, state)],
        [task for name, state in states for task in _Compiler(definition).tasks(name, state)],
        _entrance(definition, definition.start),
        labels=[*definition.labels, UNCLASSIFIED],
        fields=definition.data,
        defaults=data_defaults(definition),
        reopens_in=None if after.to is None else _entrance(definition, after.to),
        late_answer=after.template,
    )


@lru_cache(maxsize=256)
def net_of(document: str, net: str | None = None) -> Net:
    """Return the net of a definition's text; the same text is compiled once.

    The text decides the net, and nothing in a net changes: a replay meets the same one.
    """
    return compile_net(definition_of(document), net)


def _places(name: str, state: State) -> Iterator[Place]:
    if state.enter:
        yield Place(f"{name}.entering", name)
    yield Place(name, name, final=state.final)


def _entrance(definition: StatesDefinition, name: str) -> str:
    """Return the place into which a token comes that enters a state."""
    return f"{name}.entering" if definition.states[name].enter else name


class _Compiler:
    """Makes the tasks of one definition's states."""

    def __init__(self, definition: StatesDefinition) -> None:
        self._definition = definition
        self._planned = Planner(definition, self._task_ids).planned

    def tasks(self, name: str, state: State) -> Iterator[Task]:
        """Yield a state's tasks in the order of writing."""
        if state.enter:
            yield Task(
                id=f"{name}.enter",
                inputs=(Arc(f"{name}.entering"),),
                outputs=(Branch(name),),
                actions=self._planned(state.enter),
                keeps_visit=True,
            )
        for index, transition in enumerate(state.on):
            yield Task(
                id=f"{name}.on[{index}]",
                inputs=(Arc(name),),
                outputs=(self._output(name, transition.to),),
                trigger=Trigger.EVENT,
                event_type=transition.event,
                guard=optional_guard(transition.when),
                actions=self._planned(transition.do),
                keeps_visit=transition.to is None,
            )
        for index, deadline in enumerate(state.deadlines):
            yield Task(
                id=f"{name}.deadlines[{index}]",
                inputs=(Arc(name),),
                outputs=(self._output(name, deadline.to),),
                trigger=Trigger.DEADLINE,
                timing=timing_of(deadline.after, deadline.at),
                guard=optional_guard(deadline.when),
                actions=self._planned(deadline.do),
                keeps_visit=deadline.to is None,
            )

    def _output(self, name: str, to: str | None) -> Branch:
        return Branch(name if to is None else _entrance(self._definition, to))

    def _task_ids(self, name: str) -> tuple[str, ...]:
        """Return the tasks of a state, of which `compensate` speaks by the state's name."""
        state = self._definition.states[name]
        return (
            *([f"{name}.enter"] if state.enter else []),
            *(f"{name}.on[{index}]" for index in range(len(state.on))),
            *(f"{name}.deadlines[{index}]" for index in range(len(state.deadlines))),
        )
