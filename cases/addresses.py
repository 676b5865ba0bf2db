"""Whom an action writes to: addresses as they stand in the definition, or in the case data."""

from collections.abc import Mapping
from dataclasses import replace

from cases.actions import Classify, Notify, OutsideAction, Reply
from cases.fields import Facts, reader_of
from cases.limits import MAX_ADDRESS_CHARS
from cases.notation import ADDRESS
from cases.values import JSON


def addressed(action: OutsideAction, data: Mapping[str, JSON]) -> OutsideAction | None:
    """Return the action with addresses in place of `data.FIELD`, or None if there is no address."""
    match action:
        case Classify():
            return action
        case Reply(to=to):
            if to is None or not to.startswith("data."):
                return action
            address = _address(to, data)
            return None if address is None else replace(action, to=address)
        case Notify(to=to):
            if not any(one.startswith("data.") for one in to):
                return action
            found = [_address(one, data) for one in to]
            addresses = tuple(one for one in found if one is not None)
            return replace(action, to=addresses) if addresses else None


def _address(field: str, data: Mapping[str, JSON]) -> str | None:
    """Return the mail address that a field holds, or None."""
    value = reader_of(field)(Facts(None, {}, data, None, None))
    if not isinstance(value, str) or len(value) > MAX_ADDRESS_CHARS:
        return None
    return value if ADDRESS.fullmatch(value) else None
