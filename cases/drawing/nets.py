"""A net of tasks and conditions as a picture, with the decorations that YAWL gives its tasks.

An arrow from task to task is drawn as such; the place that nobody named is only drawn when a token
rests in it.
"""

from collections.abc import Iterator

from cases.drawing.picture import Arrow, Icon, Look, Marks, Node, Picture, Row, Stroke
from cases.drawing.rows import (
    in_brackets,
    instances_row,
    listening_row,
    what_is_done,
    what_starts,
)
from cases.net import Branch, Join, Net, Rest, Split, Task
from cases.notation.tasks import TasksDefinition

START = "start"
# More of these lines would hide the net; a row in the task names them too.
MAX_CANCEL_LINES = 8

_SPLITS = {Split.ALL: "AND", Split.FIRST: "XOR", Split.EVERY: "OR"}
_JOINS = {Join.ALL: "AND", Join.ANY: "XOR", Join.OR: "OR"}


def picture_of_tasks(
    definition: TasksDefinition, name: str | None, net: Net, marks: Marks
) -> Picture:
    """Return what is drawn of a net in the tasks notation, with a case's tokens if any."""
    written = definition if name is None else definition.nets[name]
    drawer = _Drawer(net, marks, frozenset(written.conditions))
    abouts = {node: one.about or "" for node, one in written.tasks.items()}
    conditions = {node: one.about or "" for node, one in written.conditions.items()}
    drawer.draw(abouts, conditions)
    title = definition.name or definition.id
    return Picture(
        title if name is None else f"{title}: {name}",
        definition.about or "",
        tuple(drawer.nodes),
        tuple(drawer.arrows),
    )


def task_id(name: str) -> str:
    """Return the id of the node that is a task."""
    return f"task {name}"


def condition_id(name: str) -> str:
    """Return the id of the node that is a condition, or a place that nobody named."""
    return f"condition {name}"


class _Drawer:
    """Draws one net, node by node."""

    def __init__(self, net: Net, marks: Marks, named: frozenset[str]) -> None:
        self.nodes: list[Node] = []
        self.arrows: list[Arrow] = []
        self._net = net
        self._marks = marks
        self._named = named
        # place -> the task that takes from it, of the places that nobody named
        self._behind = {
            arc.place: entry.task.id
            for entry in net.tasks
            for arc in entry.task.inputs
            if arc.place not in named
        }
        self._sections: dict[str, list[str]] = {}
        for lock in net.locks:
            for number, (tasks, _places) in enumerate(lock.sections, 1):
                for task in tasks:
                    self._sections.setdefault(task, []).append(f"{lock.id}, section {number}")

    def draw(self, abouts: dict[str, str], conditions: dict[str, str]) -> None:
        """Draw every condition and task with the arrows between them."""
        self.nodes.append(Node(START, Look.START))
        self.arrows.append(Arrow(START, self._way_into(self._net.start)))
        for place in self._net.places.values():
            tokens = self._marks.tokens.get(place.id, 0)
            if place.id in self._behind:
                if tokens:
                    self._draw_unnamed(place.id, tokens)
                continue
            about = conditions.get(place.id, "")
            self.nodes.append(
                Node(
                    condition_id(place.id),
                    Look.CONDITION,
                    place.id,
                    about=about,
                    final=place.final,
                    tokens=tokens,
                )
            )
        for entry in self._net.tasks:
            if entry.task.watches is None:
                self._draw_task(entry.task, abouts.get(entry.task.id, ""))
            else:
                self._draw_deadline(entry.task)

    def _draw_unnamed(self, place: str, tokens: int) -> None:
        self.nodes.append(Node(condition_id(place), Look.CONDITION, tokens=tokens))
        self.arrows.append(Arrow(condition_id(place), task_id(self._behind[place])))

    def _draw_task(self, task: Task, about: str) -> None:
        several_outputs = len(task.outputs) > 1
        self.nodes.append(
            Node(
                task_id(task.id),
                Look.TASK,
                task.id,
                tuple(self._rows(task)),
                about,
                join=_join(task),
                split=f"{_SPLITS[task.split]} split" if several_outputs else "",
                several=task.instances is not None,
                running=self._running(task),
            )
        )
        for arc in task.inputs:
            if arc.place in self._named:
                self._draw_input(arc.place, task.id, arc.weight)
        for place in task.reads:
            self.arrows.append(
                Arrow(condition_id(place), task_id(task.id), Stroke.READ, head=False)
            )
        for number, branch in enumerate(task.outputs):
            self._draw_branch(task, branch, f"{task.id} to {number}")
        for number, branch in enumerate(task.error_outputs):
            label = f"label {task.id} on_error {number}"
            self.nodes.append(Node(label, Look.LABEL, rows=(Row("on failure"),)))
            self._draw_through(task_id(task.id), label, branch.place, Stroke.ERROR)
        self._draw_cancelling(task)

    def _running(self, task: Task) -> int:
        """Return how often a task is running; what holds its instances together is none of them."""
        running = self._marks.running.get(task.id, 0)
        return running if task.instances is None else max(running - 1, min(running, 1))

    def _draw_input(self, place: str, task: str, weight: int) -> None:
        if weight == 1:
            self.arrows.append(Arrow(condition_id(place), task_id(task)))
            return
        label = f"label {place} into {task}"
        self.nodes.append(Node(label, Look.LABEL, rows=(Row(f"{weight} at once"),)))
        self.arrows.append(Arrow(condition_id(place), label, head=False))
        self.arrows.append(Arrow(label, task_id(task)))

    def _draw_branch(self, task: Task, branch: Branch, name: str) -> None:
        rows = tuple(_on_branch(task, branch))
        if not rows:
            self.arrows.append(Arrow(task_id(task.id), self._way_into(branch.place)))
            return
        self.nodes.append(Node(f"label {name}", Look.LABEL, rows=rows))
        self._draw_through(task_id(task.id), f"label {name}", branch.place, Stroke.FLOW)

    def _draw_deadline(self, timer: Task) -> None:
        """Draw a deadline of a running task that ends it; others are rows in its task."""
        for branch in timer.outputs:
            label = f"label {timer.id}"
            rows = (*what_starts(timer), *what_is_done(timer.actions))
            running = self._marks.running.get(timer.id, 0)
            self.nodes.append(Node(label, Look.LABEL, rows=rows, running=running))
            self._draw_through(task_id(timer.watches or ""), label, branch.place, Stroke.FLOW)

    def _draw_through(self, source: str, label: str, place: str, stroke: Stroke) -> None:
        self.arrows.append(Arrow(source, label, stroke, head=False))
        self.arrows.append(Arrow(label, self._way_into(place), stroke))

    def _draw_cancelling(self, task: Task) -> None:
        for target in self._cancelled(task)[:MAX_CANCEL_LINES]:
            self.arrows.append(Arrow(task_id(task.id), target, Stroke.CANCEL))

    def _cancelled(self, task: Task) -> list[str]:
        """Return the nodes that a task empties when it ends."""
        tasks = [name for name in task.cancel_tasks if not self._net.numbered[name].task.watches]
        places = [place for place in task.cancel_places if place in self._named]
        return [*map(task_id, tasks), *map(condition_id, places)]

    def _way_into(self, place: str) -> str:
        """Return the node to which an arrow into a place leads."""
        if place not in self._behind or self._marks.tokens.get(place, 0):
            return condition_id(place)
        return task_id(self._behind[place])

    def _rows(self, task: Task) -> Iterator[Row]:
        """Yield what stands in a task's box."""
        yield from what_starts(task)
        if task.instances is not None:
            yield instances_row(task.instances)
            if task.instances.add is not None:
                yield listening_row(task.instances.add, "one more on")
        yield from what_is_done(task.actions)
        if task.until is not None:
            yield listening_row(task.until, "until")
        for entry in self._net.watching.get(task.id, ()):
            if not entry.task.outputs:
                does = ", ".join(row.text for row in what_is_done(entry.task.actions))
                head = next(what_starts(entry.task))
                yield Row(f"{head.text}: {does}" if does else head.text, Icon.CLOCK)
        for section in self._sections.get(task.id, ()):
            yield Row(f"alone under {section}", Icon.LOCK)
        cancelled = [target.partition(" ")[2] for target in self._cancelled(task)]
        if cancelled:
            more = ", …" if len(cancelled) > MAX_CANCEL_LINES else ""
            yield Row(f"empties {', '.join(cancelled[:MAX_CANCEL_LINES])}{more}", Icon.CANCEL)
        if task.complete_tasks:
            yield Row(f"ends {', '.join(task.complete_tasks[:10])} as done")


def _join(task: Task) -> str:
    """Return a task's join in words, or nothing where there is one input to take from."""
    if len(task.inputs) < 2:
        return ""
    if task.join is not Join.PARTIAL:
        return f"{_JOINS[task.join]} join"
    rest = ", cancel the rest" if task.rest is Rest.CANCEL else ""
    return f"{task.threshold} of {len(task.inputs)} join{rest}"


def _on_branch(task: Task, branch: Branch) -> Iterator[Row]:
    """Yield what stands on an arrow out of a task."""
    if branch.guard is not None:
        yield Row(in_brackets(branch.guard))
    elif task.split is not Split.ALL and branch is task.outputs[-1] and len(task.outputs) > 1:
        yield Row("[else]")
    if branch.each is not None:
        yield Row("one for each item")
    elif branch.weight > 1:
        yield Row(f"{branch.weight} threads")
