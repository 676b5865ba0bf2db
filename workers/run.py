"""Which workflows and activities each kind of worker serves, and how it runs and stops."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import assert_never

import structlog
import uvloop
from temporalio.worker import PollerBehaviorAutoscaling, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.casework import Casework
from activities.reading import Readings
from activities.reconciling import Reconciling
from activities.sorting import Ask, Sorting
from activities.subcases import Subcases
from activities.watching import Watching
from clients.dns import DnsResolver
from contracts.logs import configure_logs
from contracts.task_queues import Queue, task_queue
from everpost.settings import Settings, read_settings
from ledgers import crash_points
from ledgers.mailboxes.authentication import Authenticator
from ledgers.mailboxes.parsing import Parser
from ledgers.mailboxes.watch import MailboxWatch
from ledgers.outbox.sending import Sender
from workers.parts import Parts, model_of, parts
from workflows.case import CaseWorkflow
from workflows.outbox import OutboxWorkflow
from workflows.reconcile import ReconcileWorkflow
from workflows.watches import DeliveryWorkflow, MailboxWorkflow

log = structlog.get_logger()

# Own modules are pure or carry none of their state into workflows; reloading them for every
# workflow would cost more than running it.
PASSED_THROUGH = (
    "activities",
    "cases",
    "contracts",
    "pydantic",
    "pydantic_core",
    "re2",
    "structlog",
    "workflows",
    "yaml",
)
CACHED_WORKFLOWS = 1_000
GRACE = timedelta(seconds=5)


def run(names: Sequence[str]) -> None:
    """Run the kinds of worker with these names until SIGTERM or SIGINT."""
    try:
        queues = [Queue(name) for name in names]
    except ValueError:
        queues = []
    if not queues:
        sys.exit(f"usage: python -m workers KIND [KIND …], with kinds of {', '.join(Queue)}")
    settings = read_settings()
    configure_logs(settings.log_level)
    crash_points.arm_from(settings.crash_points)
    uvloop.run(_serve(settings, queues))
    # The SDK's own threads may still want the interpreter; ending it under them aborts.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


async def _serve(settings: Settings, queues: Sequence[Queue]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with parts(settings) as shared, AsyncExitStack() as stack:
        for queue in queues:
            await stack.enter_async_context(_worker(queue, shared, settings))
        log.info("worker.ready", tenant=shared.tenant, queues=[str(queue) for queue in queues])
        if Queue.MAIL in queues:
            await shared.delivery.temporal.watch_deliveries(shared.tenant)
        await stop.wait()
        log.info("worker.stopping", tenant=shared.tenant)


def cases_worker(shared: Parts) -> Worker:
    """Return the worker that drives cases and sends their mails."""
    casework = Casework(
        shared.database,
        shared.secrets,
        shared.keys,
        Sender(shared.database, shared.smtp),
        shared.blobs,
        shared.links,
        shared.answered_at_once,
    )
    return Worker(
        shared.client,
        task_queue=task_queue(shared.tenant, Queue.CASES),
        workflows=[CaseWorkflow, OutboxWorkflow],
        activities=[
            casework.record,
            casework.send,
            casework.send_row,
            Readings(shared.database).reading,
            Subcases(shared.database, shared.delivery.temporal).open_subcase,
        ],
        workflow_runner=workflow_runner(),
        max_cached_workflows=CACHED_WORKFLOWS,
        # How long a case waits for the worker that knew it last, after that one has died.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
        max_concurrent_activities=100,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        graceful_shutdown_timeout=GRACE,
    )


def mail_worker(shared: Parts) -> Worker:
    """Return the worker that watches mailboxes and deliveries."""
    watching = Watching(
        MailboxWatch(
            shared.delivery,
            shared.blobs,
            Parser(),
            shared.keys,
            authenticator=Authenticator(DnsResolver()),
        ),
        shared.delivery,
    )
    return Worker(
        shared.client,
        task_queue=task_queue(shared.tenant, Queue.MAIL),
        workflows=[MailboxWorkflow, DeliveryWorkflow, ReconcileWorkflow],
        activities=[
            watching.watch_mailbox,
            watching.watch_deliveries,
            Reconciling(shared.delivery).reconcile,
        ],
        workflow_runner=workflow_runner(),
        max_concurrent_activities=200,
        # Watches last for days: they are cancelled at once, and start again elsewhere.
        graceful_shutdown_timeout=timedelta(0),
    )


def llm_worker(shared: Parts, ask: Ask | None) -> Worker:
    """Return the worker that sorts mails; without a model, by keywords."""
    return Worker(
        shared.client,
        task_queue=task_queue(shared.tenant, Queue.LLM),
        activities=[Sorting(shared.database, ask).classify],
        max_concurrent_activities=20,
        graceful_shutdown_timeout=GRACE,
    )


def workflow_runner() -> SandboxedWorkflowRunner:
    """Return the sandbox in which workflows run, own modules passed through."""
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    )


def _worker(queue: Queue, shared: Parts, settings: Settings) -> Worker:
    match queue:
        case Queue.CASES:
            return cases_worker(shared)
        case Queue.MAIL:
            return mail_worker(shared)
        case Queue.LLM:
            return llm_worker(shared, model_of(settings))
        case _:
            assert_never(queue)
