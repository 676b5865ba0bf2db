"""Whether the actions of a definition use what it declares, in either notation."""

from collections.abc import Collection, Iterator, Mapping

from cases.checks.conditions import Place
from cases.checks.fields import FieldChecks
from cases.data import problems_of_value
from cases.errors import Problem
from cases.expressions.fields import source_of
from cases.model import ADDRESS
from cases.nearest import nearest
from cases.notation.declarations import Definition
from cases.notation.durations import BadDuration, duration_of
from cases.notation.written_actions import (
    Action,
    CompensateAction,
    NotifyAction,
    ReplyAction,
    RunAction,
)
from cases.values import JSON, place_of, shown_text

ActionLists = Iterator[tuple[Place, tuple[Action, ...]]]

_TOGETHER = ("classify", "reply", "notify", "run")
_UNDOING = ("reply", "notify", "run", "set")


def all_actions(lists: ActionLists) -> Iterator[tuple[Place, Action]]:
    """Yield the actions of lists with their places, those inside of `together` and `undo` too."""
    for place, actions in lists:
        for index, action in enumerate(actions):
            here = (*place, index)
            yield here, action
            yield from all_actions(_inner_lists(here, action))


def _inner_lists(place: Place, action: Action) -> ActionLists:
    yield (*place, "together"), action.together or ()
    yield (*place, "undo"), action.undo


def can_fail(action: Action) -> bool:
    """Tell whether an action holds its task, and so can fail it."""
    return action.block or not (action.reply or action.notify or action.set or action.close)


def kind_of_action(action: Action) -> str:
    """Return which of the actions it is."""
    kinds = ("classify", "reply", "notify", "set", "close", "run", "compensate", "together")
    return next(kind for kind in kinds if getattr(action, kind) is not None)


def duration_problems(place: Place, text: str) -> Iterator[Problem]:
    """Yield what is wrong with a text that is to be a duration."""
    try:
        duration_of(text)
    except BadDuration as error:
        yield Problem(place_of(place), f"{shown_text(text)!r}: {error}")


class ActionChecks:
    """The checks of the actions of one net.

    `undoable` are the names that `compensate` may give, and whether any of their actions can be
    undone; `nets` are those that `run` may give, None where there are none by design.
    """

    def __init__(
        self,
        definition: Definition,
        fields: FieldChecks,
        undoable: Mapping[str, bool],
        nets: Collection[str] | None = None,
    ) -> None:
        self._definition = definition
        self._fields = fields
        self._undoable = undoable
        self._nets = nets

    def problems(self, place: Place, actions: tuple[Action, ...]) -> Iterator[Problem]:
        """Yield what is wrong with a list of actions."""
        for index, action in enumerate(actions):
            yield from self._action((*place, index), action)
            if action.close is not None:
                yield from held_in_vain(place, actions)
            if action.close is not None and index < len(actions) - 1:
                message = "comes after close, so it would never be done"
                yield Problem(place_of((*place, index + 1)), message)

    def template(self, place: Place, name: str) -> Iterator[Problem]:
        """Yield what is wrong with the template named at a place."""
        templates = self._definition.templates
        if name not in templates:
            where = place_of((*place, "template"))
            yield Problem(where, f"there is no template {name}", nearest(name, templates))

    def _action(self, here: Place, action: Action) -> Iterator[Problem]:
        if action.classify is not None and not self._definition.labels:
            message = "there are no labels to choose from: declare some under labels"
            yield Problem(place_of((*here, "classify")), message)
        if action.reply is not None:
            yield from self._reply((*here, "reply"), action.reply)
        if action.notify is not None:
            yield from self._notify((*here, "notify"), action.notify)
        if action.run is not None:
            yield from self._run((*here, "run"), action.run)
        if action.compensate is not None:
            yield from self._compensate((*here, "compensate"), action.compensate)
        yield from self._set((*here, "set"), action.set or {})
        if action.retry is not None:
            yield from duration_problems((*here, "retry", "wait"), action.retry.wait)
        yield from self._together((*here, "together"), action.together or ())
        yield from self._undo((*here, "undo"), action.undo)

    def _together(self, place: Place, actions: tuple[Action, ...]) -> Iterator[Problem]:
        for index, action in enumerate(actions):
            here, kind = (*place, index), kind_of_action(action)
            if kind not in _TOGETHER:
                message = f"together is for {', '.join(_TOGETHER)}: move {kind} out of it"
                yield Problem(place_of(here), message)
                continue
            if action.reply is not None and action.reply.hold is not None:
                message = "a held reply runs beside the case: move it out of together"
                yield Problem(place_of((*here, "reply", "hold")), message)
            yield from self._action(here, action)

    def _undo(self, place: Place, actions: tuple[Action, ...]) -> Iterator[Problem]:
        for index, action in enumerate(actions):
            here, kind = (*place, index), kind_of_action(action)
            if kind not in _UNDOING:
                message = f"undo is a list of {', '.join(_UNDOING)}: take {kind} out of it"
                yield Problem(place_of(here), message)
                continue
            if action.undo:
                message = "what undoes another action cannot be undone itself: take this away"
                yield Problem(place_of((*here, "undo")), message)
            if action.reply is not None and action.reply.hold is not None:
                message = "an action is undone at once: take hold away"
                yield Problem(place_of((*here, "reply", "hold")), message)
            yield from self._action(here, action)

    def _reply(self, place: Place, reply: ReplyAction) -> Iterator[Problem]:
        yield from self.template(place, reply.template)
        if reply.hold is not None:
            yield from duration_problems((*place, "hold"), reply.hold)
        if reply.approve is not None:
            yield from self._team((*place, "approve"), reply.approve)
        yield from self._attach((*place, "attach"), reply.attach)
        if reply.to is not None:
            yield from self._addressee((*place, "to"), reply.to)

    def _notify(self, place: Place, notify: NotifyAction) -> Iterator[Problem]:
        yield from self.template(place, notify.template)
        yield from self._attach((*place, "attach"), notify.attach)
        if notify.team is not None:
            yield from self._team((*place, "team"), notify.team)
        if notify.to is not None:
            yield from self._addressee((*place, "to"), notify.to)

    def _team(self, place: Place, name: str) -> Iterator[Problem]:
        teams = self._definition.teams
        if name not in teams:
            yield Problem(place_of(place), f"there is no team {name}", nearest(name, teams))

    def _attach(self, place: Place, fields: tuple[str, ...]) -> Iterator[Problem]:
        for index, field in enumerate(fields):
            where = place_of((*place, index))
            if field.partition(".")[0] in ("data", "event"):
                yield from self._fields.field(where, field)
            else:
                yield Problem(where, "must be data.FIELD or event.NAME that holds a file")

    def _addressee(self, place: Place, to: str) -> Iterator[Problem]:
        where = place_of(place)
        if to.startswith(("data.", "thread.")):
            yield from self._fields.field(where, to)
        elif ADDRESS.fullmatch(to) is None:
            message = "must be a mail address, or data.FIELD or thread.NAME that holds one"
            yield Problem(where, message)

    def _run(self, place: Place, run: RunAction) -> Iterator[Problem]:
        where = place_of((*place, "net"))
        if self._nets is None:
            message = "a definition of states has no nets to run: write it with tasks and nets"
            yield Problem(where, message)
        elif run.net not in self._nets:
            message = f"there is no net {run.net} under nets"
            yield Problem(where, message, nearest(run.net, self._nets))
        yield from self._set((*place, "with"), run.given, threads=False)
        yield from self._set((*place, "returns"), run.returns, root="data")

    def _compensate(self, place: Place, compensate: CompensateAction) -> Iterator[Problem]:
        if not any(self._undoable.values()):
            message = "no action here can be undone: give those that can a list `undo`"
            yield Problem(place_of(place), message)
            return
        for index, name in enumerate(compensate.tasks):
            where = place_of((*place, "tasks", index))
            if name not in self._undoable:
                yield Problem(where, f"there is no {name} here", nearest(name, self._undoable))
            elif not self._undoable[name]:
                message = f"no action of {name} can be undone: give one a list `undo`"
                yield Problem(where, message)

    def _set(
        self,
        place: Place,
        values: Mapping[str, JSON],
        *,
        threads: bool = True,
        root: str | None = None,
    ) -> Iterator[Problem]:
        """Yield what is wrong with fields and their new values, which may only come from `root`."""
        for field, value in values.items():
            where = place_of((*place, field))
            schema = self._definition.data.get(field)
            if threads and field.startswith("thread."):
                yield from self._fields.settable_in_thread(where, field)
            elif schema is None:
                yield self._fields.missing(where, field)
            source = source_of(value)
            if source is not None and root is not None and not source.startswith(f"{root}."):
                yield Problem(f"{where}.from", f"must be {root}.NAME of the case that was run")
            elif source is not None:
                yield from self._fields.field(f"{where}.from", source)
            elif schema is not None and value is not None:
                yield from problems_of_value(schema, value, where)


def held_in_vain(place: Place, actions: tuple[Action, ...]) -> Iterator[Problem]:
    """Yield the replies that are held while the case ends, which withdraws them."""
    for index, action in enumerate(actions):
        if action.reply is not None and action.reply.hold is not None:
            message = "the case ends here, which withdraws a held reply: take hold away"
            yield Problem(place_of((*place, index, "reply", "hold")), message)
