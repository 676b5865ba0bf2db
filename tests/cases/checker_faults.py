"""The faults that are planted in the check of nets, each of which the cross-check must find."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cases.net import Arc, Branch, Join, Split, Task
from cases.soundness import certain, explore
from cases.soundness.moves import Move, Moves
from cases.soundness.verdict import Severity

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that can be planted in the check."""

    sentence: str
    plant: Plant


FAULTS: list[Fault] = []


def fault(sentence: str) -> Callable[[Plant], Plant]:
    """Add a fault to the list."""

    def add(plant: Plant) -> Plant:
        FAULTS.append(Fault(sentence, plant))
        return plant

    return add


def seen_otherwise(patch: Patch, name: str, change: Callable[[Task], Task]) -> None:
    """Let a method of the moves see tasks otherwise than they are."""
    real = getattr(Moves, name)

    def wrong(moves: Moves, task: Task, *given: Any) -> Any:  # Any: whatever the method takes
        return real(moves, change(task), *given)

    patch.setattr(Moves, name, wrong)


# How a net moves


@fault("An arc takes one token, however many it weighs.")
def _weights_are_ignored(patch: Patch) -> None:
    def light(task: Task) -> Task:
        return replace(task, inputs=tuple(Arc(arc.place) for arc in task.inputs))

    seen_otherwise(patch, "_takings", light)


@fault("A task puts one token into each place, however many it should.")
def _one_token_each(patch: Patch) -> None:
    real = Moves._filled

    def wrong(moves: Moves, branches: tuple[Branch, ...]) -> Any:
        return real(moves, [replace(branch, weight=1) for branch in branches])

    patch.setattr(Moves, "_filled", wrong)


@fault("An AND-join takes its first input alone.")
def _and_join_takes_one(patch: Patch) -> None:
    seen_otherwise(patch, "_inputs", lambda task: replace(task, inputs=task.inputs[:1]))


@fault("An XOR-join takes all of its inputs.")
def _xor_join_as_and(patch: Patch) -> None:
    seen_otherwise(patch, "_takings", lambda task: _joined(task, Join.ANY, Join.ALL))


def _joined(task: Task, real: Join, wrong: Join) -> Task:
    return replace(task, join=wrong) if task.join is real else task


@fault("An OR-join waits for all of its inputs.")
def _or_join_as_and(patch: Patch) -> None:
    seen_otherwise(patch, "_takings", lambda task: _joined(task, Join.OR, Join.ALL))


@fault("A partial join waits for all of its inputs.")
def _partial_join_as_and(patch: Patch) -> None:
    seen_otherwise(patch, "_takings", lambda task: _joined(task, Join.PARTIAL, Join.ALL))


@fault("A round of a partial join takes nothing in, and never ends.")
def _round_never_ends(patch: Patch) -> None:
    patch.setattr(Moves, "_settled", lambda _moves, tokens: tuple(sorted(tokens)))


@fault("A split takes its first branch.")
def _xor_split_takes_the_first(patch: Patch) -> None:
    def first(task: Task) -> Task:
        chooses = task.split is Split.FIRST
        return replace(task, outputs=task.outputs[:1]) if chooses else task

    seen_otherwise(patch, "_ways", first)


@fault("An OR-split takes one branch.")
def _or_split_as_xor(patch: Patch) -> None:
    def one(task: Task) -> Task:
        return replace(task, split=Split.FIRST) if task.split is Split.EVERY else task

    seen_otherwise(patch, "_ways", one)


@fault("What is emptied keeps its tokens.")
def _nothing_is_emptied(patch: Patch) -> None:
    patch.setattr(Moves, "_cancelled", lambda _moves, _task: iter(()))


@fault("A place that must hold a token is not asked for.")
def _reads_are_ignored(patch: Patch) -> None:
    seen_otherwise(patch, "_is_plain", lambda task: replace(task, reads=()))


@fault("What fires by itself does not go first.")
def _nothing_goes_first(patch: Patch) -> None:
    patch.setattr(Moves, "_comes_from_outside", lambda _moves, _task: True)


@fault("The last task that may fire is overlooked.")
def _last_is_overlooked(patch: Patch) -> None:
    real = Moves.after

    def wrong(moves: Moves, marking: Any) -> Iterator[Move]:
        yield from list(real(moves, marking))[:-1]

    patch.setattr(Moves, "after", wrong)


@fault("A case goes on after its end.")
def _no_end(patch: Patch) -> None:
    patch.setattr(Moves, "is_end", lambda _moves, _marking: False)


# What is told of it


@fault("A case that stops before its end is taken to have ended.")
def _stops_are_ends(patch: Patch) -> None:
    patch.setattr(Moves, "leads_nowhere", lambda _moves, _marking: True)


@fault("What goes on for ever is overlooked.")
def _no_livelock(patch: Patch) -> None:
    patch.setattr(explore, "_endless", lambda _seen: [])


@fault("What leads to a stop is taken to go on for ever.")
def _stops_are_livelocks(patch: Patch) -> None:
    real = explore._endless

    def wrong(seen: Any) -> Any:
        seen.stuck.clear()
        return real(seen)

    patch.setattr(explore, "_endless", wrong)


@fault("An end that can come twice is only warned of.")
def _twice_is_a_warning(patch: Patch) -> None:
    real = explore._left_behind
    patch.setattr(explore, "_left_behind", lambda *given: real(*given) and Severity.WARNING)


@fault("What an end withdraws is taken for an end that comes twice.")
def _left_is_an_error(patch: Patch) -> None:
    real = explore._left_behind
    patch.setattr(explore, "_left_behind", lambda *given: real(*given) and Severity.ERROR)


@fault("Two tokens in a place are taken for growth without end.")
def _two_are_endless(patch: Patch) -> None:
    def wrong(_growth: Any, marking: Any, _earlier: Any) -> bool:
        return len(set(marking)) < len(marking)

    patch.setattr(explore._Growth, "is_endless", wrong)


@fault("Growth without end is overlooked.")
def _growth_is_overlooked(patch: Patch) -> None:
    patch.setattr(explore._Growth, "is_endless", lambda *_: False)


@fault("Tasks that never fire are overlooked.")
def _no_dead_tasks(patch: Patch) -> None:
    patch.setattr(explore, "dead_tasks", lambda *_: iter(()))


# What is certain


@fault("Guards may always disagree.")
def _all_is_certain(patch: Patch) -> None:
    patch.setattr(explore, "is_certain", lambda *_: True)


@fault("A certain way behind a nearer one that is only possible is overlooked.")
def _nearest_way_decides(patch: Patch) -> None:
    patch.setattr(explore, "certain_ways", lambda *_: {})


@fault("What has been set is taken to be as it was.")
def _set_stays_asked(patch: Patch) -> None:
    patch.setattr(certain, "_is_set", lambda *_: False)


@fault("What a task's own guard asks for is overlooked.")
def _first_guard_is_overlooked(patch: Patch) -> None:
    real = certain._facts_of

    def wrong(task: Task) -> Any:
        _, sets, last = real(task)
        return frozenset(), sets, last

    patch.setattr(certain, "_facts_of", wrong)


@fault("What a choice asks for is overlooked.")
def _choice_is_overlooked(patch: Patch) -> None:
    real = certain._facts_of

    def wrong(task: Task) -> Any:
        first, sets, _ = real(task)
        return first, sets, frozenset()

    patch.setattr(certain, "_facts_of", wrong)
