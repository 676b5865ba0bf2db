"""The base of every payload: frozen, and strict about what it does not know."""

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeAliasType

# A named alias: pydantic follows a plain recursive one for ever.
Json = TypeAliasType("Json", "bool | int | float | str | list[Json] | dict[str, Json] | None")


class Payload(BaseModel):
    """A message that crosses Temporal; new fields always have defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")
