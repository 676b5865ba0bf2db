"""Events of the ledger as inputs of the core."""

from cases.events import RESOLVED, ActionEnded, Ending, Event
from cases.state import CaseState, waits_for
from contracts.case import RESOLVED_EVENT
from contracts.steps import CaseEvent


def event_of(event: CaseEvent) -> Event:
    """Return an event of the ledger as the core knows it."""
    return Event(id=str(event.id), type=event.type, at=event.at, data=event.data)


def input_of(event: CaseEvent, state: CaseState) -> Event | ActionEnded:
    """Return what an event means to the core.

    The end of a mail on which a person has decided ends its action, if the core still waits for
    that; else it is the event `resolved`.
    """
    if event.type != RESOLVED_EVENT:
        return event_of(event)
    firing, index = event.data.get("firing"), event.data.get("index")
    if isinstance(firing, int) and isinstance(index, int) and waits_for(state, firing, index):
        ending = Ending.DONE if event.data.get("outcome") == Ending.DONE else Ending.FAILED
        return ActionEnded(firing, index, ending, {"reason": event.data.get("reason")})
    return Event(id=str(event.id), type=RESOLVED, at=event.at, data=event.data)
