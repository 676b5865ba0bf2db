"""What a case has asked for: mails and classifications under way, and what became of them."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.catalogue import CLASSIFY, SEND, call
    from cases.actions import (
        Classify,
        Close,
        Command,
        Notify,
        Perform,
        Reply,
        ReportUnhandled,
        Subcase,
        Withdraw,
    )
    from cases.definitions import definition_of
    from cases.events import ActionEnded, Ending, Event
    from cases.notation.declarations import ClassifierKind
    from cases.state import CaseState
    from contracts.case import Carried, CaseInput, PinnedDefinition
    from contracts.outbox import ClassifyRequest, Outcome, SendOutcome, SendRequest
    from contracts.subcases import SubcaseEnded, SubcaseRequest
    from workflows import refusals, requests, views
    from workflows.records import Records
    from workflows.slots import UNDER_WAY, Slots
    from workflows.subcases import Subcases

# What a mail is held for that is to be approved.
APPROVAL = "approval"


class Actions:
    """Turns commands of the core into activities; `endings` is what is to be fed back."""

    def __init__(self, start: CaseInput, pinned: PinnedDefinition, records: Records) -> None:
        """Start with nothing under way."""
        self._start = start
        self._hash = pinned.definition_hash
        classifier = definition_of(pinned.document).classifier
        self._asks_model = classifier.kind is ClassifierKind.LLM
        self._records = records
        self.endings: deque[ActionEnded | Event] = deque()
        self._new_sends: list[SendRequest] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self._sends: dict[tuple[int, int], SendRequest] = {}
        self._classifications: dict[tuple[int, int], ClassifyRequest] = {}
        self._let_go: set[tuple[int, int]] = set()
        self._slots = Slots()
        self._subcases = Subcases(start, pinned, records, self.endings, self.tasks, self._slots)

    @property
    def has_room(self) -> bool:
        """Whether the case may take events that ask for more."""
        return len(self.tasks) < UNDER_WAY

    @property
    def may_send_at_once(self) -> bool:
        """Whether a mail goes out without waiting for its turn."""
        return not self._slots.must_wait()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way; what waits for its turn has asked for nothing yet."""
        return len(self.tasks) <= self._slots.waiting

    @property
    def has_news(self) -> bool:
        """Whether something has ended, or a mail has been commanded meanwhile."""
        return bool(self.endings or self._new_sends)

    @property
    def sends(self) -> list[SendRequest]:
        """Return the mails that have been asked for and have not ended."""
        return [*self._sends.values(), *self._new_sends]

    @property
    def classifications(self) -> list[ClassifyRequest]:
        """Return the classifications that have not ended."""
        return list(self._classifications.values())

    @property
    def subcases(self) -> list[SubcaseRequest]:
        """Return the sub-cases that have not ended."""
        return self._subcases.awaited

    @property
    def withdrawing(self) -> list[SubcaseRequest]:
        """Return the sub-cases that have still to be told to end."""
        return self._subcases.withdrawing

    def obey(self, command: Command, state: CaseState) -> None:
        """Do a command; `state` is the case's after the step that gave it."""
        match command:
            case Perform(action=Classify()):
                self._classify(command)
            case Perform(action=Reply() | Notify() as action):
                self._new_sends.append(
                    requests.send_request(self._start, self._hash, command, action, state)
                )
            case Perform(action=Subcase() as action):
                self._subcases.run(command, action, state.depth)
            case Withdraw():
                self._subcases.withdraw(command.firing, command.index)
            case ReportUnhandled():
                self._new_sends.append(requests.notice_request(self._start, self._hash, command))
            case Close():
                pass

    def ask_again(self, carried: Carried) -> None:
        """Ask for what the run before had not heard of, under the same keys."""
        for request in carried.sends:
            self._spawn(self._run_send(request))
        for classification in carried.classifications:
            self._spawn(self._run_classify(classification))
        self._subcases.ask_again()

    def hear_subcase(self, ended: SubcaseEnded) -> None:
        """Take the word of a sub-case that it has ended."""
        self._subcases.hear(ended)

    def withdraw_subcases(self) -> None:
        """Tell all sub-cases to end, since the case has."""
        self._subcases.withdraw_all()

    def ask_no_more(self) -> None:
        """Leave what waits for its turn to the next run."""
        self._slots.close()

    def take_new(self) -> list[SendRequest]:
        """Return the mails that have been commanded and not asked for yet."""
        sends, self._new_sends = self._new_sends, []
        return sends

    def send(self, sends: Sequence[SendRequest]) -> None:
        """Ask for mails."""
        for request in sends:
            self._spawn(self._run_send(request))

    def report_endings(self) -> None:
        """Tell people of mails that failed after the end: no state is there to handle it."""
        while self.endings:
            self._report(self.endings.popleft())

    def let_go(self) -> None:
        """Let the case, which is about to go on, not hear of what it had asked for before its end.

        People are told of what fails of it.
        """
        self.report_endings()
        self._let_go.update(self._sends)

    def _report(self, ended: ActionEnded | Event) -> None:
        notice = (
            refusals.late_notice(self._start, self._hash, ended)
            if isinstance(ended, Event)
            else requests.late_notice(self._start, self._hash, ended)
        )
        if notice is not None:
            self._new_sends.append(notice)

    def _classify(self, perform: Perform) -> None:
        """Sort by the verdict that came with the mail, or ask the model."""
        verdict = None if self._asks_model else requests.keyword_verdict(perform)
        if verdict is not None:
            self.endings.append(ActionEnded(perform.firing, perform.index, Ending.DONE, verdict))
            return
        self._spawn(self._run_classify(requests.classify_request(self._start, self._hash, perform)))

    async def _run_classify(self, request: ClassifyRequest) -> None:
        key = (request.firing, request.action_index)
        correlation_id = self._records.correlation_id
        request = request.model_copy(update={"correlation_id": correlation_id})
        self._classifications[key] = request
        await self._slots.take()
        try:
            verdict = await call(
                CLASSIFY, request, tenant=self._start.tenant, summary="sort the mail"
            )
            data, ending = views.json_of(verdict.model_dump(mode="json")), Ending.DONE
        except ActivityError as error:
            data, ending = {"reason": _reason(error)}, Ending.FAILED
        self._slots.give_back()
        del self._classifications[key]
        self.endings.append(ActionEnded(*key, ending, data))

    async def _run_send(self, request: SendRequest) -> None:
        key = (request.firing, request.action_index)
        correlation_id = self._records.correlation_id
        request = request.model_copy(update={"correlation_id": correlation_id})
        self._sends[key] = request
        await self._slots.take()
        try:
            outcome = await call(
                SEND,
                request,
                tenant=self._start.tenant,
                summary=f"{request.kind} {request.template}",
            )
        except ActivityError as error:
            self._records.put_back(request.record)
            self._end_send(request, Ending.FAILED, _reason(error))
            return
        finally:
            del self._sends[key]
            self._slots.give_back()
        if outcome.outcome is Outcome.HELD:
            self._tell_of_held(request, outcome)
            return
        bounces = refusals.bounces(request, outcome, workflow.now())
        self._end_send(request, Ending(outcome.outcome.value), outcome.reason, *bounces)

    def _end_send(
        self, request: SendRequest, ending: Ending, reason: str | None, *bounces: Event
    ) -> None:
        """Let the case hear how a mail of its own ended, or people if it has been let go."""
        if request.notice is not None:
            return
        key = (request.firing, request.action_index)
        endings: list[ActionEnded | Event] = [ActionEnded(*key, ending, {"reason": reason})]
        endings += bounces
        if key not in self._let_go:
            self.endings.extend(endings)
            return
        for ended in endings:
            self._report(ended)

    def _tell_of_held(self, request: SendRequest, outcome: SendOutcome) -> None:
        """Tell the teams of a mail that waits for a person; of an approval its own mail tells.

        The core hears nothing: the mail is still on its way, until somebody has decided.
        """
        if request.notice is None and outcome.held_for != APPROVAL:
            self._new_sends.append(requests.held_notice(self._start, self._hash, request, outcome))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _reason(error: ActivityError) -> str:
    return str(error.cause or error)[:500]
