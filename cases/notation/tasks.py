"""The tasks and conditions notation: a workflow net as YAWL draws it, with several tokens.

Every node says where it leads. An arrow from one task straight to another runs through a condition
that nobody has to name. These models hold shapes and types; what needs the whole definition to be
judged is in `checks`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StrictInt,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cases.expressions.conditions import Condition
from cases.limits import (
    MAX_ARROWS,
    MAX_COLLECTED,
    MAX_DEADLINES_PER_STATE,
    MAX_DEPTH,
    MAX_INSTANCES,
    MAX_LINE_CHARS,
    MAX_LOCKS,
    MAX_NAME_CHARS,
    MAX_NETS,
    MAX_NODES,
    MAX_WEIGHT,
    MAX_WINDOW,
)
from cases.model import EventType, Line, Model, Name, with_short_form
from cases.notation.declarations import Definition
from cases.notation.states import Deadline
from cases.notation.written_actions import Actions

Time = Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS)]
FieldName = Annotated[str, StringConstraints(max_length=MAX_LINE_CHARS)]
Names = Annotated[tuple[Name, ...], Field(max_length=MAX_ARROWS)]


class Ends(StrEnum):
    """When a case has ended: in a final condition, or when nothing is left to do."""

    FINAL = "final"
    EMPTY = "empty"


class WrittenJoin(StrEnum):
    """How many of a task's inputs have to be there."""

    AND = "and"
    XOR = "xor"
    OR = "or"


class WrittenSplit(StrEnum):
    """How many of a task's outputs are filled."""

    AND = "and"
    XOR = "xor"
    OR = "or"


class WrittenRest(StrEnum):
    """What becomes of those that were not waited for."""

    WAIT = "wait"
    CANCEL = "cancel"


# The marks of a union's members. Pydantic puts them into the places of its errors, from which they
# are taken out again; with them it looks at the member that was meant, and not at all of them.
TEXT, OTHER = "<text>", "<other>"
UNION_MARKS = (TEXT, OTHER)


def _text_or_not(value: object) -> str:
    return TEXT if isinstance(value, str) else OTHER


def _word_or_parts(value: object) -> str:
    return OTHER if isinstance(value, Mapping | PartialJoin) else TEXT


class PartialJoin(Model):
    """A join of so many of its inputs: one makes it a discriminator."""

    at_least: Annotated[StrictInt, Field(ge=1, le=MAX_ARROWS)]
    rest: WrittenRest = Field(
        WrittenRest.WAIT,
        description="wait: the join is ready again when the other branches have come, or can't any "
        "more. cancel: they are withdrawn, with all that `cancels` names.",
    )


Join = Annotated[
    Annotated[WrittenJoin, Tag(TEXT)] | Annotated[PartialJoin, Tag(OTHER)],
    Discriminator(_word_or_parts),
]


class Arrow(Model):
    """Where a node leads: a name alone, or a name with a condition, a number or a list."""

    to: Name
    when: Condition | None = Field(None, description="Of a task with an xor or or split.")
    times: Annotated[StrictInt, Field(ge=1, le=MAX_WEIGHT)] = Field(
        1,
        description="From a task: so many tokens, each a thread of its own. From a condition: the "
        "task takes so many at once, which ends their threads.",
    )
    each: FieldName | None = Field(
        None,
        description="From a task: a thread for each item of the list in this field.",
        examples=["data.orders"],
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"to": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_one_number(self) -> Self:
        if self.each is not None and self.times != 1:
            raise ValueError(
                "has both times and each: `times` makes so many tokens, `each` one for each item "
                "of a list; take one of the two away"
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the short form: the name alone."""
        return with_short_form(handler(schema), "Just `to`.")


Arrows = Annotated[tuple[Arrow, ...], Field(max_length=MAX_ARROWS)]


class Waited(Model):
    """An event that is waited for: its type alone, or with a condition."""

    event: EventType
    when: Condition | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"event": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the short form: the event's type alone."""
        return with_short_form(handler(schema), "Just `event`.")


class TaskTrigger(Model):
    """What starts a task whose inputs are there: an event, or time."""

    event: EventType | None = None
    transient: StrictBool = Field(
        False, description="An event that comes when the task is not ready is lost, not kept."
    )
    after: Time | None = Field(None, description="So long after its input came.")
    at: FieldName | None = Field(None, description="A date-time field of the case data.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"event": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(given is not None for given in (self.event, self.after, self.at)) != 1:
            raise ValueError("needs exactly one of event, after and at")
        if self.transient and self.event is None:
            raise ValueError("transient is for an event")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the short form: the event's type alone."""
        return with_short_form(handler(schema), "Just `event`.")


Count = Annotated[
    Annotated[StrictInt, Field(ge=0, le=MAX_INSTANCES), Tag(OTHER)]
    | Annotated[FieldName, Tag(TEXT)],
    Discriminator(_text_or_not),
]


class WrittenInstances(Model):
    """How often a task runs at once: `count`, or one for each item of the list `over`."""

    count: Count | None = Field(
        None, description="A number, or a field that holds one.", examples=[3, "data.copies"]
    )
    over: FieldName | None = Field(None, examples=["data.orders"])
    at_most: Annotated[StrictInt, Field(ge=1, le=MAX_INSTANCES)] = Field(
        MAX_INSTANCES, description="More are never made; a field that asks for more is cut."
    )
    add: Waited | None = Field(
        None, description="An event that adds an instance while one still runs."
    )
    threshold: Annotated[StrictInt, Field(ge=0, le=MAX_INSTANCES)] | None = Field(
        None,
        description="The task goes on when so many have ended; without it all of them, with 0 "
        "none has to.",
    )
    rest: WrittenRest = WrittenRest.WAIT
    window: Annotated[StrictInt, Field(ge=1, le=MAX_WINDOW)] = Field(
        MAX_WINDOW, description="So many run at the same time, the others wait their turn."
    )
    collect: Annotated[dict[Name, FieldName], Field(max_length=MAX_COLLECTED)] = Field(
        default_factory=dict,
        description="Lists of the case data, and the field that each instance adds when it ends.",
        examples=[{"answers": "event.answer"}],
    )

    @model_validator(mode="after")
    def _has_one_number(self) -> Self:
        if (self.count is None) == (self.over is None):
            raise ValueError("needs exactly one of count and over")
        return self


class Task(Model):
    """Something that is done: it takes its inputs, does its actions, and fills its outputs."""

    about: Line | None = None
    join: Join = Field(WrittenJoin.AND, description="How many of its inputs have to be there.")
    trigger: TaskTrigger | None = Field(None, description="Without it the task starts by itself.")
    when: Condition | None = Field(None, description="It starts only if this holds; else it waits.")
    only_while: Names = Field((), description="Conditions that must hold a token and keep it.")
    do: Actions = ()
    until: Waited | None = Field(
        None, description="After its actions it runs on until this event comes."
    )
    deadlines: Annotated[tuple[Deadline, ...], Field(max_length=MAX_DEADLINES_PER_STATE)] = Field(
        (), description="Count from its start, while it runs; one with `to` ends it."
    )
    instances: WrittenInstances | None = Field(
        None, description="Without it the task runs once at a time for each of its starts."
    )
    on_error: Arrows = Field((), description="Where it leads instead when a blocking action fails.")
    cancels: Names = Field((), description="Tasks and conditions that are emptied when it ends.")
    completes: Names = Field((), description="Tasks whose running instances count as done.")
    split: WrittenSplit = Field(
        WrittenSplit.AND,
        description="and: all arrows. xor: the first whose `when` holds. or: all whose `when` "
        "holds. Where none does, the last arrow.",
    )
    to: Arrows = ()


class WrittenCondition(Model):
    """A place where the case waits; the first task that is ready takes the token."""

    about: Line | None = None
    final: StrictBool = Field(False, description="A token here ends the case.")
    to: Arrows = ()


Section = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_ARROWS)]


class TaskNet(Model):
    """A net of tasks and conditions."""

    start: Name | None = Field(None, description="The condition or task where it begins.")
    ends: Ends = Field(
        Ends.FINAL,
        description="final: with a token in a final condition. empty: also when nothing is left to "
        "do, with all tokens where nothing takes them.",
    )
    tasks: Annotated[dict[Name, Task], Field(max_length=MAX_NODES)] = Field(default_factory=dict)
    conditions: Annotated[dict[Name, WrittenCondition], Field(max_length=MAX_NODES)] = Field(
        default_factory=dict
    )
    locks: Annotated[
        dict[Name, Annotated[tuple[Section, ...], Field(min_length=1, max_length=MAX_ARROWS)]],
        Field(max_length=MAX_LOCKS),
    ] = Field(
        default_factory=dict,
        description="Sections, each a list of tasks, of which one at a time is under way.",
        examples=[{"till": [["open", "count", "shut"], ["audit"]]}],
    )


class TasksDefinition(Definition, TaskNet):
    """A case definition: a net of tasks and conditions, and the nets that it runs as sub-cases."""

    nets: Annotated[dict[Name, TaskNet], Field(max_length=MAX_NETS)] = Field(
        default_factory=dict, description="Nets that a task can run as a case of its own."
    )
    max_depth: Annotated[StrictInt, Field(ge=1, le=MAX_DEPTH)] = Field(
        8, description="How deep sub-cases of sub-cases may go; the one below fails."
    )
