"""The `example` of a definition: what it may hold, and that it belongs to its definition."""

from typing import Any

import pytest

from cases.definitions import canonical_json, parse_definition
from cases.errors import DefinitionInvalid

Spec = dict[str, Any]  # Any: many of them are wrong on purpose


def _spec(**example: Any) -> Spec:
    return {
        "id": "small",
        "data": {"amount": {"type": "integer"}},
        "start": "open",
        "states": {"open": {"on": [{"event": "paid", "to": "done"}]}, "done": {"final": True}},
        "example": example,
    }


def _problems(spec: Spec) -> dict[str, str]:
    with pytest.raises(DefinitionInvalid) as raised:
        parse_definition(spec)
    return {problem.place: problem.message for problem in raised.value.problems}


def test_either_notation_may_have_one_with_events_in_short_or_in_full() -> None:
    event = {"event": "paid", "data": {"by": "card"}}
    example = parse_definition(_spec(data={"amount": 5}, events=["paid", event])).example
    assert example is not None
    assert example.data == {"amount": 5}
    assert [(one.event, one.data) for one in example.events] == [
        ("paid", {}),
        ("paid", {"by": "card"}),
    ]


def test_a_definition_without_one_has_the_text_that_it_had() -> None:
    spec = _spec()
    del spec["example"]
    assert "example" not in canonical_json(parse_definition(spec))


def test_its_data_fits_the_data_of_its_definition() -> None:
    problems = _problems(_spec(data={"amount": "much", "amuont": 1}))
    assert set(problems) == {"example.data.amount", "example.data.amuont"}


@pytest.mark.parametrize(
    "example",
    [
        {"events": "paid"},
        {"events": [{"type": "paid"}]},
        {"events": ["Not A Type"]},
        {"events": ["paid"] * 101},
        {"events": [None]},
        {"data": []},
        {"steps": []},
    ],
)
def test_another_shape_is_refused_with_its_place(example: Spec) -> None:
    problems = _problems(_spec(**example))
    assert all(place.startswith("example") for place in problems)
