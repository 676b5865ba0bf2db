"""What a definition must satisfy beyond its shapes, in either notation.

All problems are named at once, each with its place and, for a misspelt name, the nearest right one.
"""

from collections.abc import Iterator

from cases.checks.actions import ActionLists, all_actions
from cases.checks.conditions import Place
from cases.checks.declarations import declaration_problems
from cases.checks.states import StateChecks, state_lists
from cases.checks.tasks import TaskChecks, net_lists
from cases.errors import Problem
from cases.events import OPENED, OWN_PREFIX
from cases.notation.declarations import Definition, Start
from cases.notation.states import StatesDefinition
from cases.notation.tasks import TasksDefinition
from cases.notation.waited import waited_events
from cases.notation.written_actions import Action
from cases.values import place_of


def problems_in(definition: Definition, *, mended: bool = False) -> Iterator[Problem]:
    """Yield what is wrong with a definition whose shapes are right, in the order of writing.

    With `mended` it is not quite what was written: then what seems out of reach, deadlines that
    seem to do nothing, joins that seem to lack inputs, and replies that seem to lack `to` are no
    problems.
    """
    checks = _checks_of(definition)
    yield from declaration_problems(definition)
    yield from checks.references()
    yield from _never_heard(definition)
    if not mended:
        yield from checks.completeness()
        yield from _replies(definition)


def replies_without_to(definition: Definition) -> tuple[str, ...]:
    """Return the places of the replies that need a mail to answer."""
    return tuple(
        place_of((*place, "reply"))
        for place, action in actions_of(definition)
        if action.reply is not None and action.reply.to is None
    )


def actions_of(definition: Definition) -> Iterator[tuple[Place, Action]]:
    """Yield every action of a definition with its place, in all its nets and inside of others."""
    return all_actions(_lists(definition))


def _lists(definition: Definition) -> ActionLists:
    if isinstance(definition, StatesDefinition):
        for name, state in definition.states.items():
            yield from state_lists(("states", name), state)
    if isinstance(definition, TasksDefinition):
        yield from net_lists((), definition)
        for name, net in definition.nets.items():
            yield from net_lists(("nets", name), net)


def _checks_of(definition: Definition) -> StateChecks | TaskChecks:
    match definition:
        case StatesDefinition():
            return StateChecks(definition)
        case TasksDefinition():
            return TaskChecks(definition)
        case _:
            raise TypeError(f"{type(definition).__name__} is in no notation that has checks")


def _never_heard(definition: Definition) -> Iterator[Problem]:
    """Yield where something waits for an event that no case ever hears."""
    for place, event in waited_events(definition):
        if event == OPENED or event.startswith(OWN_PREFIX):
            message = f"no case hears {event!r}, which is the product's own: take another name"
            yield Problem(place_of(place), message)


def _replies(definition: Definition) -> Iterator[Problem]:
    if Start.MAIL not in definition.starts:
        for where in replies_without_to(definition):
            message = "cases start without a mail, so a reply needs `to`, such as data.customer"
            yield Problem(where, message)
