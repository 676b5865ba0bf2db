"""What a definition declares whichever way it is written: data, labels, teams, templates.

These models hold shapes and types; what needs the whole definition to be judged is in `checks`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StrictFloat,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cases.data import DataSchema
from cases.limits import (
    MAX_ADDRESSES_PER_TEAM,
    MAX_DATA_FIELDS,
    MAX_EXAMPLE_EVENTS,
    MAX_KEYWORDS_PER_LABEL,
    MAX_LABELS,
    MAX_TEAMS,
    MAX_TEMPLATES,
)
from cases.model import Address, EventType, Line, Model, Name, Slug, with_short_form

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
        return with_short_form(handler(schema), "Just `about`.")


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
    message.from_address, message.text, mailbox.address, event.NAME, and with tasks thread.NAME.
    """

    subject: Line | None = None
    text: str | None = None
    html: str | None = None


_OF_POLICY: Mapping[ClosedPolicy, str] = {
    ClosedPolicy.REOPEN: "name the state, condition or task where the case is open again",
    ClosedPolicy.ANSWER: "name the template that is replied",
}


class AfterClose(Model):
    """What a mail does that comes to a case which has closed.

    `follow_up` opens a case that follows it, `reopen` puts it back to the state, condition or task
    `to`, and `answer` replies by `template` and leaves it closed.
    """

    policy: ClosedPolicy = ClosedPolicy.FOLLOW_UP
    to: Name | None = Field(None, description="Where a case is open again, to reopen.")
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


class ExampleEvent(Model):
    """An event of an example: its type alone, or with its data."""

    event: EventType
    data: Annotated[dict[Name, JsonValue], Field(max_length=MAX_DATA_FIELDS)] = Field(
        default_factory=dict
    )

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


class Example(Model):
    """A run that shows what a definition does: the data to start with, and what comes then."""

    data: Annotated[dict[Name, JsonValue], Field(max_length=MAX_DATA_FIELDS)] = Field(
        default_factory=dict, description="The case data; it fits `data` of the definition."
    )
    events: Annotated[tuple[ExampleEvent, ...], Field(max_length=MAX_EXAMPLE_EVENTS)] = Field(
        (), description="What happens, in this order, each once the one before has been taken."
    )


_Addresses = Annotated[tuple[Address, ...], Field(min_length=1, max_length=MAX_ADDRESSES_PER_TEAM)]


class Definition(Model):
    """A case definition, without its net: each of the two notations adds its own."""

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
    example: Example | None = Field(
        None, description="A run that shows what the definition does; no case takes part in it."
    )
