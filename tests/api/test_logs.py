"""Logs: one JSON object a line, the same for our entries and those of libraries."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from contracts.logs import configure_logs
from tests.api.conftest import PASSWORD, Api


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Give what is logged, and leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logs("info", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the entries that were logged (Any: JSON)."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_entries_of_ours_and_of_libraries_have_one_shape(stream: io.StringIO) -> None:
    structlog.get_logger("ours").info("reply.sent", tenant="default", case_id="abc")
    logging.getLogger("theirs").warning("lost %s", "it", extra={"mailbox": "m"})
    ours, theirs = entries(stream)
    assert (ours["event"], ours["level"], ours["tenant"]) == ("reply.sent", "info", "default")
    assert (theirs["event"], theirs["level"], theirs["mailbox"]) == ("lost it", "warning", "m")
    assert ours.keys() & theirs.keys() >= {"at", "event", "level", "logger"}


def test_secrets_are_hidden_wherever_they_stand(stream: io.StringIO) -> None:
    structlog.get_logger().info("login", password="p-1", request={"Authorization": "p-2"})
    assert "p-1" not in stream.getvalue()
    assert "p-2" not in stream.getvalue()


def test_a_failure_is_one_line_with_its_traceback(stream: io.StringIO) -> None:
    try:
        raise ValueError("it broke")
    except ValueError:
        structlog.get_logger().exception("failed")
    (entry,) = entries(stream)
    assert "ValueError: it broke" in entry["exception"]


async def test_a_request_is_logged_once_with_its_correlation_id_and_no_secret(
    api: Api, stream: io.StringIO
) -> None:
    await api.client.post(
        "/auth/token",
        json={"username": "admin", "password": PASSWORD},
        headers={"X-Correlation-Id": "abc-1"},
    )
    (entry,) = [e for e in entries(stream) if e["event"] == "request.ended"]
    assert (entry["route"], entry["status"], entry["correlation_id"]) == (
        "/auth/token",
        200,
        "abc-1",
    )
    assert PASSWORD not in stream.getvalue()


async def test_a_bug_of_ours_is_a_problem_for_the_caller_and_a_traceback_for_us(
    api: Api, stream: io.StringIO
) -> None:
    async def broken() -> None:
        raise ZeroDivisionError("secret detail")

    api.app.add_api_route("/broken", broken)
    answer = await api.client.get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/internal-error"
    assert "secret detail" not in answer.text
    (entry,) = [e for e in entries(stream) if e["event"] == "request.failed"]
    assert "ZeroDivisionError" in entry["exception"]
    assert entry["correlation_id"] == answer.headers["x-correlation-id"]
