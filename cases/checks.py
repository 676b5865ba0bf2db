"""What a definition must satisfy beyond its shapes.

All problems are named at once, each with its place and, for a misspelt name, the nearest right one.
"""

from collections.abc import Iterator, Mapping

from cases.condition_checks import ConditionChecks, Place
from cases.conditions import Condition
from cases.data import DataSchema, problems_of_value
from cases.declarations import UNCLASSIFIED, Definition, Start
from cases.durations import BadDuration, duration_of
from cases.errors import Problem
from cases.field_checks import FieldChecks
from cases.nearest import nearest
from cases.notation import ADDRESS
from cases.states import State, StatesDefinition
from cases.values import JSON, place_of, place_under, shown_text
from cases.written_actions import Action, NotifyAction, ReplyAction


def problems_in(definition: Definition, *, mended: bool = False) -> Iterator[Problem]:
    """Yield what is wrong with a definition whose shapes are right, in the order of writing.

    With `mended` it is not quite what was written: then states that seem out of reach, deadlines
    that seem to do nothing, and replies that seem to lack `to` are no problems.
    """
    if not isinstance(definition, StatesDefinition):
        return  # TEMP
    checks = _Checks(definition)
    yield from checks.references()
    if not mended:
        yield from checks.completeness()


def replies_without_to(definition: Definition) -> tuple[str, ...]:
    """Return the places of the replies that need a mail to answer."""
    return tuple(
        place_of((*place, "reply"))
        for place, action in actions_of(definition)
        if action.reply is not None and action.reply.to is None
    )


def actions_of(definition: Definition) -> Iterator[tuple[Place, Action]]:
    """Yield every action of a definition with its place."""
    if not isinstance(definition, StatesDefinition):
        return  # TEMP
    for name, state in definition.states.items():
        for place, actions in _action_lists(("states", name), state):
            for index, action in enumerate(actions):
                yield (*place, index), action


def _action_lists(place: Place, state: State) -> Iterator[tuple[Place, tuple[Action, ...]]]:
    yield (*place, "enter"), state.enter
    for index, transition in enumerate(state.on):
        yield (*place, "on", index, "do"), transition.do
    for index, deadline in enumerate(state.deadlines):
        yield (*place, "deadlines", index, "do"), deadline.do


class _Checks:
    """The checks that look from one part of a definition at another."""

    def __init__(self, definition: StatesDefinition) -> None:
        self._definition = definition
        self._fields = FieldChecks(definition)
        self._conditions = ConditionChecks(self._fields, [*definition.labels, UNCLASSIFIED])

    def references(self) -> Iterator[Problem]:
        """Yield names, values and durations that are wrong in themselves."""
        for name, schema in self._definition.data.items():
            yield from _schema_problems(schema, place_of(("data", name)))
        for name, template in self._definition.templates.items():
            if template.text is None and template.html is None:
                yield Problem(place_of(("templates", name)), "needs a text, an html, or both")
        yield from self._start()
        yield from self._after_close()
        for name, state in self._definition.states.items():
            yield from self._state(("states", name), state)

    def completeness(self) -> Iterator[Problem]:
        """Yield what is missing for the whole to work."""
        yield from self._unreachable()
        yield from self._idle_deadlines()
        yield from self._replies()

    def _start(self) -> Iterator[Problem]:
        if self._definition.start not in self._definition.states:
            yield self._no_state(("start",), self._definition.start)

    def _after_close(self) -> Iterator[Problem]:
        after = self._definition.after_close
        if after.template is not None:
            yield from self._template(("after_close",), after.template)
        if after.to is None:
            return
        place = ("after_close", "to")
        if after.to not in self._definition.states:
            yield self._no_state(place, after.to)
        elif self._definition.states[after.to].final:
            message = f"the state {after.to} is final: name one in which the case is open"
            yield Problem(place_of(place), message)

    def _no_state(self, place: Place, name: str) -> Problem:
        states = self._definition.states
        return Problem(place_of(place), f"there is no state {name}", nearest(name, states))

    def _state(self, place: Place, state: State) -> Iterator[Problem]:
        if state.final and (state.on or state.deadlines):
            key = "on" if state.on else "deadlines"
            message = "a final state ends the case: take this away, or final"
            yield Problem(place_of((*place, key)), message)
        for list_place, actions in _action_lists(place, state):
            yield from self._actions(list_place, actions)
        if state.final:
            yield from self._held_in_vain((*place, "enter"), state.enter)
        for index, transition in enumerate(state.on):
            yield from self._leads_to_end((*place, "on", index, "do"), transition.do, transition.to)
            yield from self._target((*place, "on", index), transition.to, transition.when)
        for index, deadline in enumerate(state.deadlines):
            here = (*place, "deadlines", index)
            yield from self._leads_to_end((*here, "do"), deadline.do, deadline.to)
            yield from self._time(here, deadline.after, deadline.at)
            yield from self._target(here, deadline.to, deadline.when)

    def _target(self, place: Place, to: str | None, when: Condition | None) -> Iterator[Problem]:
        if to is not None and to not in self._definition.states:
            yield self._no_state((*place, "to"), to)
        if when is not None:
            yield from self._conditions.problems((*place, "when"), when)

    def _time(self, place: Place, after: str | None, at: str | None) -> Iterator[Problem]:
        if after is not None:
            yield from self._duration((*place, "after"), after)
        if at is not None:
            yield from self._fields.moment(place_of((*place, "at")), at)

    def _duration(self, place: Place, text: str) -> Iterator[Problem]:
        try:
            duration_of(text)
        except BadDuration as error:
            yield Problem(place_of(place), f"{shown_text(text)!r}: {error}")

    def _actions(self, place: Place, actions: tuple[Action, ...]) -> Iterator[Problem]:
        for index, action in enumerate(actions):
            here = (*place, index)
            if action.classify is not None and not self._definition.labels:
                message = "there are no labels to choose from: declare some under labels"
                yield Problem(place_of((*here, "classify")), message)
            if action.reply is not None:
                yield from self._reply((*here, "reply"), action.reply)
            if action.notify is not None:
                yield from self._notify((*here, "notify"), action.notify)
            for field, value in (action.set or {}).items():
                yield from self._set((*here, "set", field), field, value)
            if action.close is not None:
                yield from self._held_in_vain(place, actions)
            if action.close is not None and index < len(actions) - 1:
                message = "comes after close, so it would never be done"
                yield Problem(place_of((*place, index + 1)), message)

    def _leads_to_end(
        self, place: Place, actions: tuple[Action, ...], to: str | None
    ) -> Iterator[Problem]:
        target = self._definition.states.get(to or "")
        if target is not None and target.final:
            yield from self._held_in_vain(place, actions)

    def _held_in_vain(self, place: Place, actions: tuple[Action, ...]) -> Iterator[Problem]:
        """Yield the replies that are held while the case ends, which withdraws them."""
        for index, action in enumerate(actions):
            if action.reply is not None and action.reply.hold is not None:
                message = "the case ends here, which withdraws a held reply: take hold away"
                yield Problem(place_of((*place, index, "reply", "hold")), message)

    def _reply(self, place: Place, reply: ReplyAction) -> Iterator[Problem]:
        yield from self._template(place, reply.template)
        if reply.hold is not None:
            yield from self._duration((*place, "hold"), reply.hold)
        if reply.approve is not None:
            yield from self._team((*place, "approve"), reply.approve)
        yield from self._attach((*place, "attach"), reply.attach)
        if reply.to is not None:
            yield from self._addressee((*place, "to"), reply.to)

    def _notify(self, place: Place, notify: NotifyAction) -> Iterator[Problem]:
        yield from self._template(place, notify.template)
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

    def _template(self, place: Place, name: str) -> Iterator[Problem]:
        templates = self._definition.templates
        if name not in templates:
            where = place_of((*place, "template"))
            yield Problem(where, f"there is no template {name}", nearest(name, templates))

    def _addressee(self, place: Place, to: str) -> Iterator[Problem]:
        where = place_of(place)
        if to.startswith("data."):
            yield from self._fields.data_field(where, to)
        elif ADDRESS.fullmatch(to) is None:
            yield Problem(where, "must be a mail address, or data.FIELD that holds one")

    def _set(self, place: Place, field: str, value: JSON) -> Iterator[Problem]:
        where = place_of(place)
        schema = self._definition.data.get(field)
        if schema is None:
            yield self._fields.missing(where, field)
        source = source_of(value)
        if source is not None:
            yield from self._fields.field(f"{where}.from", source)
        elif schema is not None and value is not None:
            yield from problems_of_value(schema, value, where)

    def _unreachable(self) -> Iterator[Problem]:
        states = self._definition.states
        if self._definition.start not in states:
            return
        again = self._definition.after_close.to
        seen = dict.fromkeys(
            [self._definition.start, *([again] if again is not None and again in states else [])]
        )
        queue = list(seen)
        while queue:
            state = states[queue.pop()]
            steps = [step.to for step in state.on] + [step.to for step in state.deadlines]
            for to in steps:
                if to is not None and to in states and to not in seen:
                    seen[to] = None
                    queue.append(to)
        for name in states:
            if name not in seen:
                message = "no way leads here from the start: add a transition to it, or remove it"
                yield Problem(place_of(("states", name)), message)

    def _idle_deadlines(self) -> Iterator[Problem]:
        for name, state in self._definition.states.items():
            for index, deadline in enumerate(state.deadlines):
                if deadline.to is None and not deadline.do:
                    place = place_of(("states", name, "deadlines", index))
                    yield Problem(place, "does nothing: give it `do`, `to`, or both")

    def _replies(self) -> Iterator[Problem]:
        if Start.MAIL not in self._definition.starts:
            for where in replies_without_to(self._definition):
                message = "cases start without a mail, so a reply needs `to`, such as data.customer"
                yield Problem(where, message)


def source_of(value: JSON) -> str | None:
    """Return the field that `{from: FIELD}` names, or None for a value that is meant literally."""
    if isinstance(value, Mapping) and list(value) == ["from"]:
        source = value["from"]
        return source if isinstance(source, str) else ""
    return None


def _schema_problems(schema: DataSchema, where: str) -> Iterator[Problem]:
    """Yield what is wrong with the schema of a data field."""
    if schema.default is not None:
        yield from problems_of_value(schema, schema.default, f"{where}.default")
    if schema.items is not None:
        yield from _schema_problems(schema.items, f"{where}.items")
    for name, part in (schema.properties or {}).items():
        yield from _schema_problems(part, place_under(f"{where}.properties", name))
    for name in schema.required or ():
        if schema.properties is not None and name not in schema.properties:
            message = f"requires {shown_text(name)}, which is not among its properties"
            yield Problem(f"{where}.required", message, nearest(name, schema.properties))
