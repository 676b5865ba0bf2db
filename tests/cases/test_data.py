"""Case data: the part of JSON Schema that is known, and hostile values."""

from typing import Any

import pytest

from cases.data import DataSchema, data_problems, moment_of


def problems(schema: dict[str, Any], value: Any) -> list[str]:
    """Return what is wrong with a value of the field x."""
    found = data_problems({"x": DataSchema.model_validate(schema)}, {"x": value})
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("schema", "good", "bad", "said"),
    [
        ({"type": "string"}, "a", 1, "must be of type string, not a number"),
        ({"type": "number"}, 1.5, True, "must be of type number, not true or false"),
        ({"type": "integer"}, 2.0, 1.5, "must be of type integer, not a number"),
        ({"type": "boolean"}, False, 0, "must be of type boolean, not a number"),
        ({"type": "array"}, [], {}, "must be of type array, not a mapping"),
        ({"type": "object"}, {}, [], "must be of type object, not a list"),
        ({"type": "null"}, None, 0, "must be of type null, not a number"),
        (
            {"enum": ["high", 1]},
            1,
            "hihg",
            "is not one of the allowed values. Did you mean 'high'?",
        ),
        ({"enum": [1]}, 1, True, "is not one of the allowed values"),
        ({"minLength": 2}, "ab", "a", "is shorter than 2 characters"),
        ({"maxLength": 2}, "ab", "abc", "is longer than 2 characters"),
        ({"pattern": "^A[0-9]+$"}, "A1", "B1", "does not match the pattern ^A[0-9]+$"),
        ({"format": "date"}, "2026-01-31", "31.1.2026", "must be a date, such as 2026-01-31"),
        ({"format": "email"}, "a@b.test", "a", "must be a mail address"),
        (
            {"format": "date-time"},
            "2026-01-31T09:00:00Z",
            "2026-01-31T09:00:00",
            "must be a time with its zone, such as 2026-01-31T09:00:00Z",
        ),
        ({"minimum": 1}, 1, 0, "must be at least 1"),
        ({"maximum": 1.5}, 1, 2, "must be at most 1.5"),
        ({"exclusiveMinimum": 1}, 2, 1, "must be more than 1"),
        ({"exclusiveMaximum": 1}, 0, 1, "must be less than 1"),
        ({"minItems": 1}, [1], [], "needs at least 1 items"),
        ({"maxItems": 1}, [1], [1, 2], "may have at most 1 items"),
        ({"required": ["a"]}, {"a": 1}, {}, "needs the field a"),
        (
            {"properties": {"name": {}}, "additionalProperties": False},
            {"name": 1},
            {"nme": 1},
            "has no field nme. Did you mean 'name'?",
        ),
    ],
)
def test_each_keyword_accepts_what_fits_and_names_what_does_not(
    schema: dict[str, Any], good: Any, bad: Any, said: str
) -> None:
    assert problems(schema, good) == []
    assert problems(schema, bad) == [f"data.x: {said}"]


def test_problems_deep_inside_name_their_place() -> None:
    schema = {"items": {"properties": {"id": {"type": "string"}}}}
    assert problems(schema, [{"id": "a"}, {"id": 5}]) == [
        "data.x[1].id: must be of type string, not a number"
    ]


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "text",
        {1: 2},
        {"x": float("nan")},
        {"x": 10**400},
        {"x": "a" * 100_000},
        {"x": ["a" * 1_000] * 70},
        {"x": [0] * 10_000},
        {"x": "\x00"},
        {"y" * 70_000: 1},
    ],
)
def test_data_that_is_no_bounded_json_is_refused(data: Any) -> None:
    assert data_problems({"x": DataSchema()}, data)


def test_data_nested_too_deeply_is_refused() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    assert "nested more than" in problems({}, deep)[0]


@pytest.mark.parametrize(
    "text",
    ["2026-01-31", "2026-01-31T09:00", "now", "", "9" * 1_000, "2026-13-31T09:00:00Z", "T"],
)
def test_a_moment_needs_a_date_a_time_and_a_zone(text: str) -> None:
    assert moment_of(text) is None


def test_a_moment_is_an_instant_whatever_its_zone() -> None:
    assert moment_of("2026-01-31T10:00:00+01:00") == moment_of("2026-01-31t09:00:00z")
