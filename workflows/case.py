"""The case workflow: a driver of the core, which turns its commands into activities and timers."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.catalogue import CLASSIFY, RECORD, SEND, call
    from cases import engine
    from cases.actions import Classify, Close, Command, Notify, Perform, Reply, ReportUnhandled
    from cases.compile import net_of
    from cases.definitions import definition_of
    from cases.engine import Step
    from cases.errors import CaseError
    from cases.events import ActionEnded, Ending, Event, TimePassed
    from cases.outlook import deadlines
    from cases.state import CaseState, CaseStatus, dump_state, load_state
    from cases.states import ClassifierKind
    from cases.trace import TraceKind
    from contracts import search_attributes
    from contracts.case import (
        CANCEL_EVENT,
        CASE_WORKFLOW,
        OUTLOOK_QUERY,
        TAKE_SIGNAL,
        Carried,
        CaseInput,
        PinnedDefinition,
    )
    from contracts.model import Json
    from contracts.outbox import ClassifyRequest, SendRequest
    from contracts.steps import CaseEvent, Snapshot, StepRecord, TraceLine
    from workflows import requests, views

# How long a run that is about to continue as new waits for its activities; the next run asks
# for the rest again, under the same keys, and the ledgers know what was done.
DRAIN = timedelta(seconds=30)
# A record of so many steps stays small, and a workflow task far below its two seconds.
STEPS_A_RECORD = 50
# The server takes 2,000 pending activities; new events wait while so many are under way.
ACTIVITIES_UNDER_WAY = 500


@workflow.defn(name=CASE_WORKFLOW, failure_exception_types=[CaseError])
class CaseWorkflow:
    """One case, from its opening event to its end."""

    @workflow.init
    def __init__(self, start: CaseInput, pinned: PinnedDefinition) -> None:
        """Take up the case: where it starts, or where the run before left it."""
        carried = start.carried
        self._start = start
        self._pinned = pinned
        self._net = net_of(pinned.document)
        classifier = definition_of(pinned.document).classifier
        self._asks_model = classifier.kind is ClassifierKind.LLM
        self._state: CaseState | None = (
            load_state(self._net, carried.core) if carried is not None else None
        )
        self._revision = carried.revision if carried else 0
        self._trace_seq = carried.trace_seq if carried else 0
        self._inbox: deque[CaseEvent] = deque(carried.inbox if carried else ())
        self._seen: dict[int, None] = dict.fromkeys(
            carried.seen if carried else (start.opening.id,)
        )
        self._endings: deque[ActionEnded] = deque()
        self._sends: dict[tuple[int, int], SendRequest] = {}
        self._classifications: dict[tuple[int, int], ClassifyRequest] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._new_sends: list[SendRequest] = []
        self._timer: asyncio.Task[None] | None = None
        self._timer_due: datetime | None = None
        self._applied: list[int] = []
        self._trace: list[TraceLine] = []
        self._recorded: Snapshot | None = None
        self._cancelled = False
        self._correlation_id = start.opening.correlation_id
        self._shown: tuple[str, str | None] | None = None

    @workflow.signal(name=TAKE_SIGNAL)
    def take(self, events: list[CaseEvent]) -> None:
        """Take events; one that came before is the same one, and is only acknowledged again."""
        for event in events:
            if event.id not in self._seen:
                self._seen[event.id] = None
                self._inbox.append(event)
            elif all(event.id != queued.id for queued in self._inbox):
                self._applied.append(event.id)
        self._inbox = deque(sorted(self._inbox, key=lambda event: (event.at, event.id)))

    @workflow.query(name=OUTLOOK_QUERY)
    def outlook(self) -> Snapshot:
        """Return the case as it is now."""
        return self._view()

    @workflow.run
    async def run(self, start: CaseInput, pinned: PinnedDefinition) -> str:
        """Drive the case to its end, and return how it ended."""
        if start.carried is None:
            self._open()
        else:
            self._ask_again(start.carried)
        while not self._ended:
            self._advance()
            await self._flush()
            if self._ended:
                break
            if workflow.info().is_continue_as_new_suggested():
                await self._continue_as_new()
            self._set_timer()
            await workflow.wait_condition(self._has_news)
        return await self._end()

    # Steps of the core.

    @property
    def _core(self) -> CaseState:
        if self._state is None:
            raise CaseError("the case has not been opened")
        return self._state

    @property
    def _ended(self) -> bool:
        return self._cancelled or self._core.status is CaseStatus.CLOSED

    def _open(self) -> None:
        opening = self._start.opening
        self._applied.append(opening.id)
        self._absorb(engine.start(self._net, self._start.data, workflow.now(), _event(opening)))

    def _has_news(self) -> bool:
        may_take = self._inbox and len(self._tasks) < ACTIVITIES_UNDER_WAY
        return bool(may_take or self._endings or self._applied) or self._is_due()

    def _is_due(self) -> bool:
        return self._timer is not None and self._timer.done()

    def _next_due(self) -> datetime | None:
        pending = deadlines(self._net, self._core)
        return pending[0].due if pending else None

    def _advance(self) -> None:
        """Step through what has come and what is due, as much as one record holds.

        What was received before a deadline goes first, however late it reached us.
        """
        for _ in range(STEPS_A_RECORD):
            if self._ended:
                return
            due = self._next_due()
            is_due = due is not None and due <= workflow.now()
            in_time = self._inbox and (due is None or self._inbox[0].at <= due or not is_due)
            if self._endings:
                self._step(self._endings.popleft())
            elif in_time and len(self._tasks) < ACTIVITIES_UNDER_WAY:
                self._take_event(self._inbox.popleft())
            elif is_due:
                self._step(TimePassed())
            else:
                return

    def _take_event(self, event: CaseEvent) -> None:
        self._applied.append(event.id)
        self._correlation_id = event.correlation_id
        if event.type == CANCEL_EVENT:
            self._cancelled = True
            self._note({"kind": "cancelled", "by": event.data.get("by")})
            return
        self._step(_event(event))

    def _step(self, given: Event | ActionEnded | TimePassed) -> None:
        self._absorb(engine.step(self._net, self._core, given, workflow.now()))

    def _absorb(self, step: Step) -> None:
        self._state = step.state
        for entry in step.trace:
            self._note(views.json_of(entry.to_json()))
        for command in step.commands:
            self._obey(command)

    def _note(self, entry: dict[str, Json]) -> None:
        # Counted, not taken from the clock: a workflow task that is done again gives each entry
        # the number that it had, and so writes it once.
        self._trace_seq += 1
        self._trace.append(TraceLine(seq=self._trace_seq, at=workflow.now(), entry=entry))

    # Commands of the core.

    def _obey(self, command: Command) -> None:
        match command:
            case Perform(action=Classify()):
                self._classify(command)
            case Perform(action=Reply() | Notify() as action):
                self._new_sends.append(
                    requests.send_request(
                        self._start, self._pinned.definition_hash, command, action, self._core
                    )
                )
            case ReportUnhandled():
                self._new_sends.append(
                    requests.notice_request(self._start, self._pinned.definition_hash, command)
                )
            case Close():
                pass

    def _classify(self, perform: Perform) -> None:
        """Sort by the verdict that came with the mail, or ask the model."""
        verdict = None if self._asks_model else requests.keyword_verdict(perform)
        if verdict is not None:
            self._endings.append(ActionEnded(perform.firing, perform.index, Ending.DONE, verdict))
            return
        self._spawn(
            self._run_classify(
                requests.classify_request(self._start, self._pinned.definition_hash, perform)
            )
        )

    async def _run_classify(self, request: ClassifyRequest) -> None:
        key = (request.firing, request.action_index)
        request = request.model_copy(update={"correlation_id": self._correlation_id})
        self._classifications[key] = request
        try:
            verdict = await call(
                CLASSIFY, request, tenant=self._start.tenant, summary="sort the mail"
            )
            data, ending = views.json_of(verdict.model_dump(mode="json")), Ending.DONE
        except ActivityError as error:
            data, ending = {"reason": _reason(error)}, Ending.FAILED
        del self._classifications[key]
        self._endings.append(ActionEnded(*key, ending, data))

    async def _run_send(self, request: SendRequest) -> None:
        key = (request.firing, request.action_index)
        request = request.model_copy(update={"correlation_id": self._correlation_id})
        self._sends[key] = request
        try:
            outcome = await call(
                SEND,
                request,
                tenant=self._start.tenant,
                summary=f"{request.kind} {request.template}",
            )
            ending, reason = Ending(outcome.outcome.value), outcome.reason
        except ActivityError as error:
            ending, reason = Ending.FAILED, _reason(error)
            self._unrecord(request.record)
        del self._sends[key]
        if request.notice is None:
            self._endings.append(ActionEnded(*key, ending, {"reason": reason}))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Records.

    def _view(self) -> Snapshot:
        return views.snapshot(self._net, self._core, self._revision, cancelled=self._cancelled)

    def _unrecord(self, record: StepRecord | None) -> None:
        """Put back what a failed activity may not have written."""
        if record is not None:
            self._applied = record.applied + self._applied
            self._trace = record.trace + self._trace
            self._recorded = None

    async def _flush(self) -> None:
        """Record what was done since the last time, with the first mail that goes out, if any."""
        record = self._take_record()
        sends, self._new_sends = self._new_sends, []
        if record is not None:
            self._show(record.snapshot)
            # The end is recorded by itself: a later record must not come before it.
            if sends and not self._ended:
                sends[0] = sends[0].model_copy(update={"record": record})
            else:
                await self._record(record)
        for request in sends:
            self._spawn(self._run_send(request))

    def _take_record(
        self, returned: Sequence[int] = (), *, whatever: bool = False
    ) -> StepRecord | None:
        """Return what is to be recorded; with `whatever`, also what could wait."""
        view = self._view()
        unchanged = self._recorded is not None and view == self._recorded.model_copy(
            update={"revision": view.revision}
        )
        # That an action beside the case is done is in the outbox already: its trace can wait
        # for the next record, and saves each mail one.
        telling = any(whatever or line.entry["kind"] != TraceKind.ENDED for line in self._trace)
        if unchanged and not self._applied and not telling and not returned:
            return None
        # Greater also than any that a run before an operator's reset gave.
        self._revision = max(self._revision + 1, int(workflow.now().timestamp() * 1000))
        self._recorded = view.model_copy(update={"revision": self._revision})
        record = StepRecord(
            tenant=self._start.tenant,
            case_id=self._start.case_id,
            snapshot=self._recorded,
            applied=self._applied,
            returned=list(returned),
            trace=self._trace,
            correlation_id=self._correlation_id,
        )
        self._applied, self._trace = [], []
        return record

    async def _record(self, record: StepRecord) -> None:
        await call(RECORD, record, tenant=self._start.tenant, summary="record the step")

    def _show(self, view: Snapshot) -> None:
        """Let Temporal's Web UI and its lists say where the case stands."""
        workflow.set_current_details(views.current_details(view))
        shown = (", ".join(view.states)[:200], view.label)
        if shown != self._shown:
            self._shown = shown
            updates = [search_attributes.STATE.value_set(shown[0])]
            if view.label:
                updates.append(search_attributes.LABEL.value_set(view.label))
            workflow.upsert_search_attributes(updates)

    # Time.

    def _set_timer(self) -> None:
        """Keep one durable timer, for the deadline that is due first."""
        due = self._next_due()
        if due == self._timer_due and self._timer is not None and not self._timer.done():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_due = None, due
        if due is not None:
            wait = max(due - workflow.now(), timedelta(0))
            self._timer = asyncio.create_task(workflow.sleep(wait, summary="next deadline"))

    # Ends.

    async def _end(self) -> str:
        """Finish what runs, and hand back what the case did not use."""
        if self._timer is not None:
            self._timer.cancel()
        await self._return_unused()
        while self._tasks or self._endings:
            # A notice ends without a word: the last task's end counts by itself.
            await workflow.wait_condition(
                lambda: bool(self._endings or self._inbox) or not self._tasks
            )
            self._report_endings()
            await self._return_unused()
        return self._view().status

    def _report_endings(self) -> None:
        """Tell people of mails that failed after the end: no state is there to handle it."""
        while self._endings:
            ended = self._endings.popleft()
            if ended.outcome is not Ending.DONE:
                self._new_sends.append(
                    requests.late_notice(self._start, self._pinned.definition_hash, ended)
                )

    async def _return_unused(self) -> None:
        """Record the end with every event that is left; a signal may come meanwhile."""
        waiting = [int(event.id) for event in self._core.waiting]
        self._state = replace(self._core, waiting=())
        while True:
            returned = waiting + [event.id for event in self._inbox]
            self._inbox.clear()
            waiting = []
            record = self._take_record(returned)
            if record is not None:
                await self._record(record)
            sends, self._new_sends = self._new_sends, []
            for request in sends:
                self._spawn(self._run_send(request))
            if not self._inbox:
                return

    async def _continue_as_new(self) -> None:
        """Start a fresh run at a quiet moment; no new firings start before it."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            await workflow.wait_condition(lambda: not self._tasks, timeout=DRAIN)
        except TimeoutError:
            workflow.logger.info("continues as new with activities under way")
        await self._record_all()
        workflow.continue_as_new(
            args=[
                self._start.model_copy(update={"carried": self._carried()}),
                self._pinned,
            ]
        )

    async def _record_all(self) -> None:
        """Step through what has ended, and record it; more may end while that is written."""
        while True:
            while self._endings:
                self._step(self._endings.popleft())
            record = self._take_record(whatever=True)
            if record is None:
                return
            await self._record(record)

    def _carried(self) -> Carried:
        return Carried(
            core=views.json_of(dump_state(self._core)),
            revision=self._revision,
            trace_seq=self._trace_seq,
            inbox=list(self._inbox),
            seen=list(self._seen),
            sends=[*self._sends.values(), *self._new_sends],
            classifications=list(self._classifications.values()),
        )

    def _ask_again(self, carried: Carried) -> None:
        for request in carried.sends:
            self._spawn(self._run_send(request))
        for classification in carried.classifications:
            self._spawn(self._run_classify(classification))


def _event(event: CaseEvent) -> Event:
    return Event(id=str(event.id), type=event.type, at=event.at, data=event.data)


def _reason(error: ActivityError) -> str:
    return str(error.cause or error)[:500]
