"""Every activity's name, types, timeouts and retries, in one place and once.

Workflows import this module and no implementation, so that no client library is loaded where
workflows run. An activity may run more than once; each reads its ledger before it acts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy

from contracts.classification import Classified
from contracts.mailbox import TenantWatch, Watch
from contracts.outbox import ClassifyRequest, OutboxRow, SendOutcome, SendRequest
from contracts.steps import StepRecord
from contracts.subcases import SubcaseOpened, SubcaseRequest
from contracts.task_queues import Queue, task_queue
from contracts.watermark import Reading, ReadingAsked

Request = TypeVar("Request")
Result = TypeVar("Result")

KEEP_TRYING = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=5)
)


@dataclass(frozen=True, slots=True)
class Declared(Generic[Request, Result]):
    """An activity as workflows see it. `queue` None is the workflow's own queue."""

    name: str
    result_type: type[Result]
    # Options differ by kind of activity; `workflow.execute_activity` checks their names.
    options: Mapping[str, Any]
    queue: Queue | None = None
    local: bool = field(default=False)


SEND: Declared[SendRequest, SendOutcome] = Declared(
    "send",
    SendOutcome,
    {
        # SMTP may take ten minutes to answer after DATA (RFC 5321, 4.5.3.2.6).
        "start_to_close_timeout": timedelta(minutes=15),
        "heartbeat_timeout": timedelta(seconds=15),
        # The outbox gives up after four days and says so; this is behind it.
        "schedule_to_close_timeout": timedelta(days=5),
        "retry_policy": KEEP_TRYING,
    },
)

# A local activity: one marker in the history, and no way over the server.
RECORD: Declared[StepRecord, None] = Declared(
    "record",
    type(None),
    {
        "start_to_close_timeout": timedelta(seconds=20),
        "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=30)),
    },
    local=True,
)

# A local activity too: it is asked at each deadline, and reads two rows.
READING: Declared[ReadingAsked, Reading] = Declared(
    "reading",
    Reading,
    {
        "start_to_close_timeout": timedelta(seconds=20),
        "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=30)),
    },
    local=True,
)

# A local activity: a row, and now and then a look whether the sub-case's workflow still runs.
OPEN_SUBCASE: Declared[SubcaseRequest, SubcaseOpened] = Declared(
    "open_subcase",
    SubcaseOpened,
    {
        "start_to_close_timeout": timedelta(seconds=20),
        "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=30)),
    },
    local=True,
)

SEND_ROW: Declared[OutboxRow, SendOutcome] = Declared("send_row", SendOutcome, SEND.options)

RECONCILE: Declared[Watch, str] = Declared(
    "reconcile",
    str,
    {
        "start_to_close_timeout": timedelta(minutes=30),
        "heartbeat_timeout": timedelta(seconds=15),
        "retry_policy": RetryPolicy(maximum_interval=timedelta(minutes=1), maximum_attempts=5),
    },
    queue=Queue.MAIL,
)

CLASSIFY: Declared[ClassifyRequest, Classified] = Declared(
    "classify",
    Classified,
    {
        "start_to_close_timeout": timedelta(seconds=60),
        "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=30)),
    },
    queue=Queue.LLM,
)

WATCH_MAILBOX: Declared[Watch, str] = Declared(
    "watch_mailbox",
    str,
    {
        "start_to_close_timeout": timedelta(days=7),
        # Another worker takes over this soon after one has died.
        "heartbeat_timeout": timedelta(seconds=6),
        "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=2)),
    },
)

WATCH_DELIVERIES: Declared[TenantWatch, None] = Declared(
    "watch_deliveries",
    type(None),
    {
        "start_to_close_timeout": timedelta(days=7),
        "heartbeat_timeout": timedelta(seconds=6),
        "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=2)),
    },
)


def call(
    declared: Declared[Request, Result], request: Request, *, tenant: str, summary: str
) -> "workflow.ActivityHandle[Result]":
    """Start an activity from a workflow; await what it returns for its result."""
    if declared.local:
        return workflow.start_local_activity(
            declared.name,
            request,
            result_type=declared.result_type,
            summary=summary,
            **declared.options,
        )
    return workflow.start_activity(
        declared.name,
        request,
        result_type=declared.result_type,
        task_queue=task_queue(tenant, declared.queue) if declared.queue else None,
        summary=summary,
        **declared.options,
    )
