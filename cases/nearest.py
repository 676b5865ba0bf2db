"""The nearest right name for a wrong one."""

import difflib
from collections.abc import Iterable

from cases.limits import MAX_NAME_CHARS


def nearest(wrong: object, names: Iterable[str]) -> str | None:
    """Return the name that a wrong one was most likely meant to be, or None."""
    if not isinstance(wrong, str):
        return None
    # difflib is quadratic in the length, and the wrong name comes from a stranger.
    found = difflib.get_close_matches(wrong[:MAX_NAME_CHARS], list(names), n=1, cutoff=0.6)
    return found[0] if found else None
