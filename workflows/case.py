"""The case workflow: a driver of the core, which turns its commands into activities and timers."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.catalogue import RECORD, call
    from cases.compiling.compile import net_of
    from cases.definitions import definition_of
    from cases.dumping import dump_state, load_state
    from cases.engine import Step
    from cases.errors import CaseError
    from cases.events import EMAIL, ActionEnded, Event, TimePassed
    from cases.notation.declarations import ClosedPolicy
    from cases.state import RECEIVED_COUNTS, CaseStatus
    from contracts.case import (
        CANCEL_EVENT,
        CASE_WORKFLOW,
        OUTLOOK_QUERY,
        RESUME_EVENT,
        TAKE_SIGNAL,
        Carried,
        CaseInput,
        PinnedDefinition,
    )
    from contracts.model import Json
    from contracts.steps import CaseEvent, Snapshot, StepRecord
    from contracts.subcases import SUBCASE_ENDED_SIGNAL, WITHDRAW_SIGNAL, SubcaseEnded
    from workflows import views
    from workflows.actions import Actions
    from workflows.core import Core
    from workflows.inbox import Inbox
    from workflows.inputs import event_of, input_of
    from workflows.records import Records
    from workflows.subcases import tell_parent
    from workflows.timer import DeadlineTimer
    from workflows.watermark import Watermark

# How long a run that is about to continue as new waits for its activities; the next run asks
# for the rest again, under the same keys, and the ledgers know what was done.
DRAIN = timedelta(seconds=30)
# A record of so many steps stays small, and a workflow task far below its two seconds.
STEPS_A_RECORD = 50
# Cases that began before deadlines waited for their mailbox take it up where they are.
READS_FIRST = "deadlines wait for their mailbox"
# Runs in which a cancel waited for room, as every event did, go on as they did.
CANCELS_GO_FIRST = "a cancel needs no room"


@workflow.defn(name=CASE_WORKFLOW, failure_exception_types=[CaseError])
class CaseWorkflow:
    """One case, from its opening event to its end, or from a later mail to its next end."""

    @workflow.init
    def __init__(self, start: CaseInput, pinned: PinnedDefinition) -> None:
        """Take up the case: where it starts, or where the run before left it."""
        carried = start.carried
        self._start = start
        self._pinned = pinned
        net = net_of(pinned.document, start.net)
        # A sub-case has told its parent how it ended: a later mail to it goes to its parent.
        self._after_close = (
            definition_of(pinned.document).after_close.policy
            if start.parent is None
            else ClosedPolicy.FOLLOW_UP
        )
        self._core = Core(net, load_state(net, carried.core) if carried is not None else None)
        self._records = Records(start)
        self._actions = Actions(start, pinned, self._records)
        self._inbox = Inbox(
            carried.inbox if carried else (), carried.seen if carried else (start.opening.id,)
        )
        self._watermark = Watermark(start, self._inbox.has_had)
        self._timer = DeadlineTimer()
        self._cancelled = False
        self._cancels_queue = False
        self._withdrawn = carried.withdrawn if carried else False

    @workflow.signal(name=TAKE_SIGNAL)
    def take(self, events: list[CaseEvent]) -> None:
        """Take events; one that came before is the same one, and is only acknowledged again."""
        self._records.applied += self._inbox.put(events)

    @workflow.signal(name=SUBCASE_ENDED_SIGNAL)
    def subcase_ended(self, ended: SubcaseEnded) -> None:
        """Hear how a sub-case has ended."""
        self._actions.hear_subcase(ended)

    @workflow.signal(name=WITHDRAW_SIGNAL)
    def withdraw(self) -> None:
        """End where the case stands: its parent does not wait for it any more."""
        self._withdrawn = True

    @workflow.query(name=OUTLOOK_QUERY)
    def outlook(self) -> Snapshot:
        """Return the case as it is now."""
        return self._view()

    @workflow.run
    async def run(self, start: CaseInput, pinned: PinnedDefinition) -> str:
        """Drive the case to its end, and return how it ended."""
        if start.carried is None:
            self._open()
        elif start.reopened is not None:
            self._begin_again(start.reopened)
        else:
            self._actions.ask_again(start.carried)
        await self._drive()
        while await self._end():
            await self._drive()
        return self._view().status

    # Steps of the core.

    @property
    def _ended(self) -> bool:
        return self._cancelled or self._core.state.status is CaseStatus.CLOSED

    def _open(self) -> None:
        self._records.applied.append(self._start.opening.id)
        self._absorb(self._core.open(self._start))

    def _begin_again(self, policy: ClosedPolicy) -> None:
        """Let the mail wake the closed case that starts this run, unless the case has had it."""
        mail = self._start.opening
        if self._inbox.has_had(mail.id):
            self._records.applied.append(mail.id)
            return
        self._inbox.note(mail.id)
        self._wake(policy, mail)

    def _wake(self, policy: ClosedPolicy, mail: CaseEvent) -> None:
        """Do what a mail does that reaches the closed case."""
        self._records.applied.append(mail.id)
        self._records.correlation_id = mail.correlation_id
        self._absorb(self._core.wake(policy, event_of(mail)))

    async def _drive(self) -> None:
        """Take what comes and what is due until the case has ended."""
        while not self._ended:
            self._advance()
            self._watermark.keep(self._core.next_due)
            await self._flush()
            if self._ended:
                return
            if workflow.info().is_continue_as_new_suggested():
                await self._continue_as_new()
            if not self._watermark.is_asking:
                self._timer.keep(self._core.next_due)
            await workflow.wait_condition(self._has_news)

    def _has_news(self) -> bool:
        heard = self._actions.has_news or self._records.applied or self._watermark.has_answer
        comes = self._may_take() or self._is_due() or self._withdrawn
        return bool(heard) or comes or self._reading_changed()

    def _may_take(self) -> bool:
        """Tell whether the next event can be taken now, which a deadline may come before."""
        if not self._actions.has_room:
            return self._cancel_out_of_turn() is not None
        first = self._inbox.first
        return first is not None and self._watermark.lets_by(first.at)

    def _cancel_out_of_turn(self) -> CaseEvent | None:
        """Return the cancel that comes to a case which has no room for events; it asks for none."""
        if self._actions.has_room or self._cancels_queue:
            return None
        return self._inbox.first_of(CANCEL_EVENT)

    def _is_due(self) -> bool:
        return self._timer.is_over and not self._watermark.is_asking

    def _reading_changed(self) -> bool:
        """Tell whether people have still to be shown that a deadline waits for its mailbox."""
        return self._watermark.waits_until != self._records.shown_reading

    def _advance(self) -> None:
        """Step through what has come and what is due, as much as one record holds.

        What was received before a deadline goes first, however late it reached us. While the
        deadline waits for its mailbox, what comes is not held up.
        """
        for _ in range(STEPS_A_RECORD):
            if self._withdrawn and not self._ended:
                self._cancel("the case that ran it")
            if self._ended or self._records.is_full:
                return
            due = self._core.next_due
            is_due = due is not None and due <= workflow.now()
            first = self._inbox.first
            in_time = first is not None and (
                due is None or first.at <= due or not is_due or self._watermark.waits_until == due
            )
            if self._actions.endings:
                self._step(self._actions.endings.popleft())
            elif cancel := self._cancel_out_of_turn():
                self._let_go_first(cancel)
            elif in_time and self._actions.has_room:
                self._take_event(self._inbox.take_first())
            elif due is not None and is_due and self._may_fire(due):
                self._pass_time(due)
            else:
                return

    def _let_go_first(self, cancel: CaseEvent) -> None:
        if workflow.patched(CANCELS_GO_FIRST):
            self._inbox.take(cancel)
            self._take_event(cancel)
        else:
            self._cancels_queue = True

    def _take_event(self, event: CaseEvent) -> None:
        self._records.applied.append(event.id)
        self._records.correlation_id = event.correlation_id
        by, reason = event.data.get("by"), event.data.get("reason")
        if event.type == CANCEL_EVENT:
            self._cancel(by, reason)
        elif event.type == RESUME_EVENT:
            self._resume(by)
        else:
            self._step(input_of(event, self._core.state))

    def _cancel(self, by: Json, reason: Json = None) -> None:
        self._cancelled = True
        self._records.note(views.cancelled(self._core.state, by, reason))

    def _resume(self, by: Json) -> None:
        """Let the case go on if it is still parked; another resume may have come before."""
        if not self._core.is_parked:
            return
        self._records.note({"kind": "resumed", "by": by})
        for step in self._core.resume(self._start):
            self._absorb(step)

    def _step(self, given: Event | ActionEnded | TimePassed) -> None:
        self._absorb(self._core.step(given))

    def _absorb(self, step: Step) -> None:
        for entry in step.trace:
            self._records.note(views.json_of(entry.to_json()))
        for command in step.commands:
            self._actions.obey(command, step.state)

    # Records.

    def _view(self) -> Snapshot:
        return views.snapshot(
            self._core.net,
            self._core.state,
            self._records.revision,
            cancelled=self._cancelled,
            waits_for_mailbox_until=self._watermark.waits_until,
        )

    def _shown(self) -> Snapshot:
        """Return the case as it is now; one that can't be shown is parked, and can."""
        shown: list[Snapshot] = []
        self._absorb(self._core.show(lambda: shown.append(self._view())))
        return shown[0] if shown else self._view()

    async def _flush(self) -> None:
        """Record what was done since the last time, with the first mail that goes out, if any."""
        is_full = self._records.is_full
        record = self._take_record(whatever=is_full)
        sends = self._actions.take_new()
        if record is not None:
            self._records.show(record.snapshot)
            # The end is recorded by itself: a later record must not come before it.
            # Nor does it wait for a turn.
            if sends and not self._ended and not is_full and self._actions.may_send_at_once:
                sends[0] = sends[0].model_copy(update={"record": record})
            else:
                await self._record(record)
        self._actions.send(sends)

    def _take_record(
        self, returned: Sequence[int] = (), *, whatever: bool = False
    ) -> StepRecord | None:
        """Return what is to be recorded; at the end with what a later mail needs."""
        record = self._records.take(self._shown(), returned, whatever=whatever)
        if record is None or not self._may_wake:
            return record
        nothing: dict[str, list[Json]] = {
            name: [] for name in ("sends", "classifications", "subcases", "withdrawing", "inbox")
        }
        kept = self._carried().model_copy(update=nothing)
        return record.model_copy(update={"carried": kept.model_dump(mode="json")})

    async def _record(self, record: StepRecord) -> None:
        await call(RECORD, record, tenant=self._start.tenant, summary="record the step")
        self._records.have_been_written()

    # Time.

    def _may_fire(self, due: datetime) -> bool:
        """Tell whether a deadline that is due may fire now, as far as its mailbox is concerned."""
        if self._start.mailbox_id is None:
            return True
        version = self._core.state.core_version
        reads_first = version >= RECEIVED_COUNTS or workflow.patched(READS_FIRST)
        return not reads_first or self._watermark.may_fire(due)

    def _pass_time(self, due: datetime) -> None:
        """Let what is due fire: only that, so that the next deadline is looked at by itself."""
        shortfall = self._watermark.shortfall()
        if shortfall is not None:
            self._records.note({"kind": "unread", "notes": [shortfall]})
        self._watermark.forget()
        by_itself = self._core.state.core_version >= RECEIVED_COUNTS
        self._step(TimePassed(due if by_itself else None))

    # Ends.

    @property
    def _may_wake(self) -> bool:
        """Whether the case has closed and a later mail may reach it."""
        wakes = self._after_close is not ClosedPolicy.FOLLOW_UP
        return wakes and not self._cancelled and self._ended

    async def _end(self) -> bool:
        """Finish what runs, and hand back what the case did not use.

        Returns whether a mail has come meanwhile that wakes the case.
        """
        self._stop_waiting()
        self._actions.withdraw_subcases()
        await self._return_unused()
        if not self._withdrawn:
            await tell_parent(self._start, self._core.state, cancelled=self._cancelled)
        while not self._is_woken and self._has_to_finish:
            await workflow.wait_condition(self._has_news_after_end)
            self._actions.report_endings()
            await self._return_unused()
        if not self._is_woken:
            return False
        self._actions.let_go()
        self._wake(self._after_close, self._inbox.take_first())
        return True

    @property
    def _has_to_finish(self) -> bool:
        unused = self._inbox.has_any(self._is_unused)
        return unused or bool(self._actions.tasks or self._actions.has_news)

    @property
    def _is_woken(self) -> bool:
        """Whether a mail is there to wake the case, which is all that its inbox holds by now."""
        return self._inbox.first is not None and self._actions.has_room

    def _has_news_after_end(self) -> bool:
        # A notice ends without a word: the last task's end counts by itself.
        heard = self._actions.has_news or not self._actions.tasks
        return heard or self._is_woken or self._inbox.has_any(self._is_unused)

    def _stop_waiting(self) -> None:
        self._watermark.stop()
        self._timer.stop()

    async def _return_unused(self) -> None:
        """Record the end with every event that is left; a signal may come meanwhile."""
        rows = [views.row_of(event.id) for event in self._core.state.waiting]
        waiting = [row for row in rows if row is not None]
        self._core.forget_waiting()
        while True:
            returned = waiting + self._inbox.take_all(self._is_unused)
            waiting = []
            if self._may_wake:
                # What comes again is to wake the case; it is not one that the case has had.
                self._inbox.forget(returned)
            record = self._take_record(returned)
            if record is not None:
                await self._record(record)
            self._actions.send(self._actions.take_new())
            if not self._inbox.has_any(self._is_unused):
                return

    def _is_unused(self, event: CaseEvent) -> bool:
        return event.type != EMAIL or not self._may_wake

    async def _continue_as_new(self) -> None:
        """Start a fresh run at a quiet moment; no new firings start before it."""
        self._stop_waiting()
        self._actions.ask_no_more()
        try:
            await workflow.wait_condition(lambda: self._actions.is_quiet, timeout=DRAIN)
        except TimeoutError:
            workflow.logger.info("continues as new with activities under way")
        await self._record_all()
        workflow.continue_as_new(
            args=[
                self._start.model_copy(update={"carried": self._carried(), "reopened": None}),
                self._pinned,
            ]
        )

    async def _record_all(self) -> None:
        """Step through what has ended, and record it; more may end while that is written."""
        while True:
            while self._actions.endings:
                self._step(self._actions.endings.popleft())
            record = self._take_record(whatever=True)
            if record is None:
                return
            await self._record(record)

    def _carried(self) -> Carried:
        return Carried(
            core=views.json_of(dump_state(self._core.state)),
            revision=self._records.revision,
            trace_seq=self._records.trace_seq,
            inbox=list(self._inbox.waiting),
            seen=list(self._inbox.seen),
            reading_since=self._watermark.since,
            sends=self._actions.sends,
            classifications=self._actions.classifications,
            subcases=self._actions.subcases,
            withdrawing=self._actions.withdrawing,
            withdrawn=self._withdrawn,
        )
