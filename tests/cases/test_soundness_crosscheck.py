"""The check of nets against brute force and the real engine, and against faults planted in it."""

from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.cases.checker_faults import FAULTS, Fault
from tests.cases.crosscheck import (
    TOO_MUCH,
    against_brute_force,
    against_engine,
    unseen_by_check,
    unseen_by_engine,
    with_joins,
)
from tests.cases.plain_petri import Transition
from tests.cases.small_petri import drawn_transitions

# Shrunk by hypothesis to the smallest net that the two do not agree on.
randoms = st.randoms(use_true_random=False)
# So many nets are drawn before a fault counts as overlooked; most are found among the first ten.
MOST_NETS = 1_500


def _by_brute_force(random: Random) -> str | None:
    return against_brute_force(drawn_transitions(random))


def _by_engine(random: Random) -> str | None:
    return against_engine(drawn_transitions(random, replayed=True))


def _by_engine_with_joins(random: Random) -> str | None:
    transitions = drawn_transitions(random, replayed=True)
    return unseen_by_check(with_joins(transitions, random), transitions)


# One input comes late, when the join has started without it, and all of it once more.
LATE = (
    Transition("begin", ("start",), ("a", "b")),
    Transition("late", ("b",), ("c",)),
    Transition("join", ("a", "c"), ("d",)),
    Transition("again", ("d",), ("a", "b")),
    Transition("stop", ("d",), ("end",)),
)


def _by_engine_with_a_late_input(random: Random) -> str | None:
    net = with_joins(LATE, random)
    return unseen_by_check(net, LATE) or unseen_by_engine(net, LATE)


CHECKS: tuple[Callable[[Random], str | None], ...] = (
    _by_brute_force,
    _by_engine,
    _by_engine_with_joins,
    _by_engine_with_a_late_input,
)


@pytest.mark.parametrize("check", CHECKS)
@given(randoms)
def test_the_check_agrees_with_brute_force_and_with_the_engine(
    check: Callable[[Random], str | None], random: Random
) -> None:
    try:
        found = check(random)
    except TOO_MUCH:
        assume(False)
    assert found is None


def _disagreements() -> Iterator[str]:
    for seed in range(MOST_NETS):
        for check in CHECKS:
            try:
                found = check(Random(seed))  # noqa: S311 (nets are drawn, not secrets)
            except TOO_MUCH:
                continue
            except Exception as error:
                found = f"it breaks: {error!r}"
            if found is not None:
                yield found


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.sentence for fault in FAULTS])
def test_a_fault_that_is_planted_in_the_check_is_found(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault.plant(monkeypatch)
    assert next(_disagreements(), None) is not None
