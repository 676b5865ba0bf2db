"""The engine: a pure function from a case's state and what happened to its next state.

    step(net, state, input, now) -> Step(state, commands, trace, consumed)

Its driver (Temporal's workflow, a simulator, a test) does what the commands say, feeds back how it
ended, keeps one timer for the first of `outlook.deadlines`, and drops events that it has seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cases.actions import Command
from cases.errors import IllegalEvent
from cases.events import ActionEnded, Event, Input
from cases.game import play
from cases.game.budget import TooManyFirings
from cases.game.completing import park
from cases.game.kept import check_kept
from cases.game.leftovers import hold_back
from cases.game.settling import settle
from cases.game.working import Working
from cases.net import Net
from cases.state import CORE_VERSION, CaseState, CaseStatus
from cases.trace import TraceEntry
from cases.values import JSON


@dataclass(frozen=True, slots=True)
class Step:
    """What came of an input: the next state, what is to be done, why, and which events it used.

    `consumed` holds ids of outside events, those included that had been waiting.
    """

    state: CaseState
    commands: tuple[Command, ...]
    trace: tuple[TraceEntry, ...]
    consumed: tuple[str, ...]

    @property
    def waiting(self) -> tuple[str, ...]:
        """Return the ids of the events that nothing has taken yet, oldest first."""
        return tuple(event.id for event in self.state.waiting)


def start(
    net: Net,
    data: Mapping[str, JSON],
    now: datetime,
    event: Event | None = None,
    *,
    core_version: int = CORE_VERSION,
    depth: int = 0,
) -> Step:
    """Open a case with data that fits its definition.

    `event` is what opens it, usually the mail: it is consumed by the start, so that `classify` and
    `reply` in the first state know which mail they are about. A mail given to the first `step`
    instead would wait for a state that takes `email`. A case keeps the core's version with which
    it began; `depth` is how many cases it is a sub-case of.
    """
    _check(now, event)
    empty = CaseState(
        tokens={}, data={**net.defaults, **data}, core_version=core_version, depth=depth
    )
    work = Working(net, empty, now)
    try:
        play.open_case(work, event)
        settle(work)
        check_kept(work)
    except TooManyFirings as error:
        work = Working(net, empty, now)
        play.open_case(work, event)
        park(work, str(error))
    return _step(work)


def step(net: Net, state: CaseState, event: Input, now: datetime) -> Step:
    """Return what comes of an input; the state that was given stays as it was.

    Raises IllegalEvent for a time without a zone. A loop that would fire without end parks the case
    as it was before the step, with the input kept and none of the loop's commands.
    """
    _check(now, event)
    work = Working(net, state, now)
    try:
        play.take(work, event)
        check_kept(work)
    except TooManyFirings as error:
        work = _kept(net, state, event, now)
        park(work, str(error))
    return _step(work)


def _kept(net: Net, state: CaseState, event: Input, now: datetime) -> Working:
    """Return a case as it was, with an input noted, or untouched where that alone is too much."""
    work = Working(net, state, now)
    try:
        play.keep(work, event)
    except TooManyFirings:
        work = Working(net, state, now)
        if isinstance(event, ActionEnded):
            hold_back(work, event)
    return work


def resume(net: Net, state: CaseState, now: datetime) -> Step:
    """Return what comes of a parked case when a person lets it go on.

    It takes up the ends of actions that it has not heard, and offers anew whatever waits. What is
    due comes with the next TimePassed. If that leads again to what had parked it, it is parked
    again, as it was and with the reason. Raises IllegalEvent if the case is not parked.
    """
    _check(now, None)
    if state.status is not CaseStatus.PARKED:
        raise IllegalEvent("resume", "the case is not parked")
    work = Working(net, state, now)
    try:
        play.resume(work)
        check_kept(work)
    except TooManyFirings as error:
        work = Working(net, replace(state, status=CaseStatus.OPEN, reason=None), now)
        park(work, str(error))
    return _step(work)


def reopen(net: Net, state: CaseState, event: Event, now: datetime) -> Step:
    """Return what comes of a mail that opens a closed case again, in the state of `after_close`.

    The mail is used up by this. Firings, tokens and data go on where the case had left them; what
    it had asked for and not heard of before its end it no longer waits for, and the rounds of its
    joins are over. Raises IllegalEvent if the case is not closed or its definition does not reopen
    it.
    """
    _check(now, event)
    ended = replace(
        state, tokens={}, running={}, beside={}, holding={}, outcomes=(), waiting=(), rounds={}
    )
    work = Working(net, ended, now)
    try:
        play.reopen(work, event)
        play.use_up(work, event)
        check_kept(work)
    except TooManyFirings as error:
        work = Working(net, ended, now)
        play.reopen(work, event)
        play.keep(work, event)
        park(work, str(error))
    return _step(work)


def answer(net: Net, state: CaseState, event: Event, now: datetime) -> Step:
    """Return what comes of a mail that a closed case answers; it stays closed.

    Raises IllegalEvent if the case is not closed or its definition does not answer.
    """
    _check(now, event)
    work = Working(net, state, now)
    play.answer(work, event)
    return _step(work)


def _step(work: Working) -> Step:
    state = play.finish(work)
    return Step(state, tuple(work.commands), tuple(work.trace), tuple(work.consumed))


def _check(now: datetime, event: Input | None) -> None:
    """Refuse times without a zone: they would compare with nothing, in the middle of a step."""
    if now.tzinfo is None:
        raise IllegalEvent("now", "the time has no zone: pass an aware one, in UTC")
    if isinstance(event, Event):
        if event.at.tzinfo is None:
            raise IllegalEvent(event.id, "its time has no zone: pass an aware one, in UTC")
    elif isinstance(event, ActionEnded) and not isinstance(event.event_data, Mapping):
        raise IllegalEvent(f"{event.firing}.{event.index}", "its data is not a mapping")
