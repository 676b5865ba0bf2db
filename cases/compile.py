"""From the states notation to a net: a state is a place, a transition is a task.

The net of a state machine has one token. A state with `enter` actions has two places: the token
comes into `NAME.entering`, an automatic task does the actions, and then it rests in `NAME`. A
blocking action holds the token inside that task, so what arrives meanwhile waits for it.
"""

from collections.abc import Iterator
from functools import lru_cache

from cases.actions import Action, Classify, CloseCase, Notify, Planned, Reply, SetData
from cases.checks import source_of
from cases.conditions import Condition
from cases.declarations import UNCLASSIFIED, Definition
from cases.definitions import data_defaults, definition_of
from cases.durations import duration_of
from cases.fields import reader_of
from cases.guards import Guard, guard_of
from cases.net import Arc, Branch, Net, Place, Task, Timing, Trigger, make_net
from cases.states import Deadline, State, StatesDefinition
from cases.written_actions import Action as WrittenAction


def compile_net(definition: Definition, net: str | None = None) -> Net:
    """Return the net of a definition that passed its checks, or one of those it runs by name."""
    match definition:
        case StatesDefinition():
            return _net_of_states(definition)
        case _:
            raise NotImplementedError  # TEMP: compile_tasks


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

    def tasks(self, name: str, state: State) -> Iterator[Task]:
        """Yield a state's tasks in the order of writing."""
        if state.enter:
            yield Task(
                id=f"{name}.enter",
                inputs=(Arc(f"{name}.entering"),),
                outputs=(Branch(name),),
                actions=self._actions(state.enter),
                keeps_visit=True,
            )
        for index, transition in enumerate(state.on):
            yield Task(
                id=f"{name}.on[{index}]",
                inputs=(Arc(name),),
                outputs=(self._output(name, transition.to),),
                trigger=Trigger.EVENT,
                event_type=transition.event,
                guard=_guard(transition.when),
                actions=self._actions(transition.do),
                keeps_visit=transition.to is None,
            )
        for index, deadline in enumerate(state.deadlines):
            yield Task(
                id=f"{name}.deadlines[{index}]",
                inputs=(Arc(name),),
                outputs=(self._output(name, deadline.to),),
                trigger=Trigger.DEADLINE,
                timing=_timing(deadline),
                guard=_guard(deadline.when),
                actions=self._actions(deadline.do),
                keeps_visit=deadline.to is None,
            )

    def _output(self, name: str, to: str | None) -> Branch:
        return Branch(name if to is None else _entrance(self._definition, to))

    def _actions(self, written: tuple[WrittenAction, ...]) -> tuple[Planned, ...]:
        return tuple(planned for action in written for planned in self._planned(action))

    def _planned(self, written: WrittenAction) -> Iterator[Planned]:
        hold = written.reply.hold if written.reply is not None else None
        held = None if hold is None else duration_of(hold)
        for action in self._of_one(written):
            yield Planned(action, written.block or isinstance(action, Classify), held)

    def _of_one(self, written: WrittenAction) -> Iterator[Action]:
        """Yield what one written action does; a `set` of several fields is one for each."""
        if written.classify is not None:
            yield Classify()
        elif written.reply is not None:
            reply, team = written.reply, written.reply.approve
            approvers = self._definition.teams[team] if team is not None else ()
            yield Reply(reply.template, reply.to, team, approvers, reply.attach)
        elif written.notify is not None:
            team, to = written.notify.team, written.notify.to
            addresses = (to,) if to is not None else self._definition.teams[team or ""]
            yield Notify(written.notify.template, addresses, team, written.notify.attach)
        elif written.close is not None:
            yield CloseCase(written.close)
        else:
            for field, value in (written.set or {}).items():
                source = source_of(value)
                reader = None if source is None else reader_of(source)
                yield SetData(field, value, reader, source)


def _guard(condition: Condition | None) -> Guard | None:
    return None if condition is None else guard_of(condition)


def _timing(deadline: Deadline) -> Timing:
    if deadline.after is not None:
        return Timing(f"after {deadline.after}", after=duration_of(deadline.after))
    return Timing(f"at {deadline.at}", at=reader_of(deadline.at or ""))
