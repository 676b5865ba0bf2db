"""What patterns look like from outside."""

import json
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from api.inputs import Body
from cases.limits import MAX_DATA_BYTES, MAX_EXAMPLE_EVENTS
from cases.notation.declarations import Example, ExampleEvent
from cases.trace import TraceKind
from contracts.steps import WaitingEvent
from ledgers.casework.pattern_runs import PatternRun
from ledgers.casework.patterns import Pattern
from store.tables import CaseStatus

# What begins: a task, or one of the instances of a task.
BEGINNINGS = frozenset({TraceKind.FIRED, TraceKind.INSTANCE})


class PatternSummary(Body):
    """A control-flow pattern as the list shows it."""

    number: int
    name: str
    meaning: str
    definition: str

    @classmethod
    def of(cls, pattern: Pattern) -> Self:
        """Return what the list says of a pattern."""
        return cls(**_facts(pattern))


class PatternList(Body):
    """All patterns, by number."""

    items: list[PatternSummary]


class PatternView(PatternSummary):
    """A pattern with its definition, its file as written, and its example's data and events."""

    text: str
    spec: dict[str, JsonValue]
    example: dict[str, JsonValue]

    @classmethod
    def of(cls, pattern: Pattern) -> Self:
        """Return all of a pattern."""
        example = pattern.definition.example or Example()
        return cls(
            **_facts(pattern),
            text=pattern.text,
            spec=json.loads(pattern.document),
            example=example.model_dump(mode="json"),
        )


class Variables(BaseModel):
    """What a run of a pattern begins with: its events, and fields of the case data."""

    # What is not `events` is case data, which the pattern's definition judges.
    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    events: Annotated[tuple[ExampleEvent, ...], Field(max_length=MAX_EXAMPLE_EVENTS)] | None = (
        Field(
            None,
            description="In place of the example's: types, or {event: TYPE, data: {...}}.",
            examples=[["packed", {"event": "voted", "data": {"by": "chair"}}]],
        )
    )

    @field_validator("events", mode="before")
    @classmethod
    def _is_a_list(cls, events: object) -> object:
        if events is not None and not isinstance(events, list):
            raise ValueError("it is no list: send the events as a list, [] for none")
        return events

    @field_validator("events")
    @classmethod
    def _fits_into_a_history(
        cls, events: tuple[ExampleEvent, ...] | None
    ) -> tuple[ExampleEvent, ...] | None:
        if any(len(json.dumps(event.data)) > MAX_DATA_BYTES for event in events or ()):
            raise ValueError(f"the data of an event is larger than {MAX_DATA_BYTES // 1024} KiB")
        return events


class Execution(Body):
    """How to run a pattern; with {} it runs with its own example."""

    variables: Variables = Field(
        default_factory=Variables,
        description="`events` in place of the example's; all else is case data over the example's.",
    )


class FedEvent(Body):
    """An event that the case was given; one that was not `taken` is kept, or was lost."""

    event: str
    taken: bool


class ExecutedPattern(Body):
    """What came of a run.

    `trace` holds what has begun in order, tasks and instances, each with its `task`, in the case
    and in its sub-cases, whose `net` is named; the traces of the cases have the rest.
    `variables` is the case data. `events_fed` were given to the case, `events_left` not any more;
    `running` are the tasks that run, and `kept` the events that nothing has taken, with the reason.
    """

    case_id: str
    pattern: int
    name: str
    status: CaseStatus
    note: str
    trace: list[dict[str, Any]]  # Any: JSON of the core's trace
    marking: dict[str, int]
    variables: dict[str, Any]  # Any: JSON of the definition's making
    events_fed: list[FedEvent]
    events_left: list[str]
    running: list[str]
    kept: list[WaitingEvent]

    @classmethod
    def of(cls, pattern: Pattern, run: PatternRun) -> Self:
        """Return what came of a run of a pattern."""
        now = run.case.snapshot
        return cls(
            case_id=run.case.summary.id,
            pattern=pattern.number,
            name=pattern.name,
            status=run.case.summary.status,
            note=_note(run),
            trace=[
                {"case_id": step.case_id, "net": step.net, "seq": step.seq, **step.entry}
                for step in run.trace
                if step.entry.get("kind") in BEGINNINGS and "task" in step.entry
            ],
            marking=now.marking if now else {},
            variables=now.data if now else run.case.initial_data,
            events_fed=[FedEvent(event=one.type, taken=run.took(one)) for one in run.fed],
            events_left=list(run.left),
            running=now.running if now else [],
            kept=now.waiting if now else [],
        )


def _note(run: PatternRun) -> str:
    """Say how the run has ended, and what to do where the case has not."""
    case_id = run.case.summary.id
    if run.case.summary.status != CaseStatus.OPEN:
        return "The case has come to its end."
    if not run.in_time:
        return (
            "The time for a run is over and the case goes on;"
            f" `everpost cases show {case_id}` says where it stands."
        )
    if run.case.snapshot is not None and run.case.snapshot.parked is not None:
        return f"The case is parked: {run.case.snapshot.parked}."
    return (
        "The case waits for more events;"
        f" send them with `everpost cases event {case_id} TYPE`, or to"
        f" /api/v1/cases/{case_id}/events, or all of them in `variables.events`."
    )


def _facts(pattern: Pattern) -> dict[str, Any]:  # Any: the fields' types differ
    return {
        "number": pattern.number,
        "name": pattern.name,
        "meaning": pattern.meaning,
        "definition": pattern.definition.id,
    }
