"""Become another program that is signalled when its parent process ends, however it ends.

    python die_with_parent.py PARENT_PID SIGNAL PROGRAM [ARGUMENT…]

Runs as a file, with the standard library only, since every child starts through it. Linux keeps
the wish over `exec` (prctl(2), PR_SET_PDEATHSIG); other systems have nothing like it, and there
only the watchdog ends what a dead supervisor left.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
NOT_FOUND = 127  # what a shell answers for a program that it cannot start


def die_with_parent(parent_pid: int, signal_number: int) -> None:
    """Ask the kernel for a signal when the parent ends; exit if it has ended already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    # The parent may have died before the wish was known, and then no signal ever comes.
    if os.getppid() != parent_pid:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Become the program that the arguments name."""
    parent_pid, signal_number, *command = arguments
    die_with_parent(int(parent_pid), int(signal_number))
    try:
        os.execvp(command[0], command)  # noqa: S606 -- no shell is wanted
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main(sys.argv[1:])
