"""Named moments at which a test may kill the process that reaches them.

Armed by a file of the point's name in a folder that the composition root names; the process
that reaches the point renames the file and kills itself with SIGKILL, so each arming hits
once, whichever process comes first. Without a folder every point costs one comparison.
"""

import os
import signal
from enum import StrEnum
from pathlib import Path

_folder: Path | None = None


class CrashPoint(StrEnum):
    """Each moment between two durable steps of a mail's way in and out."""

    INTAKE_CLAIMED = "intake.claimed"
    INTAKE_FETCHED = "intake.fetched"
    INTAKE_STORED = "intake.stored"
    INTAKE_COMMITTED = "intake.committed"
    DELIVERY_SIGNALLED = "delivery.signalled"
    API_ACCEPTED = "api.accepted"
    OUTBOX_INTENDED = "outbox.intended"
    OUTBOX_CONNECTED = "outbox.connected"
    OUTBOX_ATTEMPTING = "outbox.attempting"
    OUTBOX_ANSWERED = "outbox.answered"
    OUTBOX_SENT = "outbox.sent"
    OUTBOX_RESOLVED = "outbox.resolved"
    OUTBOX_UNTOLD = "outbox.untold"


def arm_from(folder: Path | None) -> None:
    """Let this process be killed at the points that have a file in `folder`."""
    global _folder  # noqa: PLW0603 (one process, one setting, written by its composition root)
    _folder = folder


def reached(point: CrashPoint) -> None:
    """Kill this process if the point is armed."""
    if _folder is None:
        return
    try:
        (_folder / point).rename(_folder / f"{point}.hit")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
