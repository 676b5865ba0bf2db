"""The shapes that several resources' inputs share."""

import ipaddress
import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from store.cursors import MAX_CURSOR_LENGTH, MAX_ROW_ID

MAX_PAGE = 200
DEFAULT_PAGE = 50


class Body(BaseModel):
    """A body: frozen, and strict about what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _without_controls(text: str) -> str:
    # Line ends in what becomes a header or a command of a mail server would start another one.
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("it has control characters, such as a line end")
    return text


def _to_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is beyond the years 1 to 9999 in UTC") from None


def _host(text: str) -> str:
    if _is_ip_address(text) or _HOST_NAME.fullmatch(text):
        return text.lower()
    raise ValueError("it is neither a host name nor an IP address")


# RFC 1123, 2.1.
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


def _email_address(text: str) -> str:
    # Not a `pattern`: that would be told to whoever mistypes an address.
    if _ADDR_SPEC.fullmatch(text):
        return text
    raise ValueError("it is no mail address such as name@example.com")


# The addr-spec of RFC 5322, 3.4.1, without quoted local parts and domain literals; ASCII only.
_ADDR_SPEC = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_AS_EMAIL = Field(json_schema_extra={"format": "email"})


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name or address."""
    if _is_ip_address(host):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


Line = Annotated[str, AfterValidator(_without_controls)]
EmailAddress = Annotated[
    str, StringConstraints(max_length=254), AfterValidator(_email_address), _AS_EMAIL
]
Host = Annotated[str, StringConstraints(max_length=253), AfterValidator(_host)]
UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]

Cursor = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR_LENGTH, description="`next_cursor` of the page before."),
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many items at most.")]
RowId = Annotated[int, Path(ge=1, le=MAX_ROW_ID)]
DefinitionId = Annotated[str, Path(max_length=128)]
CaseId = Annotated[str, Path(max_length=64)]
MailboxId = Annotated[str, Path(max_length=64)]
