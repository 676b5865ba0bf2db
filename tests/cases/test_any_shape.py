"""Definitions of any shape: refused with their problems, or right, and then their cases go on."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cases.compiling.compile import compile_net, net_of
from cases.definitions import (
    canonical_json,
    content_hash,
    definition_schema,
    parse_definition,
    parse_document,
)
from cases.dumping import dump_state, load_state
from cases.errors import DefinitionInvalid
from cases.events import Ending
from cases.net import Net
from cases.notation.tasks import TasksDefinition
from cases.state import CaseStatus
from tests.cases.driving import Case
from tests.cases.likely_nets import likely_net
from tests.cases.shapes_of_schema import broken, drawn

SCHEMA = definition_schema()
randoms = st.builds(Random, st.integers(0, 2**48))


def is_right(written: object) -> bool:
    """Tell whether a definition is taken; then it compiles, and its text is its version."""
    try:
        definition = parse_definition(written)
    except DefinitionInvalid as error:
        return not error.problems  # a refusal says why
    text = canonical_json(definition)
    again = parse_definition(parse_document(text))
    assert again == definition
    assert content_hash(canonical_json(again)) == content_hash(text)
    nets = [None, *definition.nets] if isinstance(definition, TasksDefinition) else [None]
    for name in nets:
        net, stored = compile_net(definition, name), net_of(text, name)
        assert [entry.task.id for entry in net.tasks] == [entry.task.id for entry in stored.tasks]
        assert_whole(net)
    return True


def assert_whole(net: Net) -> None:
    """Check that every arc of a net has its place, and every name its task."""
    tasks = [entry.task for entry in net.tasks]
    places = {net.start, *([net.reopens_in] if net.reopens_in else [])}
    for task in tasks:
        places |= {arc.place for arc in task.inputs}
        places |= {branch.place for branch in (*task.outputs, *task.error_outputs)}
        places |= {*task.reads, *task.cancel_places}
    for lock in net.locks:
        places |= {place for _, inside in lock.sections for place in inside}
    assert places <= set(net.places)
    named = [(*task.cancel_tasks, *task.complete_tasks) for task in tasks]
    named += [section for lock in net.locks for section, _ in lock.sections]
    named += [(task.watches,) for task in tasks if task.watches is not None]
    assert {name for names in named for name in names} <= set(net.numbered)


@given(randoms)
def test_what_the_schema_describes_is_refused_with_its_problems_or_right(random: Random) -> None:
    is_right(drawn(SCHEMA, random))


@given(randoms)
def test_a_net_with_any_features_is_refused_with_its_problems_or_right(random: Random) -> None:
    is_right(likely_net(random))


@given(randoms)
def test_a_net_with_a_broken_part_is_refused_with_its_problems_or_right(random: Random) -> None:
    is_right(broken(likely_net(random), random))


def test_many_of_the_nets_drawn_are_right() -> None:
    assert sum(is_right(likely_net(random)) for random in map(Random, range(100))) > 25


@given(randoms)
def test_a_case_of_any_net_goes_on_whatever_comes(random: Random) -> None:
    written = likely_net(random)
    if not is_right(written):
        return
    case = Case(compile_net(parse_definition(written)), {"amount": 9, "orders": ["x", "y"]})
    for number in range(8):
        if case.state.status is not CaseStatus.OPEN:
            break
        if case.performs and random.random() < 0.5:
            case.end(random.choice(case.performs), random.choice(list(Ending)), label="refund")
        elif random.random() < 0.7:
            case.send(f"e{number}", random.choice(["go", "done", "more"]), a=1)
        else:
            case.wait(hours=random.choice([1, 25]))
    assert load_state(case.net, dump_state(case.state)) == case.state
