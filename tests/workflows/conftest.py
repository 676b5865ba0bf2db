"""Fixtures: two Temporal servers, one with time skipping, and an office on each."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from contracts import search_attributes
from tests.servers.smtp_sink import SmtpSink
from tests.workflows.office import Office, office

TEMPORAL = str(Path(sys.executable).with_name("temporal"))
# Low, so that a test reaches it with few events.
CONTINUE_AS_NEW_AT = 50


def _setting(name: str, value: str) -> list[str]:
    return ["--dynamic-config-value", f"{name}={value}"]


def short_history_settings() -> list[str]:
    """Return the server's settings under which a case soon continues as new."""
    return [
        *_setting("limit.historyCount.suggestContinueAsNew", str(CONTINUE_AS_NEW_AT)),
        *_setting("history.transferProcessorMaxPollRPS", "2000"),
        *_setting("history.timerProcessorMaxPollRPS", "2000"),
    ]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server on which a case soon continues as new."""
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        search_attributes=search_attributes.ALL,
        dev_server_existing_path=TEMPORAL,
        dev_server_extra_args=short_history_settings(),
    ) as environment:
        yield environment


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server on which time passes as soon as nothing else happens."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        data_converter=pydantic_data_converter,
        search_attributes=search_attributes.ALL,
        dev_server_existing_path=TEMPORAL,
        ts_config=TimeSkippingConfig(max_session_skip_count=1000),
        dev_server_extra_args=[
            *_setting("frontend.WorkflowTimeSkippingEnabled", "true"),
            *_setting("history.timerProcessorMaxTimeShift", '"10ms"'),
        ],
    ) as environment:
        yield environment


@pytest_asyncio.fixture(loop_scope="session")
async def desk(
    temporal: WorkflowEnvironment, tmp_path: Path, smtp_sink: SmtpSink
) -> AsyncIterator[Office]:
    """An office on the plain server."""
    async with office(temporal.client, tmp_path, smtp_sink) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def timeless(
    skipping: WorkflowEnvironment, tmp_path: Path, smtp_sink: SmtpSink
) -> AsyncIterator[Office]:
    """An office on the server that skips time."""
    async with office(skipping.client, tmp_path, smtp_sink) as made:
        yield made
