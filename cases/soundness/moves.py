"""How a net moves, for its check: which markings may follow one, by which task.

It is the token game with all that the case data, the clock and people decide left open: a guard may
hold or not, an event or a deadline may always come. A marking is a sorted tuple of numbers, one for
each token. Numbers past the places stand for a running task, a group of instances that has passed,
and the inputs that the round of a partial join has used. That a task runs is told apart only in
nets where something can see it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product

from cases.actions import CloseCase
from cases.net import Arc, Branch, Join, Net, NumberedTask, Rest, Split, Task, Trigger
from cases.wiring import wiring_of

Marking = tuple[int, ...]

# A list that `each` reads is taken to have one item or two: enough to tell one thread from several.
_LIST_SIZES = (1, 2)
# A task that may fill its outputs in more ways than these has them made one by one.
_MANY_OUTPUTS = 1_000


@dataclass(frozen=True, slots=True)
class Move:
    """A task that starts, ends, or both, and the marking after it; `ends` closes the case."""

    task: str
    after: Marking
    ends: bool = False


class Moves:
    """The moves of one net."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self._wiring = wiring_of(net)
        self.names = list(net.places)
        self.number = {name: index for index, name in enumerate(self.names)}
        self.final = frozenset(self.number[p.id] for p in net.places.values() if p.final)
        self._taken = frozenset(self.number[name] for name in self._wiring.taken_from)
        self._seen = _is_running_seen(net)
        self._size = len(self.names)
        self._used: dict[str, dict[str, int]] = {}  # partial join -> input -> number
        self._running: dict[str, int] = {}
        self._passed: dict[str, int] = {}
        for entry in net.tasks:
            self._number_task(entry.task)
        self._by_place: dict[int, list[NumberedTask]] = {}
        for entry in net.tasks:
            for arc in entry.task.inputs:
                self._by_place.setdefault(self.number[arc.place], []).append(entry)
        self._with_many_outputs: set[str] = set()  # only asked, never walked
        self._known_outputs: dict[str, tuple[tuple[int, ...], ...]] = {}
        self._cancels = {
            entry.task.id: frozenset(self._cancelled(entry.task)) for entry in net.tasks
        }
        self._tasks_by_number = {n: net.numbered[name].task for name, n in self._running.items()}
        self._plain = {e.task.id: self._inputs(e.task) for e in net.tasks if self._is_plain(e.task)}
        self._reaching: dict[tuple[str, frozenset[int]], frozenset[int]] = {}

    def start(self, place: str) -> Marking:
        """Return the marking with one token."""
        return (self.number[place],)

    def is_end(self, marking: Marking) -> bool:
        """Tell whether the case is over at a marking."""
        if not self.final.isdisjoint(marking):
            return True
        return self.net.ends_when_empty and not any(
            one in self._taken or one >= len(self.names) for one in marking
        )

    def after(self, marking: Marking) -> Iterator[Move]:
        """Yield every move that a marking allows, in declared order of the tasks.

        What fires by itself goes before all that comes from outside, as in the token game.
        """
        orders = {e.order for one in set(marking) for e in self._by_place.get(one, ())}
        at_once = False
        tasks = [self.net.tasks[order].task for order in sorted(orders)]
        for task in sorted(tasks, key=self._comes_from_outside):
            outside = self._comes_from_outside(task)
            if at_once and outside:
                return
            plain = self._plain.get(task.id)
            if plain is not None:
                for after in self._moved(task, plain, marking):
                    at_once = at_once or (not outside and task.guard is None)
                    yield Move(task.id, after)
            elif all(self.number[place] in marking for place in task.reads) and self._is_free(
                task, marking
            ):
                for rest in self._takings(task, marking):
                    at_once = at_once or (not outside and task.guard is None)
                    yield from self._begun(task, rest)
        if not at_once and marking and marking[-1] >= len(self.names):
            yield from self._going_on(marking)

    def shown(self, marking: Iterable[int]) -> str:
        """Return the places and running tasks of a marking in words."""
        names = dict(enumerate(self.names))
        names |= {n: f"{task} (running)" for task, n in self._running.items()}
        names |= {n: f"{task} (its last instances)" for task, n in self._passed.items()}
        rounds = {
            n: f"{task} (its round)" for task, used in self._used.items() for n in used.values()
        }
        told = [names[one] for one in marking if one in names]
        return ", ".join(dict.fromkeys(told or [rounds[one] for one in marking])) or "nowhere"

    def only_starts(self, move: Move, before: Marking) -> bool:
        """Tell whether a move lets its task begin to run, and does not end it."""
        running = self._running.get(move.task)
        return running is not None and move.after.count(running) > before.count(running)

    def running_tasks(self) -> frozenset[str]:
        """Return the tasks that are seen to run for a while."""
        return frozenset(self._running)

    def leads_nowhere(self, marking: Marking) -> bool:
        """Tell whether nothing at all takes the tokens of a marking."""
        return not any(one in self._taken or one >= len(self.names) for one in marking)

    def can_reach_an_end(self) -> frozenset[int]:
        """Return the places and running tasks from which a path leads to a final place."""
        return self._reach_back("", self.final)

    # What is numbered

    def _number_task(self, task: Task) -> None:
        if self._seen and holds(task):
            self._running[task.id] = self._size
            self._size += 1
        instances = task.instances
        if instances is not None and instances.threshold and instances.rest is Rest.WAIT:
            self._passed[task.id] = self._size
            self._size += 1
        if task.join is Join.PARTIAL and task.rest is Rest.WAIT:
            self._used[task.id] = {
                arc.place: self._size + index for index, arc in enumerate(task.inputs)
            }
            self._size += len(task.inputs)

    def _cancelled(self, task: Task) -> Iterator[int]:
        yield from (self.number[place] for place in task.cancel_places)
        for name in task.cancel_tasks:
            yield from (table[name] for table in (self._running, self._passed) if name in table)
            yield from self._used.get(name, {}).values()

    # Starting

    def _is_plain(self, task: Task) -> bool:
        """Tell whether a task takes a token of each input and fills its outputs, and no more."""
        seen = self._running.get(task.id, self._passed.get(task.id))
        closes = any(isinstance(planned.action, CloseCase) for planned in task.actions)
        more = task.reads or task.complete_tasks or self._used or self._cancels[task.id]
        weighs = any(arc.weight > 1 for arc in task.inputs)
        locked = task.id in self._wiring.locks
        return task.join is Join.ALL and seen is None and not (closes or more or weighs or locked)

    def _inputs(self, task: Task) -> tuple[int, ...]:
        return tuple(self.number[arc.place] for arc in task.inputs)

    def _moved(self, task: Task, plain: tuple[int, ...], marking: Marking) -> Iterator[Marking]:
        """Yield what comes after a plain task; most are such, and their speed is the check's."""
        for place in plain:
            if place not in marking:
                return
        left = list(marking)
        for place in plain:
            left.remove(place)
        for made in self._outputs(task):
            yield tuple(sorted((*left, *made)))

    def _comes_from_outside(self, task: Task) -> bool:
        """Tell whether a move waits for something: to start, or to end where only that is seen."""
        return task.trigger is not Trigger.NONE or (holds(task) and task.id not in self._running)

    def _is_free(self, task: Task, marking: Marking) -> bool:
        if task.id in self._passed and self._passed[task.id] in marking:
            return False
        if task.join is Join.PARTIAL:
            if any(one in marking for one in self._used.get(task.id, {}).values()):
                return False
            if task.rest is Rest.CANCEL and self._running.get(task.id) in marking:
                return False
        for lock in self._wiring.locks.get(task.id, ()):
            for tasks, places in lock.sections:
                inside = [self.number[place] for place in places]
                inside += [self._running[name] for name in tasks if name in self._running]
                inside += [self._passed[name] for name in tasks if name in self._passed]
                if any(one in marking for one in inside):
                    return False
        return True

    def _takings(self, task: Task, marking: Marking) -> Iterator[Marking]:
        """Yield what is left of a marking when a task has taken its tokens, in each way."""
        filled = [arc for arc in task.inputs if marking.count(self.number[arc.place]) >= arc.weight]
        if task.join is Join.ALL:
            if len(filled) == len(task.inputs):
                yield self._without(marking, task, filled)
        elif task.join is Join.ANY:
            for arc in filled:
                yield self._without(marking, task, [arc])
        elif task.join is Join.OR:
            if filled and self._awaits_nothing(task, marking, {arc.place for arc in filled}):
                yield self._without(marking, task, filled)
        elif len(filled) >= task.threshold:
            yield self._round_begun(task, marking, filled)

    def _without(self, marking: Marking, task: Task, arcs: Sequence[Arc]) -> Marking:
        left = list(marking)
        for arc in task.inputs:
            if arc in arcs:
                for _ in range(arc.weight):
                    left.remove(self.number[arc.place])
        return tuple(left)

    def _round_begun(self, task: Task, marking: Marking, filled: Sequence[Arc]) -> Marking:
        left = self._without(marking, task, filled)
        if task.rest is Rest.CANCEL:
            gone = self._cancels[task.id] | {self.number[arc.place] for arc in task.inputs}
            return tuple(one for one in left if one not in gone)
        if len(filled) == len(task.inputs):
            return left
        used = self._used[task.id]
        return (*left, *(used[arc.place] for arc in task.inputs if arc in filled))

    def _awaits_nothing(self, task: Task, marking: Marking, filled: set[str]) -> bool:
        full = frozenset(self.number[place] for place in filled)
        inputs = frozenset(self.number[arc.place] for arc in task.inputs)
        others = [one for one in set(marking) if one not in full]
        to_empty = self._reach_back(task.id, inputs - full)
        to_filled = self._reach_back(task.id, full)
        return all(one in to_filled for one in others if one in to_empty)

    def _reach_back(self, join: str, goals: frozenset[int]) -> frozenset[int]:
        """Return from where a path leads to some places that is not through a join."""
        known = self._reaching.get((join, goals))
        if known is not None:
            return known
        found, todo = set(goals), list(goals)
        while todo:
            place = todo.pop()
            name = self.names[place]
            for feeder in self._wiring.feeders.get(name, ()):
                task = self.net.numbered[feeder].task
                sources = [self.number[arc.place] for arc in task.inputs if feeder != join]
                for source in sources:
                    if source not in found:
                        found.add(source)
                        todo.append(source)
                if feeder in self._running:
                    found.add(self._running[feeder])
        known = self._reaching[join, goals] = frozenset(found)
        return known

    # Ending

    def _begun(self, task: Task, left: Marking) -> Iterator[Move]:
        running = self._running.get(task.id)
        if running is None:
            yield from self._completed(task, left)
        else:
            yield Move(task.id, self._settled((*left, running)))

    def _going_on(self, marking: Marking) -> Iterator[Move]:
        """Yield the ends of running tasks, their deadlines, and the ends of passed groups."""
        for one in sorted(set(marking)):
            task = self._tasks_by_number.get(one)
            if task is not None:
                left = list(marking)
                left.remove(one)
                yield from self._completed(task, tuple(left))
                for watch in self.net.watching.get(task.id, ()):
                    rest = tuple(left) if watch.task.stops_watched else marking
                    yield from self._completed(watch.task, rest)
        for name, number in self._passed.items():
            if number in marking:
                yield Move(name, self._settled(one for one in marking if one != number))

    def _completed(self, task: Task, left: Marking) -> Iterator[Move]:
        if any(isinstance(planned.action, CloseCase) for planned in task.actions):
            yield Move(task.id, left, ends=True)
            return
        gone = self._cancels[task.id]
        kept = tuple(one for one in left if one not in gone) if gone else left
        for made in self._made(task):
            for more, rest in self._taken_as_done(task, kept):
                after = self._settled((*rest, *made, *more))
                yield Move(task.id, after)

    def _made(self, task: Task) -> Iterator[tuple[int, ...]]:
        passed = self._passed.get(task.id)
        for made in self._outputs(task):
            yield made
            if passed is not None:
                yield (*made, passed)

    def _taken_as_done(
        self, task: Task, left: Marking
    ) -> Iterator[tuple[tuple[int, ...], Marking]]:
        done = [name for name in task.complete_tasks if self._running.get(name) in left]
        gone = {self._passed[name] for name in task.complete_tasks if name in self._passed}
        gone |= {self._running[name] for name in done}
        rest = tuple(one for one in left if one not in gone)
        for made in self._made_by_all(done):
            yield made, rest

    def _made_by_all(self, names: Sequence[str]) -> Iterator[tuple[int, ...]]:
        """Yield what some tasks put together, one by one: there may be very many ways."""
        if not names:
            yield ()
            return
        for first in self._outputs(self.net.numbered[names[0]].task):
            for others in self._made_by_all(names[1:]):
                yield (*first, *others)

    def _outputs(self, task: Task) -> Iterable[tuple[int, ...]]:
        """Return what a task may put; where that is too much to hold, it is made as it is asked."""
        if task.id in self._with_many_outputs:
            return self._choices(task)
        known = self._known_outputs.get(task.id)
        if known is None:
            known = tuple(islice(self._choices(task), _MANY_OUTPUTS))
            if len(known) == _MANY_OUTPUTS:
                self._with_many_outputs.add(task.id)
                return self._choices(task)
            known = self._known_outputs[task.id] = tuple(dict.fromkeys(known))
        return known

    def _choices(self, task: Task) -> Iterator[tuple[int, ...]]:
        """Yield what a task may put, in each way that its guards may decide."""
        for branches in self._ways(task):
            yield from self._filled(branches)
        if task.error_outputs:
            yield from self._filled(task.error_outputs)

    def _ways(self, task: Task) -> Iterator[tuple[Branch, ...]]:
        outputs = task.outputs
        if task.split is Split.ALL or not outputs:
            yield outputs
        elif task.split is Split.FIRST:
            for branch in outputs:
                yield (branch,)
                if branch.guard is None:
                    return
        else:
            guarded = [branch for branch in outputs if branch.guard is not None]
            always = [branch for branch in outputs if branch.guard is None]
            for size in range(len(guarded) + 1):
                for some in combinations(guarded, size):
                    yield (*always, *some) or outputs[-1:]

    def _filled(self, branches: Sequence[Branch]) -> Iterator[tuple[int, ...]]:
        sizes = [(b.weight,) if b.each is None else _LIST_SIZES for b in branches]
        for numbers in product(*sizes):
            yield tuple(
                self.number[branch.place]
                for branch, size in zip(branches, numbers, strict=True)
                for _ in range(size)
            )

    # Rounds

    def _settled(self, tokens: Iterable[int]) -> Marking:
        """Return a marking in which rounds have taken what came late, and are over if they are."""
        marking = tuple(sorted(tokens))
        if not self._used or marking[-1:] < (len(self.names),):
            return marking
        for name, used in self._used.items():
            marking = self._round(name, used, marking)
        return marking

    def _round(self, name: str, used: dict[str, int], marking: Marking) -> Marking:
        if not any(one in marking for one in used.values()):
            return marking
        left = list(marking)
        for arc in self.net.numbered[name].task.inputs:
            place = self.number[arc.place]
            if used[arc.place] not in left and left.count(place) >= arc.weight:
                for _ in range(arc.weight):
                    left.remove(place)
                left.append(used[arc.place])
        missing = frozenset(self.number[p] for p, one in used.items() if one not in left)
        ways = self._reach_back(name, missing) if missing else frozenset()
        if not any(one in ways for one in left):
            numbers = set(used.values())
            left = [one for one in left if one not in numbers]
        return tuple(sorted(left))


def holds(task: Task) -> bool:
    """Tell whether a task runs for a while."""
    return (
        task.until is not None
        or task.instances is not None
        or any(planned.blocking for planned in task.actions)
    )


def _is_running_seen(net: Net) -> bool:
    """Tell whether it makes a difference to a net that a task is running."""
    return bool(net.locks or net.watching) or any(
        entry.task.cancel_places
        or entry.task.cancel_tasks
        or entry.task.complete_tasks
        or entry.task.reads
        or entry.task.join in (Join.OR, Join.PARTIAL)
        for entry in net.tasks
    )
