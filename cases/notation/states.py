"""The states notation: states, events, transitions and deadlines; a case has one token.

These models hold shapes and types; what needs the whole definition to be judged is in `checks`.
"""

from typing import Annotated, Self

from pydantic import (
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from cases.expressions.conditions import Condition
from cases.limits import (
    MAX_DEADLINES_PER_STATE,
    MAX_LINE_CHARS,
    MAX_NAME_CHARS,
    MAX_STATES,
    MAX_TRANSITIONS_PER_STATE,
)
from cases.model import EventType, Line, Model, Name
from cases.notation.declarations import Definition
from cases.notation.written_actions import Actions


class Transition(Model):
    """What an event does in a state."""

    event: EventType
    when: Condition | None = Field(None, description="Only if this holds.")
    do: Actions = ()
    to: Name | None = Field(
        None,
        description="The next state. Without it the case stays and its deadlines run on; with the "
        "state's own name it is entered again.",
    )


class Deadline(Model):
    """What happens when time has passed in a state."""

    after: Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS)] | None = Field(
        None, examples=["30 seconds", "90 minutes", "4 hours", "2 days", "1 week"]
    )
    at: Annotated[str, StringConstraints(max_length=MAX_LINE_CHARS)] | None = Field(
        None, description="A date-time field of the case data.", examples=["data.due"]
    )
    when: Condition | None = Field(None, description="Only if this holds when the time has come.")
    do: Actions = ()
    to: Name | None = Field(None, description="Without it, the deadline fires once in each visit.")

    @model_validator(mode="after")
    def _has_one_time(self) -> Self:
        if (self.after is None) == (self.at is None):
            raise ValueError("needs exactly one of after and at")
        return self


class State(Model):
    """Where a case can stand."""

    about: Line | None = None
    enter: Actions = Field((), description="What is done whenever a case comes here.")
    on: Annotated[tuple[Transition, ...], Field(max_length=MAX_TRANSITIONS_PER_STATE)] = ()
    deadlines: Annotated[tuple[Deadline, ...], Field(max_length=MAX_DEADLINES_PER_STATE)] = ()
    final: StrictBool = Field(False, description="Coming here ends the case.")


class StatesDefinition(Definition):
    """A case definition: the states that a case goes through, and what moves it on."""

    start: Name
    states: Annotated[dict[Name, State], Field(min_length=1, max_length=MAX_STATES)]
