"""Whether a case that is over could come to its end once more, by what it has left behind."""

from collections import deque
from collections.abc import Callable

from cases.soundness.moves import Marking, Moves


class SecondEnds:
    """Looks on from what an end leaves behind, as if the case were not over."""

    def __init__(self, moves: Moves, most: int, still_time: Callable[[], bool]) -> None:
        """Look at no more moves than `most`, of all ends together."""
        self._moves = moves
        self._left_to_look = most
        self._still_time = still_time
        self._alive = moves.can_reach_an_end()
        self._none: set[Marking] = set()
        self.is_spent = False

    def may_come(self, left: Marking) -> bool:
        """Tell whether an end is found on from what is left; `is_spent` if that took too long."""
        if self._alive.isdisjoint(left):
            return False
        todo, seen = deque([left]), {left}
        while todo:
            marking = todo.popleft()
            if marking in self._none:
                continue
            for move in self._moves.after(marking):
                if self._left_to_look <= 0 or not self._still_time():
                    self.is_spent = True
                    return False
                self._left_to_look -= 1
                if not self._moves.final.isdisjoint(move.after):
                    return True
                if move.after not in seen:
                    seen.add(move.after)
                    todo.append(move.after)
        self._none |= seen
        return False
