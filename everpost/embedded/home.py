"""What an instance needs before it starts: a folder of its own, and free ports."""

import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from everpost.embedded.supervisor import StartError
from everpost.settings import ENV_PREFIX, Settings

# The children of a supervisor that was killed a moment ago may still hold its ports.
PATIENCE_SECONDS = 1.0
RETRY_EVERY_SECONDS = 0.1


@contextmanager
def owned_home(home: Path) -> Iterator[None]:
    """Hold the folder while the block runs, made if need be; one instance at a time has it.

    Raises StartError when it cannot be written to or is another instance's.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(
            f"Cannot write to {home}: {error.strerror}. Set {ENV_PREFIX}HOME to a folder that"
            " you may write to."
        ) from None
    try:
        _take(lock, home)
        yield
    finally:
        os.close(lock)


def _take(lock: int, home: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 20, 0).decode().strip() or "unknown"
        raise StartError(
            f"Everpost already runs on {home} (process {owner}). Stop it first, or set"
            f" {ENV_PREFIX}HOME and the ports to run a second instance."
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def needed_ports(settings: Settings) -> dict[str, int]:
    """Return the ports that the embedded run listens on, by the setting that decides each."""
    fields = ["api_port"]
    if settings.runs_temporal:
        fields += ["temporal_port", "temporal_ui_port"]
    if settings.demo_mail:
        fields += ["smtp_port", "imap_port"]
    return {f"{ENV_PREFIX}{field.upper()}": getattr(settings, field) for field in fields}


def check_ports(host: str, ports: Mapping[str, int]) -> None:
    """Raise StartError unless every port is free and none is named twice."""
    settings_by_port: dict[int, str] = {}
    for setting, port in ports.items():
        if port in settings_by_port:
            raise StartError(
                f"{setting} and {settings_by_port[port]} are both {port}: give each its own port."
            )
        settings_by_port[port] = setting
    deadline = monotonic() + PATIENCE_SECONDS
    for setting, port in ports.items():
        _check_port(host, port, setting, deadline)


def _check_port(host: str, port: int, setting: str, deadline: float) -> None:
    while (reason := _why_not(host, port)) is not None:
        if monotonic() >= deadline:
            raise StartError(
                f"Port {port} on {host} cannot be used ({reason}). Set {setting} to a free port."
            )
        sleep(RETRY_EVERY_SECONDS)


def _why_not(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the servers do: a port that only waits out its last connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            return error.strerror or str(error)
    return None
