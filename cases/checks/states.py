"""What a definition of states must satisfy beyond its shapes."""

from collections.abc import Iterator

from cases.checks.actions import (
    ActionChecks,
    ActionLists,
    all_actions,
    duration_problems,
    held_in_vain,
)
from cases.checks.conditions import ConditionChecks, Place
from cases.checks.fields import FieldChecks
from cases.errors import Problem
from cases.expressions.conditions import Condition
from cases.nearest import nearest
from cases.notation.declarations import UNCLASSIFIED
from cases.notation.states import State, StatesDefinition
from cases.notation.written_actions import Action
from cases.values import place_of


def state_lists(place: Place, state: State) -> ActionLists:
    """Yield a state's lists of actions, each with its place."""
    yield (*place, "enter"), state.enter
    for index, transition in enumerate(state.on):
        yield (*place, "on", index, "do"), transition.do
    for index, deadline in enumerate(state.deadlines):
        yield (*place, "deadlines", index, "do"), deadline.do


def _undoable(definition: StatesDefinition) -> dict[str, bool]:
    """Return for each state whether any of its actions can be undone."""
    return {
        name: any(action.undo for _, action in all_actions(state_lists((), state)))
        for name, state in definition.states.items()
    }


class StateChecks:
    """The checks that look from one part of a definition of states at another."""

    def __init__(self, definition: StatesDefinition) -> None:
        self._definition = definition
        self._fields = FieldChecks(definition)
        self._actions = ActionChecks(definition, self._fields, _undoable(definition))
        self._conditions = ConditionChecks(self._fields, [*definition.labels, UNCLASSIFIED])

    def references(self) -> Iterator[Problem]:
        """Yield names, values and durations that are wrong in themselves."""
        yield from self._start()
        yield from self._after_close()
        for name, state in self._definition.states.items():
            yield from self._state(("states", name), state)

    def completeness(self) -> Iterator[Problem]:
        """Yield what is missing for the whole to work."""
        yield from self._unreachable()
        yield from self._idle_deadlines()

    def _start(self) -> Iterator[Problem]:
        if self._definition.start not in self._definition.states:
            yield self._no_state(("start",), self._definition.start)

    def _after_close(self) -> Iterator[Problem]:
        after = self._definition.after_close
        if after.template is not None:
            yield from self._actions.template(("after_close",), after.template)
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
        for list_place, actions in state_lists(place, state):
            yield from self._actions.problems(list_place, actions)
        if state.final:
            yield from held_in_vain((*place, "enter"), state.enter)
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
            yield from duration_problems((*place, "after"), after)
        if at is not None:
            yield from self._fields.moment(place_of((*place, "at")), at)

    def _leads_to_end(
        self, place: Place, actions: tuple[Action, ...], to: str | None
    ) -> Iterator[Problem]:
        target = self._definition.states.get(to or "")
        if target is not None and target.final:
            yield from held_in_vain(place, actions)

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
