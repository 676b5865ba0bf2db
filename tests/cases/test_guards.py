"""Guards: what each comparison says, and that nothing makes one raise."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.expressions.conditions import Condition, Op, text_of
from cases.expressions.fields import Facts
from cases.expressions.guards import guard_of
from cases.values import JSON


def facts(event: Any = None, data: Any = None, label: str | None = None) -> Facts:
    """Return facts about an email with these event data."""
    confidence = None if label is None else 0.8
    return Facts("email", event or {}, data or {}, label, confidence)


def holds(field: str, op: str, value: Any, given_: Facts) -> bool:
    """Tell what a leaf says; its explanation must say the same."""
    guard = guard_of(Condition.model_validate({"field": field, "op": op, "value": value}))
    (verdict,) = guard.explain(given_)
    assert verdict.holds == guard.holds(given_)
    return verdict.holds


def reason(field: str, op: str, value: Any, given_: Facts) -> str | None:
    """Return why a leaf was false."""
    guard = guard_of(Condition.model_validate({"field": field, "op": op, "value": value}))
    return guard.explain(given_)[0].reason


@pytest.mark.parametrize(
    ("op", "value", "found", "said"),
    [
        ("is", "a", "a", True),
        ("is", "a", "A", False),
        ("is", 1, 1.0, True),
        ("is", 1, True, False),
        ("is", True, 1, False),
        ("is", True, True, True),
        ("is", "1", 1, False),
        ("is_not", "a", "b", True),
        ("is_not", "a", "a", False),
        ("is_not", "a", 5, False),
        ("in", ["a", 1], 1, True),
        ("in", ["a", 1], True, False),
        ("in", ["a"], ["a"], False),
        ("not_in", ["a"], "b", True),
        ("not_in", ["a"], "a", False),
        ("not_in", ["a"], ["b"], False),
        ("contains", "Money", "give me my MONEY back", True),
        ("contains", "money", "nothing", False),
        ("contains", "a", ["a", "b"], True),
        ("contains", "a", [["a"]], False),
        ("contains", 1, [1], True),
        ("contains", 1, "1", False),
        ("starts_with", "RE:", "re: hello", True),
        ("starts_with", "re:", "hello re:", False),
        ("ends_with", "?", "why?", True),
        ("ends_with", "?", "why", False),
        ("at_least", 5, 5, True),
        ("at_least", 5, 4.9, False),
        ("at_least", 5, "6", False),
        ("at_least", 1, True, False),
        ("at_most", 5, 5, True),
        ("more_than", 5, 5, False),
        ("less_than", 5, 4, True),
        ("less_than", 5, float("nan"), False),
        ("exists", None, 0, True),
        ("missing", None, 0, False),
        ("matches", r"order \d+", "my order 17 is late", True),
        ("matches", r"^\d+$", "17 orders", False),
        ("matches", "(?i)ORDER", "my order", True),
        ("matches", "x", 5, False),
    ],
)
def test_a_leaf_compares_the_field_with_its_value(
    op: str, value: Any, found: Any, said: bool
) -> None:
    assert holds("event.x", op, value, facts({"x": found})) is said


@pytest.mark.parametrize("op", [op for op in Op if op is not Op.MISSING])
def test_a_missing_field_makes_every_leaf_but_missing_false_with_the_reason(op: Op) -> None:
    value: Any = {"in": ["a"], "not_in": ["a"], "exists": None}.get(op, "a")
    value = 1 if op in ("at_least", "at_most", "more_than", "less_than") else value
    assert holds("event.x", op, value, facts({"x": None})) is False
    assert reason("event.x", op, value, facts()) == "the field is missing"


def test_missing_is_true_of_what_is_not_there_or_null() -> None:
    assert holds("data.x", "missing", None, facts())
    assert holds("data.x", "missing", None, facts(data={"x": None}))


@pytest.mark.parametrize(
    ("op", "value", "found", "why"),
    [
        ("at_least", 1, "1", "the field is text, not a number"),
        ("is", "a", 1, "the field is a number, not text"),
        ("is", True, "true", "the field is text, not true or false"),
        ("contains", "a", 5, "the field is a number, not text or a list"),
        ("matches", "a", ["a"], "the field is a list, not text"),
        ("in", ["a"], {"a": 1}, "the field is a mapping, not text or a number"),
        ("is", "a", "b", None),
    ],
)
def test_a_wrong_type_makes_a_leaf_false_with_the_reason(
    op: str, value: Any, found: Any, why: str | None
) -> None:
    assert reason("event.x", op, value, facts({"x": found})) == why


def test_fields_reach_into_events_data_label_and_confidence() -> None:
    known = facts(
        {"from": {"name": "Ada"}, "files": [{"name": "a.pdf"}]}, {"order": {"id": 7}}, "refund"
    )
    assert holds("event.from.name", "is", "Ada", known)
    assert holds("event.files.0.name", "is", "a.pdf", known)
    assert not holds("event.files.1.name", "exists", None, known)
    assert not holds("event.from.name.first", "exists", None, known)
    assert holds("data.order.id", "is", 7, known)
    assert holds("label", "is", "refund", known)
    assert holds("confidence", "at_least", 0.8, known)
    assert holds("event.type", "is", "email", known)


def test_a_tree_combines_its_parts_and_is_put_into_words() -> None:
    condition = Condition.model_validate(
        {
            "all": [
                {"field": "label", "op": "in", "value": ["refund", "other"]},
                {
                    "any": [
                        {"field": "confidence", "op": "at_least", "value": 0.7},
                        {"not": {"field": "event.x", "op": "exists"}},
                    ]
                },
            ]
        }
    )
    guard = guard_of(condition)
    assert guard.holds(facts(label="refund"))
    assert not guard.holds(facts(label="else"))
    assert text_of(condition) == (
        "label in refund, other and (confidence at least 0.7 or not (event.x exists))"
    )
    assert [verdict.holds for verdict in guard.explain(facts(label="refund"))] == [
        True,
        True,
        False,
    ]


def test_long_values_are_clipped_before_they_are_looked_at() -> None:
    long = "a" * 1_000_000 + "needle"
    assert not holds("event.x", "contains", "needle", facts({"x": long}))
    assert not holds("event.x", "matches", "needle", facts({"x": long}))
    assert holds("event.x", "ends_with", "needle", facts({"x": long}))
    assert not holds("event.x", "contains", 5, facts({"x": [0] * 5_000 + [5]}))


def test_a_verdict_shows_clipped_json() -> None:
    guard = guard_of(Condition.model_validate({"field": "event.x", "op": "contains", "value": "b"}))
    (verdict,) = guard.explain(facts({"x": "a" * 5_000}))
    shown = verdict.to_json()
    assert shown == {
        "field": "event.x",
        "op": "contains",
        "value": "b",
        "found": "a" * 199 + "…",
        "holds": False,
    }


_values: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(op=st.sampled_from(Op), found=_values, wanted=st.text() | st.floats(allow_nan=False))
def test_no_value_makes_a_guard_raise(op: Op, found: JSON, wanted: Any) -> None:
    value: Any = [wanted] if op in (Op.IN, Op.NOT_IN) else wanted
    if op is Op.MATCHES:
        value = "a+"
    if op in (Op.AT_LEAST, Op.AT_MOST, Op.MORE_THAN, Op.LESS_THAN):
        value = 5
    holds("event.x", op, value, facts({"x": found}))
    guard_of(Condition.model_validate({"field": "event.x.0.a", "op": "exists"})).explain(
        facts({"x": found})
    )[0].to_json()
