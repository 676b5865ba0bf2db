"""The core of a case inside its workflow: its state and its steps, of which none can wedge it.

An exception that nobody foresaw would fail the workflow task, and again each time that Temporal
tries it, for ever. So a step that raises one parks the case as it was before, with the reason and
with the event kept. That is noted in the history: after a repair of the core, replaying the step
would lead elsewhere, and Temporal would refuse the whole history.
"""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from cases import engine
    from cases.engine import Step
    from cases.errors import CaseError
    from cases.events import ActionEnded, Event, Input
    from cases.net import Net
    from cases.notation.declarations import ClosedPolicy
    from cases.outlook.outlook import deadlines
    from cases.state import CaseState, CaseStatus
    from cases.trace import TraceEntry, TraceKind
    from contracts.case import CaseInput
    from workflows.inputs import event_of


class Core:
    """A case's state, moved by steps."""

    def __init__(self, net: Net, state: CaseState | None) -> None:
        """Start where the run before left off, or with a case that has still to be opened."""
        self.net = net
        self._state = state
        # The markers in histories count by these: what is counted must stay the same.
        self._counts = {"step": 0, "look": 0}
        # When the next deadline is due; looked at once for each state.
        self.next_due = None if state is None else _first_due(net, state)

    @property
    def state(self) -> CaseState:
        """Return where the case stands."""
        if self._state is None:
            raise CaseError("the case has not been opened")
        return self._state

    def forget_waiting(self) -> None:
        """Drop the events that the case has kept: they are given back."""
        self._state = replace(self.state, waiting=())

    def open(self, start: CaseInput) -> Step:
        """Open the case."""
        before = CaseState(
            tokens={}, data=start.data, core_version=start.core_version, depth=start.depth
        )
        opening = event_of(start.opening)
        return self._guarded(
            before,
            None,  # what opens the case is used up by that
            lambda: engine.start(
                self.net,
                start.data,
                workflow.now(),
                opening,
                core_version=start.core_version,
                depth=start.depth,
            ),
        )

    def step(self, given: Input) -> Step:
        """Do what comes of an input."""
        return self._guarded(
            self.state, given, lambda: engine.step(self.net, self.state, given, workflow.now())
        )

    @property
    def is_parked(self) -> bool:
        """Whether the case waits for a person to let it go on."""
        return self.state.status is CaseStatus.PARKED

    def resume(self, start: CaseInput) -> Iterator[Step]:
        """Let the parked case go on; what had parked it may do so again.

        One that could not even be opened is opened now, and gets what has come since.
        """
        if self.state.tokens_made:
            yield self._guarded(
                self.state, None, lambda: engine.resume(self.net, self.state, workflow.now())
            )
            return
        kept = self.state.waiting
        yield self.open(start)
        for event in kept:
            yield self.step(event)

    def wake(self, policy: ClosedPolicy, mail: Event) -> Step:
        """Do what a mail does that reaches the closed case."""
        match policy:
            case ClosedPolicy.REOPEN:
                do = engine.reopen
            case ClosedPolicy.ANSWER:
                do = engine.answer
            case ClosedPolicy.FOLLOW_UP:
                raise CaseError("a mail to a case with this policy opens a follow-up")
            case _:
                assert_never(policy)
        return self._guarded(
            self.state, mail, lambda: do(self.net, self.state, mail, workflow.now())
        )

    def show(self, view: Callable[[], object]) -> Step:
        """Let the case be looked at; what can't be shown is parked too."""

        def look() -> Step:
            view()
            return Step(self.state, (), (), ())

        return self._guarded(self.state, None, look, "look")

    def _guarded(
        self, before: CaseState, given: Input | None, do: Callable[[], Step], what: str = "step"
    ) -> Step:
        self._counts[what] += 1
        fault = f"{what} {self._counts[what]} failed"
        if workflow.unsafe.is_replaying() and workflow.patched(fault):
            return self._park(before, given, "a fault of the engine, which is in the log")
        try:
            step = do()
            self.next_due = _first_due(self.net, step.state)
        except (CaseError, MemoryError):
            # What the core refuses it says; and a worker without memory knows nothing of the case.
            raise
        except Exception as error:  # whatever it is, it would come again at each attempt
            workflow.patched(fault)
            where = _where(error)
            # Without the exception's own words, which may hold what a customer wrote.
            calls = "".join(traceback.format_tb(error.__traceback__))
            workflow.logger.error(
                "a step of the core failed: %s in %s\n%s", type(error).__name__, where, calls
            )
            reason = f"a fault of the engine: {type(error).__name__} in {where}"
            return self._park(before, given, reason)
        self._state = step.state
        return step

    def _park(self, before: CaseState, given: Input | None, reason: str) -> Step:
        """Leave the case as it was, for a person to look at.

        A closed one stays closed: it gives back the mail that was to wake it.
        """
        kept = (given,) if isinstance(given, Event) else ()
        ended = (given,) if isinstance(given, ActionEnded) else ()
        status = CaseStatus.PARKED if before.status is CaseStatus.OPEN else before.status
        self._state = replace(
            before,
            status=status,
            reason=reason,
            waiting=(*before.waiting, *kept),
            unheard=(*before.unheard, *ended),
        )
        self.next_due = None
        note = TraceEntry(TraceKind.PARKED, workflow.now(), notes=[reason])
        if isinstance(given, Event):
            note.event = given
        elif isinstance(given, ActionEnded):
            note.firing = given.firing
            note.notes.append(f"action {given.index} had ended: {given.outcome}")
        return Step(self._state, (), (note,), ())


def _first_due(net: Net, state: CaseState) -> datetime | None:
    pending = deadlines(net, state)
    return pending[0].due if pending else None


def _where(error: Exception) -> str:
    """Return the function in which an exception was raised."""
    trace, name = error.__traceback__, ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_qualname
        trace = trace.tb_next
    return name
