"""From actions, conditions and times as they are written to what a net holds of them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from cases.actions import (
    Action,
    Classify,
    CloseCase,
    Compensate,
    Given,
    Notify,
    Planned,
    Reply,
    SetData,
    Subcase,
)
from cases.expressions.conditions import Condition
from cases.expressions.fields import reader_of, source_of
from cases.expressions.guards import Guard, guard_of
from cases.net import Timing
from cases.notation.declarations import Definition
from cases.notation.durations import duration_of
from cases.notation.written_actions import Action as WrittenAction
from cases.notation.written_actions import NotifyAction, ReplyAction, RunAction
from cases.values import JSON

# Gives the ids in the net of what `compensate` calls by one name.
TaskIds = Callable[[str], tuple[str, ...]]


class Planner:
    """Makes the planned actions of a definition that passed its checks."""

    def __init__(self, definition: Definition, task_ids: TaskIds) -> None:
        self._definition = definition
        self._task_ids = task_ids

    def planned(self, written: tuple[WrittenAction, ...]) -> tuple[Planned, ...]:
        """Return a list of actions in the order of writing."""
        return tuple(
            planned
            for number, action in enumerate(written)
            for planned in self._of_one(action, number)
        )

    def _of_one(self, written: WrittenAction, number: int) -> Iterator[Planned]:
        """Yield what one written action does; those of `together` are one group, and all block."""
        if written.together is not None:
            for action in written.together:
                yield from self._plans(action, group=number, blocking=True)
        else:
            yield from self._plans(written, group=None, blocking=written.block)

    def _plans(
        self, written: WrittenAction, *, group: int | None, blocking: bool
    ) -> Iterator[Planned]:
        hold = written.reply.hold if written.reply is not None else None
        retry, actions = written.retry, list(self._actions(written))
        for index, action in enumerate(actions):
            last = index == len(actions) - 1  # a `set` of several fields is undone as one
            yield Planned(
                action,
                blocking or isinstance(action, Classify | Subcase),
                hold=None if hold is None else duration_of(hold),
                group=group,
                attempts=1 if retry is None else retry.attempts,
                wait=timedelta(0) if retry is None else duration_of(retry.wait),
                undo=self.planned(written.undo) if last else (),
            )

    def _actions(self, written: WrittenAction) -> Iterator[Action]:
        """Yield what one written action does; a `set` of several fields is one for each."""
        if written.classify is not None:
            yield Classify()
        elif written.reply is not None:
            yield self._reply(written.reply)
        elif written.notify is not None:
            yield self._notify(written.notify)
        elif written.close is not None:
            yield CloseCase(written.close)
        elif written.run is not None:
            yield _subcase(written.run)
        elif written.compensate is not None:
            names = written.compensate.tasks
            yield Compensate(tuple(task for name in names for task in self._task_ids(name)))
        else:
            for given in _given(written.set or {}):
                yield SetData(given.field, given.value, given.source, given.source_field)

    def _reply(self, reply: ReplyAction) -> Reply:
        team = reply.approve
        approvers = self._definition.teams[team] if team is not None else ()
        return Reply(reply.template, reply.to, team, approvers, reply.attach)

    def _notify(self, notify: NotifyAction) -> Notify:
        team, to = notify.team, notify.to
        addresses = (to,) if to is not None else self._definition.teams[team or ""]
        return Notify(notify.template, addresses, team, notify.attach)


def _subcase(run: RunAction) -> Subcase:
    return Subcase(run.net, tuple(_given(run.given)), tuple(_given(run.returns)))


def _given(values: Mapping[str, JSON]) -> Iterator[Given]:
    for field, value in values.items():
        source = source_of(value)
        yield Given(field, value, None if source is None else reader_of(source), source)


def optional_guard(condition: Condition | None) -> Guard | None:
    """Return the compiled form of a condition, if there is one."""
    return None if condition is None else guard_of(condition)


def timing_of(after: str | None, at: str | None) -> Timing:
    """Return when a deadline is due, of which one of `after` and `at` says it."""
    if after is not None:
        return Timing(f"after {after}", after=duration_of(after))
    return Timing(f"at {at}", at=reader_of(at or ""))
