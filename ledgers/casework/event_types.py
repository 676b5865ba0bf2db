"""Which types of events a program may give a case."""

from cases.events import EMAIL, OPENED, OWN_PREFIX, RESERVED_EVENTS, TAKEN_OVER
from cases.notation.declarations import Definition
from cases.notation.waited import waited_types
from contracts.errors import EventTypeReserved, EventTypeUnknown

# Types that the product itself sends; a program that could send them would forge its facts.
OWN_EVENTS = frozenset({EMAIL, OPENED, *RESERVED_EVENTS})
# What may be said of any case, whatever its definition waits for.
_OF_ANY_CASE = frozenset({TAKEN_OVER})


def refuse_own(type_: str) -> None:
    """Raise EventTypeReserved for an event that only the product itself may send."""
    if type_ in OWN_EVENTS or type_.startswith(OWN_PREFIX):
        raise EventTypeReserved(type_)


def refuse_unknown(definition: Definition, type_: str) -> None:
    """Raise EventTypeUnknown for an event that a case of the definition would keep for ever."""
    waited = waited_types(definition)
    if type_ not in waited and type_ not in _OF_ANY_CASE:
        known = [name for name in waited if name not in OWN_EVENTS]
        raise EventTypeUnknown(definition.id, type_, known)
