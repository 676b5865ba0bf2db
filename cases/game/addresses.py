"""Whom an action writes to: addresses as they stand in the definition, or in the case data."""

from collections.abc import Mapping
from dataclasses import replace

from cases.actions import MailAction, Notify, Reply
from cases.expressions.fields import Facts, reader_of
from cases.limits import MAX_ADDRESS_CHARS
from cases.model import ADDRESS
from cases.values import JSON


class AddressMissing(Exception):
    """A field from which a mail address was to be taken holds none."""

    def __str__(self) -> str:
        """Return the reason for which the action failed."""
        return "the case data has no mail address for it"


def addressed(action: MailAction, data: Mapping[str, JSON]) -> MailAction:
    """Return the action with addresses in place of `data.FIELD`, or raise AddressMissing."""
    match action:
        case Reply(to=to):
            if to is None or not to.startswith("data."):
                return action
            address = _address(to, data)
            if address is None:
                raise AddressMissing
            return replace(action, to=address)
        case Notify(to=to):
            if not any(one.startswith("data.") for one in to):
                return action
            found = [_address(one, data) for one in to]
            addresses = tuple(one for one in found if one is not None)
            if not addresses:
                raise AddressMissing
            return replace(action, to=addresses)


def _address(field: str, data: Mapping[str, JSON]) -> str | None:
    """Return the mail address that a field holds, or None."""
    value = reader_of(field)(Facts(None, {}, data, None, None))
    if not isinstance(value, str) or len(value) > MAX_ADDRESS_CHARS:
        return None
    return value if ADDRESS.fullmatch(value) else None
