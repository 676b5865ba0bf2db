"""The states notation: what a person writes for states, events, transitions and deadlines.

These models hold shapes and types; what needs the whole definition to be judged is in `checks`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StrictBool,
    StrictFloat,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cases.conditions import Condition
from cases.data import DataSchema
from cases.limits import (
    MAX_ACTIONS_PER_LIST,
    MAX_ADDRESSES_PER_TEAM,
    MAX_ATTACHMENTS,
    MAX_DATA_FIELDS,
    MAX_DEADLINES_PER_STATE,
    MAX_KEYWORDS_PER_LABEL,
    MAX_LABELS,
    MAX_LINE_CHARS,
    MAX_NAME_CHARS,
    MAX_STATES,
    MAX_TEAMS,
    MAX_TEMPLATES,
    MAX_TRANSITIONS_PER_STATE,
)
from cases.notation import Address, EventType, Line, Model, Name, Slug

UNCLASSIFIED = "unclassified"


class ClassifierKind(StrEnum):
    """What finds a mail's label."""

    KEYWORD = "keyword"
    LLM = "llm"


class UnknownOutcome(StrEnum):
    """What happens to a mail of which nobody knows whether it was sent."""

    PARK = "park"
    RESEND = "resend"


class Start(StrEnum):
    """What may open a case."""

    MAIL = "mail"
    API = "api"


class ClosedPolicy(StrEnum):
    """What a mail does that comes to a case which has closed."""

    FOLLOW_UP = "follow_up"
    REOPEN = "reopen"
    ANSWER = "answer"


class Label(Model):
    """What a mail can be about."""

    about: Line = Field("", description="In words; the classifiers read it.")
    keywords: Annotated[tuple[Line, ...], Field(max_length=MAX_KEYWORDS_PER_LABEL)] = Field(
        (), description="Words and phrases that speak for this label."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"about": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the short form: the text of `about` alone."""
        text = {"type": "string", "maxLength": MAX_LINE_CHARS, "description": "Just `about`."}
        return {"anyOf": [text, handler(schema)]}


class Classifier(Model):
    """What finds the labels, and how sure it has to be."""

    kind: ClassifierKind = ClassifierKind.KEYWORD
    threshold: Annotated[StrictFloat, Field(ge=0, le=1)] = Field(
        0.7, description="Below this confidence the model's verdict gives way to the keywords'."
    )
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="The language model's name, for kind llm; else the one of the settings."
    )


class Template(Model):
    """What a mail says, in Jinja2: text, html, or both; the one left out follows from the other.

    It may use case.id, case.data, case.label, message.subject, message.from_name,
    message.from_address, message.text, mailbox.address and event.NAME.
    """

    subject: Line | None = None
    text: str | None = None
    html: str | None = None


class ClassifyAction(Model):
    """Find out what the mail is about; holds the case until it is known."""


Attachments = Annotated[tuple[Line, ...], Field(max_length=MAX_ATTACHMENTS)]
_ATTACH = "Files that go with it: data.FIELD or event.NAME, each a file or a list of files."


class ReplyAction(Model):
    """Answer the customer by a template, at once or when nothing has spoken against it."""

    template: Name
    to: Line | None = Field(
        None,
        description="An address, or data.FIELD that holds one; without it, who wrote the mail.",
        examples=["data.customer"],
    )
    hold: Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS)] | None = Field(
        None,
        description="Wait so long before it goes out; it is withdrawn when a mail comes, the case "
        "moves on or closes, or a person takes it over.",
        examples=["10 minutes"],
    )
    approve: Name | None = Field(
        None, description="The team of which somebody has to approve it before it goes out."
    )
    attach: Attachments = Field((), description=_ATTACH, examples=[["data.invoice"]])


class NotifyAction(Model):
    """Write to a team, or to an address, by a template."""

    template: Name
    team: Name | None = None
    to: Line | None = Field(None, description="An address, or data.FIELD that holds one.")
    attach: Attachments = Field((), description=_ATTACH, examples=[["event.files"]])

    @model_validator(mode="after")
    def _has_one_addressee(self) -> Self:
        if (self.team is None) == (self.to is None):
            raise ValueError("needs exactly one of team and to")
        return self


_ACTIONS = ("classify", "reply", "notify", "set", "close")


class Action(Model):
    """One action: exactly one of classify, reply, notify, set, close."""

    classify: ClassifyAction | None = None
    reply: ReplyAction | None = None
    notify: NotifyAction | None = None
    set: Annotated[dict[str, JsonValue], Field(min_length=1)] | None = Field(
        None,
        description="Fields of the case data and their new values; {from: event.NAME} takes the "
        "value from a field.",
    )
    close: Line | None = Field(None, description="End the case; the text is the reason.")
    block: StrictBool = Field(
        False, description="Hold the case here until a reply or a notice has gone out."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        short: Mapping[str, object] = {"classify": {}, "close": "closed"}
        if isinstance(value, str):
            return {value: short.get(value)}
        if isinstance(value, dict) and len(value) == 1:
            # `{classify: }` and `{close: }` are what an editor leaves of the short forms.
            return {key: short.get(key) if item is None else item for key, item in value.items()}
        return value

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        given = [name for name in _ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of {', '.join(_ACTIONS)}")
        if self.block and given[0] not in ("reply", "notify"):
            raise ValueError(f"block is for reply and notify, not for {given[0]}")
        if self.block and self.reply is not None and self.reply.hold is not None:
            raise ValueError("block and hold exclude each other: a held reply runs beside the case")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the short forms: `classify` and `close` as words."""
        one_of = {"anyOf": [{"required": [name]} for name in _ACTIONS]}
        return {"anyOf": [{"enum": ["classify", "close"]}, {**handler(schema), **one_of}]}


Actions = Annotated[tuple[Action, ...], Field(max_length=MAX_ACTIONS_PER_LIST)]


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


_OF_POLICY: Mapping[ClosedPolicy, str] = {
    ClosedPolicy.REOPEN: "name the state in which the case is open again",
    ClosedPolicy.ANSWER: "name the template that is replied",
}


class AfterClose(Model):
    """What a mail does that comes to a case which has closed.

    `follow_up` opens a case that follows it, `reopen` puts it back into the state `to`, and
    `answer` replies by `template` and leaves it closed.
    """

    policy: ClosedPolicy = ClosedPolicy.FOLLOW_UP
    to: Name | None = Field(None, description="The state in which a case is open again, to reopen.")
    template: Name | None = Field(None, description="What is replied, to answer.")

    @model_validator(mode="after")
    def _fits_its_policy(self) -> Self:
        for name, policy in (("to", ClosedPolicy.REOPEN), ("template", ClosedPolicy.ANSWER)):
            given = getattr(self, name) is not None
            if given != (self.policy is policy):
                raise ValueError(
                    f"`{name}` is for the policy {policy} alone: take it away, or change the policy"
                    if given
                    else f"the policy {policy} needs `{name}`: {_OF_POLICY[policy]}"
                )
        return self


_Addresses = Annotated[tuple[Address, ...], Field(min_length=1, max_length=MAX_ADDRESSES_PER_TEAM)]


class Definition(Model):
    """A case definition: the states that a case goes through, and what moves it on."""

    id: Slug
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    about: Line | None = None
    starts: Annotated[tuple[Start, ...], Field(min_length=1, max_length=2)] = Field(
        (Start.MAIL, Start.API), description="What may open a case."
    )
    data: Annotated[dict[Name, DataSchema], Field(max_length=MAX_DATA_FIELDS)] = Field(
        default_factory=dict, description="The fields of a case, each with its JSON Schema."
    )
    labels: Annotated[dict[Name, Label], Field(max_length=MAX_LABELS)] = Field(
        default_factory=dict, description="What a mail can be about."
    )
    classifier: Classifier = Classifier()
    teams: Annotated[dict[Name, _Addresses], Field(max_length=MAX_TEAMS)] = Field(
        default_factory=dict, description="Whom to notify: addresses by the team's name."
    )
    templates: Annotated[dict[Name, Template], Field(max_length=MAX_TEMPLATES)] = Field(
        default_factory=dict
    )
    unknown_outcome: UnknownOutcome = Field(
        UnknownOutcome.PARK,
        description="A mail whose sending nobody can confirm waits for a person, or is sent again.",
    )
    after_close: AfterClose = Field(
        AfterClose(), description="What a mail does that comes when the case has closed."
    )
    start: Name
    states: Annotated[dict[Name, State], Field(min_length=1, max_length=MAX_STATES)]
