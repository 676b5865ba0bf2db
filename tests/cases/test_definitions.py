"""Definitions: each check names its place and the nearest name; a version is its content."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.definitions import (
    canonical_json,
    check_data,
    content_hash,
    definition_of,
    definition_schema,
    parse_definition,
    parse_document,
    replies_without_to,
)
from cases.errors import DataInvalid, DefinitionInvalid
from cases.limits import MAX_PROBLEMS
from tests.cases.driving import Spec, spec

END: Spec = {"final": True}


def problems(written: object) -> list[tuple[str, str | None]]:
    """Return the place and suggestion of every problem."""
    with pytest.raises(DefinitionInvalid) as refused:
        parse_definition(written)
    return [(problem.place, problem.suggestion) for problem in refused.value.problems]


def messages(written: object) -> list[str]:
    """Return every problem in words."""
    with pytest.raises(DefinitionInvalid) as refused:
        parse_definition(written)
    return [str(problem) for problem in refused.value.problems]


def one_state(**state: Any) -> Spec:
    """Return a definition with one state that leads to the end."""
    state = {"on": [{"event": "done", "to": "end"}], **state}
    return spec({"triage": state, "end": END}, data={"order": {"type": "string"}})


def on(**transition: Any) -> Spec:
    """Return a definition whose state has a second transition to look at."""
    return one_state(on=[{"event": "done", "to": "end"}, {"event": "email", **transition}])


def leaf(field: str, op: str, value: Any = None) -> Spec:
    """Return a definition with a guard of one leaf."""
    return on(when={"field": field, "op": op, **({} if value is None else {"value": value})})


def action(written: Any) -> Spec:
    """Return a definition whose first state does one action."""
    return one_state(enter=[written])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (spec({"a": END}, labls={}), [("labls", "labels")]),
        (on(too="end"), [("states.triage.on[1].too", "to")]),
        (one_state(entr=[]), [("states.triage.entr", "enter")]),
        (on(to="ennd"), [("states.triage.on[1].to", "end")]),
        (spec({"first": END}, start="frist"), [("start", "first")]),
        (spec({"a": END}, start="zzz"), [("start", None)]),
        (
            {"id": "x", "states": {"a": END}},
            [("start", None)],
        ),
        (
            spec({"a": {"on": [{"event": "x", "to": "a"}]}, "b": END}),
            [("states.b", None)],
        ),
        (leaf("label", "is", "refunds"), [("states.triage.on[1].when.value", "refund")]),
        (
            leaf("label", "in", ["refund", "othr", "unclassified"]),
            [("states.triage.on[1].when.value[1]", "other")],
        ),
        (leaf("label", "at_least", 1), [("states.triage.on[1].when.op", None)]),
        (leaf("lable", "is", "refund"), [("states.triage.on[1].when.field", "label")]),
        (leaf("data.ordr", "exists"), [("states.triage.on[1].when.field", "data.order")]),
        (leaf("event..x", "exists"), [("states.triage.on[1].when.field", "event.type")]),
        (leaf("evnt.x", "exists"), [("states.triage.on[1].when.field", "event.x")]),
        (leaf("label", "iss", "refund"), [("states.triage.on[1].when.op", "is")]),
        (leaf("label", "is"), [("states.triage.on[1].when.value", None)]),
        (leaf("label", "in", "refund"), [("states.triage.on[1].when.value", None)]),
        (leaf("confidence", "contains", "x"), [("states.triage.on[1].when.op", None)]),
        (leaf("confidence", "at_least", "0.7"), [("states.triage.on[1].when.value", None)]),
        (leaf("event.subject", "matches", "(a"), [("states.triage.on[1].when.value", None)]),
        (leaf("event.subject", "matches", "a" * 2_000), [("states.triage.on[1].when.value", None)]),
        (leaf("event.subject", "matches", "(?=a)"), [("states.triage.on[1].when.value", None)]),
        (
            leaf("event.subject", "matches", "((a{100}){100}){100}"),
            [("states.triage.on[1].when.value", None)],
        ),
        (leaf("event.subject", "exists", "x"), [("states.triage.on[1].when.value", None)]),
        (leaf("event.subject", "is", ["x"]), [("states.triage.on[1].when.value", None)]),
        (on(when={}), [("states.triage.on[1].when", None)]),
        (on(when={"all": []}), [("states.triage.on[1].when.all", None)]),
        (on(when={"field": "label"}), [("states.triage.on[1].when", None)]),
        (on(when={"op": "is"}), [("states.triage.on[1].when", None)]),
        (
            on(when={"any": [{"not": {"field": "label", "op": "is", "value": "x"}}]}),
            [("states.triage.on[1].when.any[0].not.value", None)],
        ),
        (
            action({"reply": {"template": "thank"}}),
            [("states.triage.enter[0].reply.template", "thanks")],
        ),
        (
            action({"reply": {"template": "thanks", "to": "nobody"}}),
            [("states.triage.enter[0].reply.to", None)],
        ),
        (
            action({"reply": {"template": "thanks", "to": "data.ordr"}}),
            [("states.triage.enter[0].reply.to", "data.order")],
        ),
        (
            action({"notify": {"template": "thanks", "team": "lead"}}),
            [("states.triage.enter[0].notify.team", "leads")],
        ),
        (action({"notify": {"template": "thanks"}}), [("states.triage.enter[0].notify", None)]),
        (
            {**action("classify"), "labels": {}},
            [("states.triage.enter[0].classify", None)],
        ),
        (spec({"a": END}, classifier={"threshold": True}), [("classifier.threshold", None)]),
        (spec({"a": END}, data={"x": {"minLength": True}}), [("data.x.minLength", None)]),
        (action({"set": {"ordr": "x"}}), [("states.triage.enter[0].set.ordr", "order")]),
        (action({"set": {"order": 5}}), [("states.triage.enter[0].set.order", None)]),
        (
            action({"set": {"order": {"from": "evnt.x"}}}),
            [("states.triage.enter[0].set.order.from", "event.x")],
        ),
        (action("clasify"), [("states.triage.enter[0].clasify", "classify")]),
        (action({"classify": {}, "close": "x"}), [("states.triage.enter[0]", None)]),
        (action({"classify": {}, "block": True}), [("states.triage.enter[0]", None)]),
        (action(5), [("states.triage.enter[0]", None)]),
        (one_state(enter=["close", "classify"]), [("states.triage.enter[1]", None)]),
        (
            one_state(deadlines=[{"after": "4 business hours", "to": "end"}]),
            [("states.triage.deadlines[0].after", None)],
        ),
        (
            one_state(deadlines=[{"after": "soon", "to": "end"}]),
            [("states.triage.deadlines[0].after", None)],
        ),
        (
            one_state(deadlines=[{"after": "0 hours", "to": "end"}]),
            [("states.triage.deadlines[0].after", None)],
        ),
        (
            one_state(deadlines=[{"after": "999999 weeks", "to": "end"}]),
            [("states.triage.deadlines[0].after", None)],
        ),
        (one_state(deadlines=[{"to": "end"}]), [("states.triage.deadlines[0]", None)]),
        (one_state(deadlines=[{"after": "1 hour"}]), [("states.triage.deadlines[0]", None)]),
        (
            one_state(deadlines=[{"at": "data.ordr", "to": "end"}]),
            [("states.triage.deadlines[0].at", "data.order")],
        ),
        (
            one_state(deadlines=[{"at": "data.order", "to": "end"}]),
            [("states.triage.deadlines[0].at", None)],
        ),
        (
            one_state(deadlines=[{"at": "label", "to": "end"}]),
            [("states.triage.deadlines[0].at", None)],
        ),
        (spec({"a": {"final": True, "on": [{"event": "x"}]}}), [("states.a.on", None)]),
        (
            spec({"a": {"final": True, "deadlines": [{"after": "1 day", "to": "a"}]}}),
            [("states.a.deadlines", None)],
        ),
        (spec({"a": END}, id="Not a slug"), [("id", None)]),
        (spec({"a": {"on": [{"event": "x", "to": "a"}]}, "a b": END}), [("states.'a b'", None)]),
        (spec({"a": END}, classifier={"kind": "llmm"}), [("classifier.kind", "llm")]),
        (spec({"a": END}, classifier={"threshold": "0.7"}), [("classifier.threshold", None)]),
        (spec({"a": END}, classifier={"threshold": 2}), [("classifier.threshold", None)]),
        (spec({"a": END}, starts=["mial"]), [("starts[0]", "mail")]),
        (spec({"a": END}, starts=[]), [("starts", None)]),
        (spec({"a": END}, unknown_outcome="parc"), [("unknown_outcome", "park")]),
        (spec({"a": END}, teams={"leads": ["nobody"]}), [("teams.leads[0]", None)]),
        (
            spec({"a": END}, templates={"t": {"txt": "x"}}),
            [
                ("templates.t.txt", "text"),
                ("templates.t", None),
            ],
        ),
        (spec({"a": END}, data={"x": {"type": "sting"}}), [("data.x.type", "string")]),
        (spec({"a": END}, data={"x": {"$ref": "#"}}), [("data.x.'$ref'", None)]),
        (spec({"a": END}, data={"x": {"pattern": "("}}), [("data.x", None)]),
        (
            spec({"a": END}, data={"x": {"type": "number", "default": "x"}}),
            [("data.x.default", None)],
        ),
        (spec({"a": {"final": 1}}), [("states.a.final", None)]),
        (spec({"a": {"final": "true"}}), [("states.a.final", None)]),
        (spec({"a": {"on": {"event": "x"}}}), [("states.a.on", None)]),
        (on(event="No Type"), [("states.triage.on[1].event", None)]),
    ],
)
def test_each_problem_names_its_place_and_the_nearest_name(
    written: Spec, found: list[tuple[str, str | None]]
) -> None:
    assert problems(written) == found


def test_wrong_shapes_and_wrong_names_are_reported_together() -> None:
    written = spec(
        {
            "a": {
                "enter": ["clasify", {"reply": {"template": "thank"}}],
                "on": [
                    {"event": "x", "to": "bb"},
                    {"event": "x", "when": {"fild": "label"}},
                    {"evnt": "x", "to": "cc"},
                ],
                "deadlines": [{"after": 5}, {"after": "soon", "to": "b"}],
            },
            "b": END,
        },
        stat="a",
        templates={"thanks": {}},
    )
    assert [place for place, _ in problems(written)] == [
        "states.a.enter[0].clasify",
        "states.a.on[1].when.fild",
        "states.a.on[2].event",
        "states.a.on[2].evnt",
        "states.a.deadlines[0].after",
        "stat",
        "templates.thanks",
        "states.a.enter[1].reply.template",
        "states.a.on[0].to",
        "states.a.on[2].to",
        "states.a.deadlines[1].after",
    ]


def test_business_time_says_that_it_is_not_supported_yet() -> None:
    (message,) = messages(one_state(deadlines=[{"after": "2 business days", "to": "end"}]))
    assert "business time is not supported yet" in message


def test_a_reply_needs_an_address_where_no_case_starts_with_a_mail() -> None:
    states: Spec = {"a": {"enter": [{"reply": {"template": "thanks"}}]}}
    assert problems(spec(states, starts=["api"])) == [("states.a.enter[0].reply", None)]
    definition = parse_definition(spec(states))
    assert replies_without_to(definition) == ("states.a.enter[0].reply",)


def test_a_guard_may_be_as_deep_and_wide_as_its_caps_and_no_more() -> None:
    leaf_: Spec = {"field": "confidence", "op": "exists"}
    deep = leaf_
    for _ in range(15):
        deep = {"not": deep}
    assert parse_definition(on(when=deep))
    assert "more than 16 levels" in messages(on(when={"not": deep}))[0]
    assert parse_definition(on(when={"all": [leaf_] * 256}))
    wide = {"all": [{"any": [leaf_] * 200}, {"any": [leaf_] * 57}]}
    assert "257 comparisons" in messages(on(when=wide))[0]
    pattern: Spec = {"field": "event.x", "op": "matches", "value": "a"}
    assert parse_definition(on(when={"any": [pattern] * 8}))
    assert "9 patterns" in messages(on(when={"any": [pattern] * 9}))[0]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "not nothing"),
        ([], "not a list"),
        ("text", "not text"),
        ({1: 2}, "the key 1 is a number"),
        ({None: 2}, "the key null is nothing"),
        ({("a",): 2}, "write keys as text"),
        ({"id": float("nan")}, "id: nan is not a JSON number"),
        ({"id": float("inf")}, "id: inf is not a JSON number"),
        ({"id": 10**5000}, "beyond 64 bits"),
        ({"id": b"x"}, "id: a Python bytes is not JSON"),
        ({"id": {1, 2}}, "id: a Python set is not JSON"),
        ({"id": "a\x00b"}, "NUL"),
        ({"id": "\ud800"}, "surrogate"),
        ({"\ud800": 1}, "surrogate"),
        ({"id": "x" * 600_000}, "too large"),
        ({"id": [0] * 400_000}, "too large"),
    ],
)
def test_what_is_not_json_is_refused(written: object, said: str) -> None:
    assert said in messages(written)[0]


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert "nested more than" in messages({"id": loop})[0]
    bomb: list[object] = ["x"]
    for _ in range(40):
        bomb = [bomb, bomb]
    assert "too large" in messages({"id": bomb})[0]


def test_at_most_a_hundred_problems_are_reported() -> None:
    states = {f"s{i}": {"on": [{"event": "x", "to": f"nowhere{i}"}]} for i in range(400)}
    assert len(problems(spec(states))) == MAX_PROBLEMS
    assert len(problems(spec({"a": END}, **{f"label{i}": 1 for i in range(400)}))) == MAX_PROBLEMS


def test_the_order_of_keys_and_what_is_default_do_not_make_another_version() -> None:
    one = parse_document("id: x\nstart: a\nstates: {a: {final: true}}")
    other = {"states": {"a": {"final": True, "on": []}}, "start": "a", "id": "x", "labels": {}}
    first, second = (canonical_json(parse_definition(text)) for text in (one, other))
    assert first == second == '{"id":"x","start":"a","states":{"a":{"final":true}}}'
    assert len(content_hash(first)) == 64
    assert content_hash(first) != content_hash(first.replace("x", "y"))


def test_the_canonical_text_says_the_same_definition() -> None:
    definition = parse_definition(
        spec(
            {
                "a": {
                    "enter": ["classify", {"reply": {"template": "thanks"}, "block": True}],
                    "on": [
                        {
                            "event": "email",
                            "when": {"not": {"field": "label", "op": "is", "value": "refund"}},
                            "do": ["close"],
                        }
                    ],
                    "deadlines": [{"after": "2 days", "do": [{"set": {"order": "é"}}]}],
                }
            },
            data={"order": {"type": "string", "minLength": 1}},
        )
    )
    text = canonical_json(definition)
    assert parse_definition(json.loads(text)) == definition
    assert canonical_json(parse_definition(parse_document(text))) == text


def test_a_definition_whose_canonical_text_could_not_be_read_again_is_refused() -> None:
    lines = {f"t{n}": {"text": "\n" * 200_000} for n in range(2)}
    assert "larger than 512 KiB" in messages(spec({"a": END}, templates=lines))[0]
    many = spec({"a": {"enter": ["classify"] * 50, "on": [{"event": "x", "to": "a"}]}})
    assert definition_of(canonical_json(parse_definition(many)))


def test_the_schema_of_definitions_knows_the_short_forms() -> None:
    schema = definition_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema
    parts = schema["$defs"]
    assert {"enum": ["classify", "close", "compensate"]} in parts["Action"]["anyOf"]
    for short in ("Label", "Arrow", "Waited", "TaskTrigger", "RunAction"):
        assert parts[short]["anyOf"][0]["type"] == "string"
    for notation in schema["anyOf"]:
        assert parts[notation["$ref"].rpartition("/")[2]]["additionalProperties"] is False
    assert len(schema["anyOf"]) == 2
    assert "not" in parts["Condition"]["properties"]


def test_case_data_must_fit_the_definition() -> None:
    definition = parse_definition(
        spec({"a": END}, data={"order": {"type": "string"}, "amount": {"type": "number"}})
    )
    check_data(definition, {})
    check_data(definition, {"order": "A1", "amount": 5})
    with pytest.raises(DataInvalid) as refused:
        check_data(definition, {"ordr": "A1", "amount": "5"})
    assert [str(problem) for problem in refused.value.problems] == [
        "data.ordr: is not a field of this definition. Did you mean 'order'?",
        "data.amount: must be of type number, not text",
    ]


# What a mutation puts in the place of a part of a good definition.
_junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=3),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5) | st.integers(), st.integers(), max_size=3),
)


def mutated(value: Any, draw: st.DrawFn) -> Any:
    """Return a value with a part of it replaced, renamed or taken away."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value, key=repr)))
        rest = {name: item for name, item in value.items() if name != key}
        match draw(st.integers(0, 4)):
            case 0:
                return rest
            case 1:
                return {**rest, draw(st.text(max_size=8)): value[key]}
        return {**rest, key: mutated(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], mutated(value[index], draw), *value[index + 1 :]]
    return draw(_junk)


@st.composite
def broken_definitions(draw: st.DrawFn) -> Any:
    """Draw a good definition with up to four mutations."""
    written: Any = spec(
        {
            "a": {
                "enter": ["classify", {"reply": {"template": "thanks", "to": "data.to"}}],
                "on": [
                    {"event": "email", "when": {"all": [{"field": "label", "op": "exists"}]}},
                    {"event": "x", "do": [{"set": {"to": {"from": "event.x"}}}], "to": "b"},
                ],
                "deadlines": [{"after": "1 hour", "do": ["close"]}, {"at": "data.due", "to": "b"}],
            },
            "b": {"final": True},
        },
        data={"to": {"type": "string"}, "due": {"type": "string", "format": "date-time"}},
        classifier={"kind": "llm", "threshold": 0.5},
    )
    for _ in range(draw(st.integers(1, 4))):
        written = mutated(written, draw)
    return written


@settings(max_examples=300, deadline=None)
@given(broken_definitions())
def test_a_broken_definition_is_refused_or_good_and_never_a_crash(written: Any) -> None:
    try:
        definition = parse_definition(written)
    except DefinitionInvalid as error:
        refused = error
    else:
        assert parse_definition(json.loads(canonical_json(definition))) == definition
        return
    assert refused.problems
    assert str(refused)


def test_a_definition_with_more_patterns_than_can_be_compiled_is_refused_at_once() -> None:
    leaf = {"field": "event.subject", "op": "matches", "value": "a"}
    rules = [{"event": "email", "when": leaf, "to": "done"}] * 501
    spec = {"id": "x", "start": "open", "states": {"open": {"on": rules}, "done": {"final": True}}}
    with pytest.raises(DefinitionInvalid, match="more than 500 patterns"):
        parse_definition(spec)
