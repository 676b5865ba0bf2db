"""Kill the process groups of a supervisor that has died.

    python watchdog.py        # reads `+GROUP` and `-GROUP`, one a line, until the input ends

The supervisor holds the other end of the input. When it dies, even by SIGKILL, the input ends,
and every group that is still listed is killed, with whatever its programs have started. Runs as
a file, with the standard library only.
"""

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress


def groups_left(lines: Iterable[str]) -> set[int]:
    """Return the groups that were added and not removed when the lines end."""
    groups: set[int] = set()
    for line in lines:
        change = groups.add if line.startswith("+") else groups.discard
        change(int(line[1:]))
    return groups


def main() -> None:
    """Wait for the supervisor's end, then kill what it left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # whoever ends the supervisor decides, not they
    for group in groups_left(sys.stdin):
        # PermissionError: some systems answer so for a group of zombies.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
