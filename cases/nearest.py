"""The nearest right name for a wrong one."""

import difflib
from collections.abc import Iterable
from heapq import nlargest

from cases.limits import MAX_NAME_CHARS

# difflib takes up to 0.2 ms for a pair of long names, and a stranger may bring 100 wrong ones for
# 500 right ones: only as many are compared as begin or end most alike.
_COMPARED = 20


def nearest(wrong: object, names: Iterable[str]) -> str | None:
    """Return the name that a wrong one was most likely meant to be, or None."""
    if not isinstance(wrong, str):
        return None
    given = wrong[:MAX_NAME_CHARS]
    candidates = list(names)
    if len(candidates) > _COMPARED:
        candidates = nlargest(_COMPARED, candidates, key=lambda name: _alike_ends(given, name))
    found = difflib.get_close_matches(given, candidates, n=1, cutoff=0.6)
    return found[0] if found else None


def _alike_ends(one: str, other: str) -> int:
    """Return how many characters two names share at their beginnings and ends."""
    return _alike_start(one, other) + _alike_start(one[::-1], other[::-1])


def _alike_start(one: str, other: str) -> int:
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return index
    return min(len(one), len(other))
