"""The processes of the embedded run: what to start, in which order, and when each is ready."""

import asyncio
import http.client
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

from contracts import search_attributes
from contracts.task_queues import Queue
from everpost.settings import ENV_PREFIX, Settings

Probe = Callable[[], Awaitable[bool]]
PROBE_TIMEOUT = timedelta(seconds=2)


async def always_ready() -> bool:
    """Return true: for processes whose readiness another one's probe shows."""
    return True


@dataclass(frozen=True, slots=True)
class Process:
    """A program to keep running.

    `stop_within` is how long it may take to end after SIGTERM before it is killed.
    """

    name: str
    command: tuple[str, ...]
    ready: Probe = always_ready
    stop_within: timedelta = timedelta(seconds=3)


Stages = tuple[tuple[Process, ...], ...]
"""Processes by stage: a stage starts once the one before is ready, and stops before it."""


def embedded_stages(settings: Settings) -> Stages:
    """Return the processes of `everpost run`.

    The API is ready only when a worker answers, so it stands in one stage with the workers.
    """
    foundation = [_temporal(settings)] if settings.runs_temporal else []
    if settings.demo_mail:
        foundation.append(_mail_server(settings))
    return (
        tuple(foundation),
        (
            _api(settings),
            # Asking a model is waiting: it needs no process of its own on one machine.
            _workers("workers-cases", Queue.CASES, Queue.LLM),
            _workers("workers-mail", Queue.MAIL),
        ),
    )


def _temporal(settings: Settings) -> Process:
    # One partition a queue, and no limit on how often the single store may be polled, take a
    # step through the server from 50 ms to 10. With fairness, mailboxes take turns.
    return Process(
        name="temporal",
        command=(
            str(Path(sys.executable).with_name("temporal")),
            *("server", "start-dev"),
            *("--db-filename", str(settings.home / "temporal.db")),
            *("--ip", settings.host),
            *("--port", str(settings.temporal_port)),
            *("--ui-port", str(settings.temporal_ui_port)),
            *("--namespace", settings.temporal_namespace),
            *("--log-level", "error"),
            *("--sqlite-pragma", "journal_mode=wal"),
            *("--sqlite-pragma", "synchronous=1"),
            *("--dynamic-config-value", "matching.numTaskqueueReadPartitions=1"),
            *("--dynamic-config-value", "matching.numTaskqueueWritePartitions=1"),
            *("--dynamic-config-value", "matching.enableFairness=true"),
            *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000"),
            *("--dynamic-config-value", "history.timerProcessorMaxPollRPS=2000"),
            *(
                argument
                for attribute in search_attributes.ALL
                for argument in ("--search-attribute", f"{attribute.name}=Keyword")
            ),
        ),
        # The Web UI hands this to the server by gRPC: an answer shows that both are up.
        ready=http_ok(
            settings.reachable_host,
            settings.temporal_ui_port,
            f"/api/v1/namespaces/{settings.temporal_namespace}",
        ),
    )


def _mail_server(settings: Settings) -> Process:
    host = settings.reachable_host
    smtp, imap = port_open(host, settings.smtp_port), port_open(host, settings.imap_port)

    async def both_open() -> bool:
        return await smtp() and await imap()

    return Process(
        name="mailserver",
        command=(
            *(sys.executable, "-m", "everpost.mailserver"),
            *("--home", str(settings.home / "mail")),
            *("--host", settings.host),
            *("--smtp-port", str(settings.smtp_port)),
            *("--imap-port", str(settings.imap_port)),
        ),
        ready=both_open,
        stop_within=timedelta(seconds=2),
    )


def _api(settings: Settings) -> Process:
    return Process(
        name="api",
        command=(sys.executable, "-m", "api"),
        ready=http_ok(settings.reachable_host, settings.api_port, "/health/ready"),
        stop_within=timedelta(seconds=5),
    )


def _workers(name: str, *queues: Queue) -> Process:
    return Process(
        name=name,
        command=(sys.executable, "-m", "workers", *queues),
        stop_within=timedelta(seconds=6),  # they give what runs 5 s to end
    )


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of the supervised processes."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # Without bytecode files, each workflow compiles its modules anew.
        if name not in {"PYTHONDONTWRITEBYTECODE", f"{ENV_PREFIX}ADMIN_PASSWORD"}
    }
    return environment | {"PYTHONUNBUFFERED": "1", f"{ENV_PREFIX}HOME": str(settings.home)}


def port_open(host: str, port: int) -> Probe:
    """Return a probe that holds when something accepts connections there."""

    async def probe() -> bool:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT.total_seconds()):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                return True
        return False

    return probe


def http_ok(host: str, port: int, path: str) -> Probe:
    """Return a probe that holds when a GET of the path is answered with 200."""

    def get() -> bool:
        timeout = PROBE_TIMEOUT.total_seconds()
        with closing(http.client.HTTPConnection(host, port, timeout=timeout)) as connection:
            try:
                connection.request("GET", path)
                return connection.getresponse().status == HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                return False

    async def probe() -> bool:
        return await asyncio.to_thread(get)

    return probe
