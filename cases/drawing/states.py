"""A state machine as a picture: states are boxes, transitions are labelled arrows.

What leaves the case where it stands is a row inside of its state, as UML draws it.
"""

from collections import deque
from collections.abc import Iterator
from itertools import chain

from cases.drawing.picture import Arrow, Look, Marks, Node, Picture, Row
from cases.drawing.rows import what_is_done, what_starts
from cases.net import Net, Task
from cases.notation.states import State, StatesDefinition

START = "start"


def picture_of_states(definition: StatesDefinition, net: Net, marks: Marks) -> Picture:
    """Return what is drawn of a definition in the states notation, with a case's token if any."""
    drawer = _Drawer(net, marks)
    nodes: list[Node] = [Node(START, Look.START)]
    arrows = [Arrow(START, state_id(definition.start))]
    for name in _from_the_start(definition):
        state = definition.states[name]
        nodes.append(drawer.state(name, state))
        for task in drawer.leaving(name, state):
            nodes.append(drawer.label(task))
            arrows.append(Arrow(state_id(name), label_id(task), head=False))
            arrows.append(Arrow(label_id(task), state_id(net.places[task.outputs[0].place].state)))
    title = definition.name or definition.id
    return Picture(title, definition.about or "", tuple(nodes), tuple(arrows))


def _from_the_start(definition: StatesDefinition) -> list[str]:
    """Return the states in the order in which a case may come to them.

    A stored text has lost the order of writing, and is to be drawn as its file is.
    """
    found = {definition.start: None}
    queue = deque(found)
    while queue:
        state = definition.states[queue.popleft()]
        ways = [*(way.to for way in state.on), *(way.to for way in state.deadlines)]
        for to in ways:
            if to is not None and to not in found:
                found[to] = None
                queue.append(to)
    return list(found | dict.fromkeys(sorted(definition.states)))


def state_id(name: str) -> str:
    """Return the id of the node that is a state."""
    return f"state {name}"


def label_id(task: Task) -> str:
    """Return the id of the node that is a transition's text."""
    return f"label {task.id}"


class _Drawer:
    """Draws the states of one net."""

    def __init__(self, net: Net, marks: Marks) -> None:
        self._net = net
        self._marks = marks

    def state(self, name: str, state: State) -> Node:
        """Return a state, with what is done on entry and what happens inside of it."""
        entering = self._net.numbered.get(f"{name}.enter")
        enter = () if entering is None else what_is_done(entering.task.actions)
        inside = (self._inside(task) for task in self._tasks(name, state) if task.keeps_visit)
        running = self._marks.running
        return Node(
            state_id(name),
            Look.STATE,
            name,
            (*enter, *inside),
            state.about or "",
            final=state.final,
            tokens=sum(self._marks.tokens.get(place, 0) for place in (name, f"{name}.entering")),
            running=running.get(f"{name}.enter", 0)
            + sum(running.get(task.id, 0) for task in self._tasks(name, state) if task.keeps_visit),
        )

    def leaving(self, name: str, state: State) -> Iterator[Task]:
        """Yield the transitions and deadlines that lead on, in the order of writing."""
        return (task for task in self._tasks(name, state) if not task.keeps_visit)

    def label(self, task: Task) -> Node:
        """Return the text on a transition's arrow: event, guard, actions."""
        rows = (*what_starts(task), *what_is_done(task.actions))
        return Node(
            label_id(task), Look.LABEL, rows=rows, running=self._marks.running.get(task.id, 0)
        )

    def _tasks(self, name: str, state: State) -> Iterator[Task]:
        ids = chain(
            (f"{name}.on[{index}]" for index in range(len(state.on))),
            (f"{name}.deadlines[{index}]" for index in range(len(state.deadlines))),
        )
        return (self._net.numbered[task].task for task in ids)

    def _inside(self, task: Task) -> Row:
        """Return what happens without leaving the state, in one row."""
        head = next(what_starts(task))
        does = ", ".join(row.text for row in what_is_done(task.actions))
        return Row(f"{head.text}: {does}" if does else head.text, head.icon)
