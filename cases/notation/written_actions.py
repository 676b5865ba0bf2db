"""Actions as they are written; what they mean is in `actions`."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cases.limits import (
    MAX_ACTIONS_PER_LIST,
    MAX_ARROWS,
    MAX_ATTACHMENTS,
    MAX_ATTEMPTS,
    MAX_COLLECTED,
    MAX_NAME_CHARS,
)
from cases.model import Line, Model, Name, with_short_form


class ClassifyAction(Model):
    """Find out what the mail is about; holds the case until it is known."""


Attachments = Annotated[tuple[Line, ...], Field(max_length=MAX_ATTACHMENTS)]
_ATTACH = "Files that go with it: data.FIELD or event.NAME, each a file or a list of files."


class ReplyAction(Model):
    """Answer the customer by a template, at once or when nothing has spoken against it."""

    template: Name
    to: Line | None = Field(
        None,
        description="An address, or data.FIELD or thread.NAME that holds one; without it, who "
        "wrote the mail.",
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
    to: Line | None = Field(
        None, description="An address, or data.FIELD or thread.NAME that holds one."
    )
    attach: Attachments = Field((), description=_ATTACH, examples=[["event.files"]])

    @model_validator(mode="after")
    def _has_one_addressee(self) -> Self:
        if (self.team is None) == (self.to is None):
            raise ValueError("needs exactly one of team and to")
        return self


class RunAction(Model):
    """Run one of the definition's nets as a case of its own, and wait for its end."""

    net: Name
    given: Annotated[dict[str, JsonValue], Field(max_length=MAX_COLLECTED)] = Field(
        default_factory=dict,
        alias="with",
        description="Fields of its data, and their values as for `set`.",
    )
    returns: Annotated[dict[str, JsonValue], Field(max_length=MAX_COLLECTED)] = Field(
        default_factory=dict,
        description="Fields of this case's data and their values when it has ended; {from: "
        "data.NAME} reads the data of the case that has ended.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"net": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the short form: the net's name alone."""
        return with_short_form(handler(schema), "Just `net`.")


class CompensateAction(Model):
    """Undo the actions that are done and say how, the last first."""

    tasks: Annotated[tuple[Name, ...], Field(max_length=MAX_ARROWS)] = Field(
        (), description="Only those of these tasks or states; without it all."
    )


class Retry(Model):
    """How often an action that failed is asked for again, and after how long."""

    attempts: Annotated[StrictInt, Field(ge=2, le=MAX_ATTEMPTS)] = Field(
        description="How often in all."
    )
    wait: Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS)] = Field(
        "1 minute", examples=["30 seconds", "1 hour"]
    )


_ACTIONS = ("classify", "reply", "notify", "set", "close", "run", "compensate", "together")
_BLOCKING = ("reply", "notify")
_RETRIED = ("classify", "reply", "notify", "run")
_UNDONE = ("reply", "notify", "run", "set")


class Action(Model):
    """One action: exactly one of classify, reply, notify, set, close, run, compensate, together."""

    classify: ClassifyAction | None = None
    reply: ReplyAction | None = None
    notify: NotifyAction | None = None
    set: Annotated[dict[str, JsonValue], Field(min_length=1)] | None = Field(
        None,
        description="Fields of the case data and their new values; {from: event.NAME} takes the "
        "value from a field.",
    )
    close: Line | None = Field(None, description="End the case; the text is the reason.")
    run: RunAction | None = None
    compensate: CompensateAction | None = None
    together: (
        Annotated[tuple["Action", ...], Field(min_length=1, max_length=MAX_ACTIONS_PER_LIST)] | None
    ) = Field(
        None, description="Actions that are asked for at once; the task goes on after all of them."
    )
    block: StrictBool = Field(
        False, description="Hold the case here until a reply or a notice has gone out."
    )
    retry: Retry | None = Field(None, description="Of an action that holds the case.")
    undo: Annotated[tuple["Action", ...], Field(max_length=MAX_ACTIONS_PER_LIST)] = Field(
        (), description="What undoes it once it is done, when `compensate` comes."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        short: Mapping[str, object] = {"classify": {}, "close": "closed", "compensate": {}}
        if isinstance(value, str):
            return {value: short.get(value)}
        if isinstance(value, dict) and all(value.get(name) is None for name in _ACTIONS):
            # `{classify: }` and `{close: }` are what an editor leaves of the short forms.
            return {key: short.get(key) if item is None else item for key, item in value.items()}
        return value

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        given = [name for name in _ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(_ACTIONS)
            if len(given) > 1:
                several = " and ".join(given)
                raise ValueError(f"has {several}: write each as an action of its own, with its `-`")
            raise ValueError(f"needs exactly one of {names}")
        if self.block and given[0] not in _BLOCKING:
            raise ValueError(f"block is for reply and notify, not for {given[0]}: take it away")
        if self.block and self.reply is not None and self.reply.hold is not None:
            raise ValueError("block and hold exclude each other: a held reply runs beside the case")
        holds = self.block or given[0] not in _BLOCKING
        if self.retry is not None and not (given[0] in _RETRIED and holds):
            raise ValueError("retry is for classify, run, and a reply or a notice with block")
        if self.undo and given[0] not in _UNDONE:
            allowed = ", ".join(_UNDONE)
            raise ValueError(f"undo is for {allowed}, not for {given[0]}: take it away")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the short forms: `classify`, `close` and `compensate` as words."""
        one_of = {"anyOf": [{"required": [name]} for name in _ACTIONS]}
        return {
            "anyOf": [{"enum": ["classify", "close", "compensate"]}, {**handler(schema), **one_of}]
        }


Actions = Annotated[tuple[Action, ...], Field(max_length=MAX_ACTIONS_PER_LIST)]
