"""Which types of events a definition waits for."""

import pytest

from cases.compiling.compile import compile_net
from cases.definitions import parse_definition
from cases.errors import DefinitionInvalid
from cases.notation.waited import waited_types
from cases.wiring import wiring_of
from tests.cases.driving import spec
from tests.cases.small_definitions import tasks_spec


def test_the_events_of_all_states_are_waited_for_each_once() -> None:
    states = {
        "open": {"on": [{"event": "go", "to": "over"}, {"event": "email"}]},
        "over": {"on": [{"event": "go"}]},
    }
    assert waited_types(parse_definition(spec(states))) == ("email", "go")


def test_all_that_a_net_or_one_of_its_nets_listens_for_is_waited_for() -> None:
    definition = parse_definition(
        tasks_spec(
            {
                "first": {"trigger": {"event": "now", "transient": True}, "to": ["second"]},
                "second": {
                    "until": "told",
                    "instances": {"count": 2, "add": "more"},
                    "deadlines": [{"after": "1 hour", "to": "end"}],
                    "to": ["third"],
                },
                "third": {"do": [{"run": {"net": "below"}}], "to": ["end"]},
            },
            nets={
                "below": {
                    "start": "asked",
                    "tasks": {"look": {"trigger": "look", "to": ["seen"]}},
                    "conditions": {"asked": {"to": ["look"]}, "seen": {"final": True}},
                }
            },
        )
    )
    assert waited_types(definition) == ("look", "more", "now", "told")
    wirings = [wiring_of(compile_net(definition, net)) for net in (None, "below")]
    listened = {name for one in wirings for name in (*one.heard, *one.fleeting)}
    assert set(waited_types(definition)) == listened


@pytest.mark.parametrize("event", ["opened", "everpost.cancel"])
def test_to_wait_for_an_event_that_no_case_hears_is_a_mistake(event: str) -> None:
    with pytest.raises(DefinitionInvalid, match="no case hears"):
        parse_definition(tasks_spec({"first": {"trigger": event, "to": ["end"]}}))
