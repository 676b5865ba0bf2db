"""What all parts of a written definition share: closed frozen models, and the shape of names."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import JsonSchemaValue

from cases.limits import MAX_ADDRESS_CHARS, MAX_LINE_CHARS, MAX_NAME_CHARS


class Model(BaseModel):
    """A part of a definition: it never changes, and it has no keys but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


ADDRESS = re.compile(r"^[^\s@<>,;:\"]+@[^\s@<>,;:\"]+$")

Slug = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=MAX_NAME_CHARS),
]
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=MAX_NAME_CHARS),
]
EventType = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*$", max_length=MAX_NAME_CHARS),
    Field(examples=["email", "classified", "action_failed", "approve"]),
]
Line = Annotated[str, StringConstraints(max_length=MAX_LINE_CHARS)]
Address = Annotated[
    str,
    StringConstraints(pattern=ADDRESS.pattern, max_length=MAX_ADDRESS_CHARS),
    Field(examples=["leads@example.com"]),
]


def with_short_form(schema: JsonSchemaValue, about: str) -> JsonSchemaValue:
    """Return the JSON Schema of what may also be written as a text, which `about` explains."""
    text = {"type": "string", "maxLength": MAX_LINE_CHARS, "description": about}
    return {"anyOf": [text, schema]}
