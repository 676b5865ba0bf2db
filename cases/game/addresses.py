"""Whom an action writes to: addresses as the definition has them, or in data of case or thread."""

from dataclasses import replace

from cases.actions import MailAction, Notify, Reply
from cases.expressions.fields import Facts, reader_of
from cases.limits import MAX_ADDRESS_CHARS
from cases.model import ADDRESS

# How a field begins that may hold an address.
FIELDS = ("data.", "thread.")


class AddressMissing(Exception):
    """A field from which a mail address was to be taken holds none."""

    def __init__(self, field: str) -> None:
        """Keep the field."""
        super().__init__(field)
        self.field = field

    def __str__(self) -> str:
        """Return the reason for which the action failed."""
        whose = "the case data has" if self.field.startswith("data.") else f"{self.field} has"
        return f"{whose} no mail address for it"


def addressed(action: MailAction, facts: Facts) -> MailAction:
    """Return the action with addresses in place of fields, or raise AddressMissing."""
    match action:
        case Reply(to=to):
            if to is None or not to.startswith(FIELDS):
                return action
            address = _address(to, facts)
            if address is None:
                raise AddressMissing(to)
            return replace(action, to=address)
        case Notify(to=to):
            if not any(one.startswith(FIELDS) for one in to):
                return action
            found = [_address(one, facts) for one in to]
            addresses = tuple(one for one in found if one is not None)
            if not addresses:
                raise AddressMissing(to[0])
            return replace(action, to=addresses)


def _address(field: str, facts: Facts) -> str | None:
    """Return the mail address that a field holds, or None."""
    value = reader_of(field)(facts)
    if not isinstance(value, str) or len(value) > MAX_ADDRESS_CHARS:
        return None
    return value if ADDRESS.fullmatch(value) else None
