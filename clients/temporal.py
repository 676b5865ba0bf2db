"""Temporal as everything outside its workers sees it: start, signal, ask."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
)
from temporalio.common import (
    Priority,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from contracts import search_attributes
from contracts.case import CASE_WORKFLOW, TAKE_SIGNAL, CaseInput, PinnedDefinition
from contracts.clock import utc_now
from contracts.ids import (
    case_workflow_id,
    delivery_workflow_id,
    mailbox_workflow_id,
    outbox_workflow_id,
    reconcile_schedule_id,
)
from contracts.mailbox import (
    CHANGED_SIGNAL,
    DELIVERY_WORKFLOW,
    MAILBOX_WORKFLOW,
    RECONCILE_WORKFLOW,
    TenantWatch,
    Watch,
)
from contracts.outbox import OUTBOX_WORKFLOW, OutboxRow
from contracts.steps import CaseEvent
from contracts.task_queues import Queue, task_queue

RPC_TIMEOUT = timedelta(seconds=10)
# A long poll lasts up to 70 seconds, and only its beginning is noted.
POLLED_WITHIN = timedelta(seconds=75)
RECONCILE_EVERY = timedelta(hours=1)
RECONCILE_JITTER = timedelta(minutes=10)


class Started(StrEnum):
    """What came of starting a case's workflow."""

    NEW = "new"
    RUNNING = "running"
    ENDED = "ended"


class Temporal:
    """A client with the product's few verbs."""

    def __init__(self, client: Client) -> None:
        """Wrap a connected (or lazy) client."""
        self.client = client

    async def start_case(
        self, start: CaseInput, definition: PinnedDefinition, *, again: bool = False
    ) -> Started:
        """Start a case's workflow unless it was started before, or `again` unless it runs."""
        try:
            await self.client.start_workflow(
                CASE_WORKFLOW,
                args=[start, definition],
                id=case_workflow_id(start.tenant, start.case_id),
                task_queue=task_queue(start.tenant, Queue.CASES),
                id_reuse_policy=(
                    WorkflowIDReusePolicy.ALLOW_DUPLICATE
                    if again
                    else WorkflowIDReusePolicy.REJECT_DUPLICATE
                ),
                search_attributes=search_attributes.of_case(start),
                # A flood in one mailbox must not stand before another's mail.
                priority=Priority(fairness_key=start.mailbox_id or start.tenant),
                static_summary=f"{start.definition}: {start.subject}"[:200],
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return await self._running_or_ended(start.tenant, start.case_id)
        return Started.NEW

    async def _running_or_ended(self, tenant: str, case_id: str) -> Started:
        handle = self.client.get_workflow_handle(case_workflow_id(tenant, case_id))
        description = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        running = description.status is WorkflowExecutionStatus.RUNNING
        return Started.RUNNING if running else Started.ENDED

    async def case_stands(self, tenant: str, case_id: str) -> Started:
        """Return whether a case's workflow runs, has ended, or is still to be started (NEW)."""
        try:
            return await self._running_or_ended(tenant, case_id)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return Started.NEW
            raise

    async def signal_case(self, tenant: str, case_id: str, events: list[CaseEvent]) -> bool:
        """Hand events to a running case; False when there is no such run."""
        handle = self.client.get_workflow_handle(case_workflow_id(tenant, case_id))
        try:
            await handle.signal(TAKE_SIGNAL, events, rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    async def watch_mailbox(self, tenant: str, mailbox_id: str, *, changed: bool) -> None:
        """Make sure that a mailbox is watched; `changed` tells a running watch to look again."""
        await self.client.start_workflow(
            MAILBOX_WORKFLOW,
            Watch(tenant=tenant, mailbox_id=mailbox_id),
            id=mailbox_workflow_id(tenant, mailbox_id),
            task_queue=task_queue(tenant, Queue.MAIL),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"watches mailbox {mailbox_id}",
            start_signal=CHANGED_SIGNAL if changed else None,
            rpc_timeout=RPC_TIMEOUT,
        )

    async def reconcile_mailbox(self, tenant: str, mailbox_id: str) -> None:
        """Start comparing a mailbox with its server, unless that runs already."""
        await self.client.start_workflow(
            RECONCILE_WORKFLOW,
            Watch(tenant=tenant, mailbox_id=mailbox_id),
            id=reconcile_schedule_id(tenant, mailbox_id),
            task_queue=task_queue(tenant, Queue.MAIL),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"reconciles mailbox {mailbox_id}",
            rpc_timeout=RPC_TIMEOUT,
        )

    async def schedule_reconciling(self, tenant: str, mailbox_id: str) -> None:
        """Make sure that a mailbox is compared with its server every hour.

        A schedule that an earlier release made is given this one's interval.
        """
        schedule_id = reconcile_schedule_id(tenant, mailbox_id)
        action = ScheduleActionStartWorkflow(
            RECONCILE_WORKFLOW,
            Watch(tenant=tenant, mailbox_id=mailbox_id),
            id=schedule_id,
            task_queue=task_queue(tenant, Queue.MAIL),
        )
        spec = ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=RECONCILE_EVERY)], jitter=RECONCILE_JITTER
        )
        try:
            await self.client.create_schedule(
                schedule_id, Schedule(action=action, spec=spec), rpc_timeout=RPC_TIMEOUT
            )
        except ScheduleAlreadyRunningError:
            await self.client.get_schedule_handle(schedule_id).update(
                lambda known: _respaced(known, spec), rpc_timeout=RPC_TIMEOUT
            )

    async def unschedule_reconciling(self, tenant: str, mailbox_id: str) -> None:
        """Compare a mailbox no more; one without a schedule is left as it is."""
        schedule_id = reconcile_schedule_id(tenant, mailbox_id)
        try:
            await self.client.get_schedule_handle(schedule_id).delete(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def watch_deliveries(self, tenant: str) -> None:
        """Make sure that the tenant's deliveries are watched."""
        await self.client.start_workflow(
            DELIVERY_WORKFLOW,
            TenantWatch(tenant=tenant),
            id=delivery_workflow_id(tenant),
            task_queue=task_queue(tenant, Queue.MAIL),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary="delivers what has not been applied in time",
            rpc_timeout=RPC_TIMEOUT,
        )

    async def start_outbox_workflow(self, tenant: str, outbox_id: int) -> None:
        """Make sure that a mail on which a person has decided is being sent."""
        await self.client.start_workflow(
            OUTBOX_WORKFLOW,
            OutboxRow(tenant=tenant, outbox_id=outbox_id),
            id=outbox_workflow_id(tenant, outbox_id),
            task_queue=task_queue(tenant, Queue.CASES),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"sends mail {outbox_id}",
            rpc_timeout=RPC_TIMEOUT,
        )

    async def reachable(self) -> bool:
        """Whether the server answers within a few seconds."""
        try:
            return await self.client.service_client.check_health(timeout=timedelta(seconds=3))
        except (TimeoutError, RPCError, RuntimeError):
            return False

    async def workers_answer(self, tenant: str) -> bool:
        """Whether a worker has polled the tenant's case queue within POLLED_WITHIN.

        The server lists pollers for minutes after they have stopped or frozen.
        """
        try:
            answer = await self.client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=self.client.namespace,
                    task_queue=TaskQueue(name=task_queue(tenant, Queue.CASES)),
                    task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
                ),
                timeout=timedelta(seconds=3),
            )
        except (RPCError, RuntimeError):
            return False
        return polled_lately(answer.pollers, utc_now())


def polled_lately(pollers: Iterable[PollerInfo], now: datetime) -> bool:
    """Return whether one of these pollers has asked for work as lately as a live one does."""
    return any(
        now - poller.last_access_time.ToDatetime(tzinfo=UTC) <= POLLED_WITHIN for poller in pollers
    )


def _respaced(known: ScheduleUpdateInput, spec: ScheduleSpec) -> ScheduleUpdate | None:
    """Return a schedule with this interval, or None where it has it."""
    schedule = known.description.schedule
    if (schedule.spec.intervals, schedule.spec.jitter) == (spec.intervals, spec.jitter):
        return None
    # An operator who paused it is not overruled.
    return ScheduleUpdate(schedule=replace(schedule, spec=spec))
