"""What the check of nets says against what two others find: brute force, and the real engine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from cases.net import Join, Net, make_net
from cases.soundness.explore import check_net
from cases.soundness.moves import Marking, Moves
from cases.soundness.verdict import Finding, FindingKind, Report, Soundness
from tests.cases.engine_walks import (
    Tokens,
    TooManyStates,
    follow,
    is_over,
    led_to,
    reached,
    tokens_of,
)
from tests.cases.plain_petri import TooMany, Transition, judge
from tests.cases.small_petri import net_of

MOST_MARKINGS = 300
STUCK = {FindingKind.DEADLOCK, FindingKind.NO_WAY_OUT}
JOINS = ((Join.ALL, 1), (Join.OR, 1), (Join.PARTIAL, 1), (Join.PARTIAL, 2))


# Brute force


def against_brute_force(transitions: Sequence[Transition]) -> str | None:
    """Return in what the check and brute force differ about a net; raises TooMany."""
    expected = judge(transitions)
    report = check_net(net_of(transitions))
    found = {(str(one.kind), str(one.severity)) for one in report.findings}
    certain = {(str(one.kind), str(one.severity)) for one in report.findings if not one.possible}
    if found != expected.problems:
        return f"problems: {sorted(found)}, and by brute force {sorted(expected.problems)}"
    if FindingKind.UNBOUNDEDNESS in {one.kind for one in report.findings}:
        # Whether such a way is certain is a question that brute force does not come to the end of.
        return None if report.verdict in (Soundness.UNSOUND, Soundness.UNKNOWN) else "not unsound"
    if certain != expected.certain:
        return f"certain: {sorted(certain)}, and by brute force {sorted(expected.certain)}"
    if str(report.verdict) != expected.verdict:
        return f"verdict: {report.verdict}, and by brute force {expected.verdict}"
    return None


# The engine


def against_engine(transitions: Sequence[Transition]) -> str | None:
    """Return in what the check and the engine differ; raises TooManyStates.

    Every way that the check gives is gone, and whatever the engine can come to has been foreseen.
    """
    net = net_of(transitions)
    report = check_net(net)
    for finding in report.findings:
        if not _happens(net, transitions, finding):
            return f"this does not happen: {finding.kind}, {finding}"
    kinds = {one.kind for one in report.findings}
    return None if FindingKind.UNBOUNDEDNESS in kinds else _unforeseen(net, transitions, report)


def _happens(net: Net, transitions: Sequence[Transition], finding: Finding) -> bool:
    if finding.kind is FindingKind.DEAD_TASK:
        return finding.place not in _firing(net, transitions)
    if finding.kind is FindingKind.UNBOUNDEDNESS:
        return any(
            _grows(net, transitions, finding.witness, index)
            for index in range(len(finding.witness))
        )
    states = led_to(net, transitions, finding.witness)
    if finding.kind is FindingKind.IMPROPER_COMPLETION:
        return any(is_over(one) and len(tokens_of(one)) > 1 for one in states)
    open_ones = [one for one in states if not is_over(one)]
    if finding.kind in STUCK:
        places = set(finding.place.split(", "))
        return any(
            set(tokens_of(one)) == places and not reached(net, transitions, one)[tokens_of(one)][1]
            for one in open_ones
        )
    assert finding.kind is FindingKind.LIVELOCK
    return any(_goes_on_for_ever(net, transitions, one) for one in map(tokens_of, open_ones))


def _firing(net: Net, transitions: Sequence[Transition]) -> set[str]:
    """Return the transitions that the engine can fire."""
    states = [state for state, _ in reached(net, transitions).values()]
    return {one.name for one in transitions if follow(net, transitions, [one.name], states)}


def _grows(net: Net, transitions: Sequence[Transition], way: Sequence[str], index: int) -> bool:
    """Tell whether the end of a way can be gone again and again, with more tokens each time."""
    again = way[index:]
    for before in led_to(net, transitions, way[:index]):
        for after in follow(net, transitions, again, [before]):
            if Counter(tokens_of(after)) > Counter(tokens_of(before)):
                for twice in follow(net, transitions, again, [after]):
                    if Counter(tokens_of(twice)) > Counter(tokens_of(after)):
                        return True
    return False


def _goes_on_for_ever(net: Net, transitions: Sequence[Transition], first: Tokens) -> bool:
    all_states = reached(net, transitions)
    todo, seen = [first], set[Tokens]()
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        after = all_states[here][1]
        if not after or any(map(is_over, after)):
            return False
        todo += map(tokens_of, after)
    return True


def _unforeseen(net: Net, transitions: Sequence[Transition], report: Report) -> str | None:
    """Return what the engine comes to and the check has not found."""
    kinds = {one.kind for one in report.findings}
    for tokens, (_, after) in reached(net, transitions).items():
        if not after and not kinds & STUCK:
            return f"the engine is stuck in {tokens}"
        left = [one for one in after if is_over(one) and len(tokens_of(one)) > 1]
        if left and FindingKind.IMPROPER_COMPLETION not in kinds:
            return f"the engine ends with {tokens_of(left[0])}"
        if FindingKind.LIVELOCK not in kinds and _goes_on_for_ever(net, transitions, tokens):
            return f"the engine goes on for ever from {tokens}"
    dead = {one.place for one in report.findings if one.kind is FindingKind.DEAD_TASK}
    never = {one.name for one in transitions} - _firing(net, transitions)
    return None if dead == never else f"never fired: {sorted(never)}, and told: {sorted(dead)}"


# The engine on joins that wait for what may still come


def with_joins(transitions: Sequence[Transition], random: Random) -> Net:
    """Return the net of some transitions, of which those with several inputs wait in other ways."""
    plain = net_of(transitions)
    tasks = [entry.task for entry in plain.tasks]
    for index, task in enumerate(tasks):
        join, threshold = random.choice(JOINS)
        weighs = any(arc.weight > 1 for arc in task.inputs)
        if task.join is Join.ALL and len(task.inputs) > 1 and not weighs:
            threshold = min(threshold, len(task.inputs))
            tasks[index] = replace(task, join=join, threshold=threshold)
    return make_net(list(plain.places.values()), tasks, "start")


def unseen_by_check(net: Net, transitions: Sequence[Transition]) -> str | None:
    """Return a marking that the engine comes to and the check does not; raises TooMany.

    Only while the case is open: at its end the check lets a round take in what came late.
    """
    moves = Moves(net)
    expected = _all_after(moves, moves.start("start"))
    unseen = [tokens for tokens in reached(net, transitions) if tokens not in expected]
    return f"the engine comes to {unseen[0]}" if unseen else None


def unseen_by_engine(net: Net, transitions: Sequence[Transition]) -> str | None:
    """Return a marking of an open case that the check comes to and the engine does not."""
    moves = Moves(net)
    expected = {one for one in _all_after(moves, moves.start("start")) if "end" not in one}
    unseen = sorted(expected - reached(net, transitions).keys())
    return f"the check comes to {unseen[0]}" if unseen else None


def _all_after(moves: Moves, first: Marking) -> set[Tokens]:
    """Return the places of all markings that the check holds to be possible, up to a bound."""
    seen, todo = {first}, [first]
    while todo:
        one = todo.pop()
        if moves.is_end(one):
            continue
        for move in moves.after(one):
            if len(seen) > MOST_MARKINGS:
                raise TooMany
            if move.after not in seen:
                seen.add(move.after)
                todo.append(move.after)
    return {tuple(sorted(moves.names[n] for n in one if n < len(moves.names))) for one in seen}


TOO_MUCH = (TooMany, TooManyStates)
