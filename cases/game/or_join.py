"""OR-joins: they wait for all that can still come, and for nothing else (WCP-7, 37, 38).

By the path rule of BPMN 2.0 (Völzer): a token with a path to an empty input holds the join back,
unless it also has a path to a filled one; paths through the join itself do not count. It is linear
in the net, where asking which markings can be reached is not.
"""

from collections.abc import Sequence

from cases.game.lineage import related
from cases.game.reach import ahead, reaching
from cases.game.working import Working
from cases.net import Task
from cases.state import Token


def awaits_nothing(work: Working, task: Task, anchor: Token | None = None) -> bool:
    """Tell whether nothing is under way to the empty inputs of an OR-join with a filled one.

    With an `anchor` only what belongs to its thread counts, and to those above and below it.
    """
    filled = _filled(work, task, anchor)
    empty = [arc.place for arc in task.inputs if arc.place not in filled]
    if not empty:
        return True
    on_the_way = _on_the_way(work, task, anchor, filled)
    if not on_the_way:
        return True
    to_empty = reaching(work, task, empty)
    held_back = [places for places in on_the_way if any(one in to_empty for one in places)]
    if not held_back:
        return True
    to_filled = reaching(work, task, filled)
    return all(any(one in to_filled for one in places) for places in held_back)


def _filled(work: Working, task: Task, anchor: Token | None) -> list[str]:
    if anchor is None:
        return work.marking.filled(task)
    bound = work.marking.bound(task, anchor) or ()
    return list(dict.fromkeys(token.place for token in bound))


def _on_the_way(
    work: Working, task: Task, anchor: Token | None, filled: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return, for each token that is elsewhere, the places at which its way goes on."""
    if anchor is None:
        resting = [(place,) for place in work.marking.tokens if place not in filled]
        return resting + [places for _, places in ahead(work)]
    resting = [
        (place,)
        for place, tokens in work.marking.tokens.items()
        if place not in filled
        and any(related(work.threads, token.thread, anchor.thread) for token in tokens)
    ]
    running = [
        places
        for firing, places in ahead(work)
        if related(work.threads, firing.thread, anchor.thread)
    ]
    return resting + running
