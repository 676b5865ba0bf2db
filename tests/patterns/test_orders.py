"""Joins against a plain model of their meaning, in every order in which their branches may come."""

from collections.abc import Mapping, Sequence
from itertools import permutations

import pytest

from tests.patterns.running import begin, counts

# How often each branch comes, by pattern and event.
BLOCKING: Mapping[int, tuple[int, Mapping[str, int]]] = {
    28: (1, {"left_came": 2, "right_came": 2}),
    31: (2, {"left_came": 2, "middle_came": 2, "right_came": 1}),
}


def _orders(times: Mapping[str, int]) -> list[tuple[str, ...]]:
    return sorted(set(permutations([name for name, count in times.items() for _ in range(count)])))


class _Model:
    """A blocking partial join: one token of each branch in a round, the rest waits (WCP-28, 31)."""

    def __init__(self, threshold: int, times: Mapping[str, int]) -> None:
        self._threshold = threshold
        self._to_come = dict(times)
        self._waiting = dict.fromkeys(times, 0)
        self._used: set[str] | None = None
        self.fired = 0

    def come(self, branch: str) -> int:
        """Let a token of a branch come, and return how often the join has fired."""
        self._to_come[branch] -= 1
        self._waiting[branch] += 1
        while self._moves():
            pass
        return self.fired

    def _moves(self) -> bool:
        if self._used is None:
            ready = {branch for branch, count in self._waiting.items() if count}
            if len(ready) < self._threshold:
                return False
            self.fired += 1
            self._used = set()
        else:
            ready = {one for one, count in self._waiting.items() if count and one not in self._used}
        for branch in ready:
            self._waiting[branch] -= 1
        self._used |= ready
        missing = set(self._waiting) - self._used
        if not any(self._to_come[branch] for branch in missing):
            self._used = None
            return True
        return bool(ready)


@pytest.mark.parametrize("number", BLOCKING)
def test_a_blocking_join_fires_as_often_as_its_model_in_every_order(number: int) -> None:
    threshold, times = BLOCKING[number]
    for order in _orders(times):
        model = _Model(threshold, times)
        run = begin(number)
        assert counts(run, "check", order) == [model.come(branch) for branch in order], order
        assert run.closed


def test_a_generalised_and_join_fires_once_for_each_pair_in_every_order() -> None:
    for order in _orders({"frame_made": 2, "wheel_made": 2}):
        run = begin(33)
        assert counts(run, "assemble", order) == _pairs(order), order
        assert run.closed


def _pairs(order: Sequence[str]) -> list[int]:
    so_far = [order[: length + 1] for length in range(len(order))]
    return [min(seen.count("frame_made"), seen.count("wheel_made")) for seen in so_far]


def test_interleaved_exams_keep_their_order_and_run_one_at_a_time_in_every_order() -> None:
    for order in permutations(["written", "oral", "practical"]):
        run = begin(17).tell_all(*(f"{name}_begun" for name in order))
        ended: list[str] = []
        while run.running:
            (name,) = run.running
            ended.append(name)
            run.tell(f"{name}_ended")
        assert run.closed
        assert sorted(ended) == ["oral", "practical", "written"]
        assert ended.index("written") < ended.index("oral")
