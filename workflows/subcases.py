"""The sub-cases of a case: child workflows that are cases of their own, and how they ended.

A child tells its parent by a signal, since a handle of it does not outlive the parent's run. Its
policy is to be abandoned: any other would end it when the parent continues as new.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import Priority, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
)

with workflow.unsafe.imports_passed_through():
    from activities.catalogue import OPEN_SUBCASE, call
    from cases.actions import Perform, Subcase
    from cases.events import ActionEnded, Ending, Event
    from cases.state import CaseState
    from contracts import search_attributes
    from contracts.case import CASE_WORKFLOW, CaseInput, PinnedDefinition
    from contracts.ids import case_workflow_id, subcase_id
    from contracts.steps import CaseEvent
    from contracts.subcases import (
        SUBCASE_ENDED_SIGNAL,
        WITHDRAW_SIGNAL,
        ParentAction,
        SubcaseEnded,
        SubcaseOpened,
        SubcaseRequest,
        SubcaseStatus,
    )
    from workflows import requests, views
    from workflows.records import Records
    from workflows.slots import Slots

# What opens a sub-case, and what starts it: each may be the text of a large event.
PAYLOADS_OF_ONE = 2
# Of a sub-case that an earlier run started nobody tells when it is ended from outside: the parent
# looks, each time after twice as long.
FIRST_LOOK = timedelta(hours=1)
LONGEST_WAIT = timedelta(days=1)

_WHAT_HAPPENED = {
    SubcaseStatus.CANCELLED: "was cancelled",
    SubcaseStatus.TERMINATED: "was terminated",
    SubcaseStatus.REFUSED: "was not started",
}
_Key = tuple[int, int]


class Subcases:
    """Starts sub-cases, ends what is withdrawn, and hears of each end once."""

    def __init__(
        self,
        start: CaseInput,
        pinned: PinnedDefinition,
        records: Records,
        endings: deque[ActionEnded | Event],
        tasks: set[asyncio.Task[None]],
        slots: Slots,
    ) -> None:
        """Start with those of which the run before had not heard.

        What has ended goes to `endings`; `tasks` holds what is under way and soon over, as many at
        once as have `slots`.
        """
        carried = start.carried
        self._start = start
        self._pinned = pinned
        self._records = records
        # Known before the run begins: an end may be among the first signals.
        self._awaited = {one.key: one for one in (carried.subcases if carried else ())}
        self._withdrawing = {one.key: one for one in (carried.withdrawing if carried else ())}
        self._started: dict[_Key, asyncio.Task[None]] = {}
        self._watched: set[asyncio.Task[None]] = set()
        self._endings = endings
        self._tasks = tasks
        self._slots = slots

    @property
    def awaited(self) -> list[SubcaseRequest]:
        """Return the sub-cases that have not ended."""
        return list(self._awaited.values())

    @property
    def withdrawing(self) -> list[SubcaseRequest]:
        """Return the sub-cases that have still to be told to end."""
        return list(self._withdrawing.values())

    def run(self, perform: Perform, action: Subcase, depth: int) -> None:
        """Run a net as a sub-case; `depth` is how deep the case itself is."""
        request = SubcaseRequest(
            tenant=self._start.tenant,
            parent=ParentAction(
                case_id=self._start.case_id, firing=perform.firing, index=perform.index
            ),
            net=action.net,
            depth=depth + 1,
            data=views.json_of(action.data),
            event_id=requests.event_row(self._start, perform.event_id),
            correlation_id=self._records.correlation_id,
        )
        self._awaited[request.key] = request
        self._begin(request)

    def ask_again(self) -> None:
        """Ask for what the run before had not heard of: what runs already stays as it is."""
        for request in self.awaited:
            self._begin(request)
        for request in self.withdrawing:
            self._spawn(self._tell_to_end(request))

    def withdraw(self, firing: int, index: int) -> None:
        """Tell a sub-case to end; how it does nobody waits for any more."""
        request = self._awaited.pop((firing, index), None)
        if request is not None:
            self._withdrawing[request.key] = request
            self._spawn(self._tell_to_end(request))

    def withdraw_all(self) -> None:
        """Tell all sub-cases to end, since the case has."""
        for request in self.awaited:
            self.withdraw(*request.key)

    def hear(self, ended: SubcaseEnded) -> None:
        """Take the word of a sub-case that it has ended; it counts once, if it is awaited."""
        key = (ended.firing, ended.index)
        request = self._awaited.pop(key, None)
        if request is not None:
            self._endings.append(_ending(request, ended))

    def _begin(self, request: SubcaseRequest) -> None:
        self._started[request.key] = self._spawn(self._open_in_turn(request))

    async def _open_in_turn(self, request: SubcaseRequest) -> None:
        if request.key not in self._awaited:
            return  # the step that asked for it has withdrawn it again
        await self._slots.take(PAYLOADS_OF_ONE)
        is_started = request.key in self._awaited and await self._open(request)
        self._slots.give_back(answered=is_started)

    async def _open(self, request: SubcaseRequest) -> bool:
        """Open and start a sub-case, and watch it from then on; return whether it was started."""
        opened = await self._look(request)
        if opened is None or opened.opening is None or opened.ended is not None:
            return False
        if opened.runs:
            # An earlier run of this case has started it, or the delivery of an event did.
            self._keep(self._look_now_and_then(request))
            return False
        try:
            handle = await workflow.start_child_workflow(
                CASE_WORKFLOW,
                args=[self._start_of(request, opened, opened.opening), self._pinned],
                id=case_workflow_id(request.tenant, opened.case_id),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                search_attributes=search_attributes.of_case(self._start),
                priority=Priority(fairness_key=self._start.mailbox_id or request.tenant),
                static_summary=f"{self._start.definition} {request.net}"[:200],
            )
        except WorkflowAlreadyStartedError:
            # Somebody was faster; and a look finds out if it is over already.
            self._keep(self._look_now_and_then(request))
        else:
            self._keep(self._watch(request, handle))
        return True

    async def _look(self, request: SubcaseRequest) -> SubcaseOpened | None:
        """Return a sub-case, opened if it is not there yet; if it has ended, that is heard."""
        try:
            opened = await call(
                OPEN_SUBCASE, request, tenant=request.tenant, summary=f"open {request.net}"
            )
        except ActivityError as error:
            self.hear(_not_started(request, str(error.cause or error)[:500]))
            return None
        if opened.ended is not None:
            self.hear(opened.ended)
        return opened

    async def _watch(
        self, request: SubcaseRequest, handle: workflow.ChildWorkflowHandle[Any, Any]
    ) -> None:
        """Notice the end of a sub-case that can't tell of it, or whose word was lost."""
        try:
            await handle
        except ChildWorkflowError:
            workflow.logger.warning("a sub-case failed or was terminated")
        if request.key in self._awaited:
            await self._look(request)

    async def _look_now_and_then(self, request: SubcaseRequest) -> None:
        wait = FIRST_LOOK
        while request.key in self._awaited:
            await workflow.sleep(wait, summary="looks whether the sub-case still runs")
            if request.key in self._awaited:
                await self._look(request)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _tell_to_end(self, request: SubcaseRequest) -> None:
        started = self._started.get(request.key)
        if started is not None:
            await workflow.wait([started])
        case_id = subcase_id(request.tenant, request.parent.case_id, *request.key)
        handle = workflow.get_external_workflow_handle(case_workflow_id(request.tenant, case_id))
        await self._slots.take(payloads=0)
        try:
            await handle.signal(WITHDRAW_SIGNAL)
        except FailureError:
            # It has ended by itself, or was never started.
            workflow.logger.info("a sub-case that was withdrawn is not there any more")
        self._slots.give_back()
        del self._withdrawing[request.key]

    def _start_of(
        self, request: SubcaseRequest, opened: SubcaseOpened, opening: CaseEvent
    ) -> CaseInput:
        start = self._start
        return CaseInput(
            tenant=request.tenant,
            case_id=opened.case_id,
            definition=start.definition,
            version=start.version,
            mailbox_id=start.mailbox_id,
            customer_hash=start.customer_hash,
            subject=start.subject,
            data=request.data,
            opening=opening.model_copy(update={"correlation_id": request.correlation_id}),
            core_version=start.core_version,
            net=request.net,
            parent=request.parent,
            root=opened.root,
            depth=request.depth,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _keep(self, watch: Coroutine[Any, Any, None]) -> None:
        """Let a watch run as long as the run does; nothing waits for it."""
        task = asyncio.create_task(watch)
        self._watched.add(task)
        task.add_done_callback(self._watched.discard)


async def tell_parent(start: CaseInput, state: CaseState, *, cancelled: bool) -> None:
    """Tell the case that runs this one how it ended, if there is one."""
    parent = start.parent
    if parent is None:
        return
    ended = SubcaseEnded(
        firing=parent.firing,
        index=parent.index,
        status=SubcaseStatus.CANCELLED if cancelled else SubcaseStatus.CLOSED,
        data=views.json_of(state.data),
        reason=None if cancelled else state.reason,
    )
    handle = workflow.get_external_workflow_handle(case_workflow_id(start.tenant, parent.case_id))
    try:
        await handle.signal(SUBCASE_ENDED_SIGNAL, ended)
    except FailureError:
        workflow.logger.info("the case that ran this one is not there any more")


def _ending(request: SubcaseRequest, ended: SubcaseEnded) -> ActionEnded:
    """Return the end of a sub-case as that of its action: closed is done, all else failed."""
    data = {"status": ended.status.value, "data": ended.data}
    if ended.status is SubcaseStatus.CLOSED:
        return ActionEnded(*request.key, Ending.DONE, data)
    said = f": {ended.reason}" if ended.reason else ""
    reason = f"the sub-case {request.net} {_WHAT_HAPPENED[ended.status]}{said}"
    return ActionEnded(*request.key, Ending.FAILED, {**data, "reason": reason})


def _not_started(request: SubcaseRequest, reason: str) -> SubcaseEnded:
    firing, index = request.key
    return SubcaseEnded(
        firing=firing, index=index, status=SubcaseStatus.REFUSED, data={}, reason=reason
    )
