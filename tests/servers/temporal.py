"""A Temporal server of the tests' own, in memory, with the product's settings."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts import search_attributes
from tests.servers.ports import free_port

HOST = "127.0.0.1"
STARTS_WITHIN_S = 30.0


def _options(port: int) -> list[str]:
    settings = (
        "matching.numTaskqueueReadPartitions=1",
        "matching.numTaskqueueWritePartitions=1",
        "history.transferProcessorMaxPollRPS=2000",
        "history.timerProcessorMaxPollRPS=2000",
    )
    return [
        *("--ip", HOST, "--port", str(port), "--headless", "--log-level", "error"),
        *(word for setting in settings for word in ("--dynamic-config-value", setting)),
        *(
            word
            for attribute in search_attributes.ALL
            for word in ("--search-attribute", f"{attribute.name}=Keyword")
        ),
    ]


@contextmanager
def running_temporal() -> Iterator[str]:
    """Run a server, and give its address."""
    port = free_port()
    program = str(Path(sys.executable).with_name("temporal"))
    server = subprocess.Popen(  # noqa: S603  # our own arguments
        [
            "/usr/bin/setpriv",
            "--pdeathsig",
            "KILL",
            program,
            "server",
            "start-dev",
            *_options(port),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(server, program, f"{HOST}:{port}")
        yield f"{HOST}:{port}"
    finally:
        server.kill()
        server.wait()


def _wait_until_healthy(server: subprocess.Popen[bytes], program: str, address: str) -> None:
    """Return once the server answers; its port is open some time before it does."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    command = [program, "operator", "cluster", "health", "--address", address]
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"the Temporal server ended at once, with {server.returncode}")
        asked = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # our own
        if asked.returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError("the Temporal server does not answer")


@pytest.fixture(scope="session")
def temporal_address() -> Iterator[str]:
    """The address of a running Temporal server, shared by all tests."""
    with running_temporal() as address:
        yield address
