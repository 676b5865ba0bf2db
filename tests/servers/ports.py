"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """Return a port that is free on 127.0.0.1 now.

    From below the range that the kernel gives to outgoing connections, so that none of those
    takes it before its server starts.
    """
    for port in _candidates():
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port between 20000 and 32000")


def _candidates() -> list[int]:
    return random.SystemRandom().sample(range(20000, 32000), 200)
