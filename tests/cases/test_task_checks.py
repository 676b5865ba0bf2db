"""Checks of tasks and conditions: each names its place and says what to do."""

import json
from typing import Any

import pytest

from cases.checks.definition import actions_of
from cases.definitions import parse_definition, replies_without_to
from cases.errors import DefinitionInvalid
from tests.cases.small_definitions import END, Spec, tasks_spec

LEAF = {"field": "data.amount", "op": "exists"}
SOON = (
    "'soon': is not a duration: write a whole number and a unit, such as '30 seconds', "
    "'90 minutes', '4 hours', '2 days' or '1 week'"
)


def problems(written: Spec) -> list[str]:
    """Return every problem in words."""
    with pytest.raises(DefinitionInvalid) as refused:
        parse_definition(written)
    return [str(problem) for problem in refused.value.problems]


def one(**keys: Any) -> Spec:
    """Return a definition with one task."""
    return tasks_spec({"a": {"to": ["end"], **keys}})


def two(first: Spec | None = None, **second: Any) -> Spec:
    """Return a definition with a task `a` that leads twice to a task `b`."""
    return tasks_spec({"a": {"to": ["b", "b"], **(first or {})}, "b": {"to": ["end"], **second}})


def place(**keys: Any) -> Spec:
    """Return a definition with a condition `p` between two tasks."""
    return tasks_spec({"a": {"to": ["p"]}, "b": {"to": ["end"]}}, {"p": {"to": ["b"], **keys}})


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            one(to=["edn"]),
            [
                "tasks.a.to[0].to: there is no task or condition edn. Did you mean 'end'?",
                "conditions.end: no way leads here from the start: add an arrow to it, or remove "
                "it",
            ],
        ),
        (
            one(cancels=["b"]),
            ["tasks.a.cancels[0]: there is no task or condition b"],
        ),
        (
            one(completes=["a"]),
            ["tasks.a.completes[0]: a has no instances: name a task that has"],
        ),
        (one(completes=["aa"]), ["tasks.a.completes[0]: there is no task aa. Did you mean 'a'?"]),
        (
            one(only_while=["a"]),
            ["tasks.a.only_while[0]: a is a task: name a condition, such as one that it leads to"],
        ),
        (
            one(only_while=["ende"]),
            ["tasks.a.only_while[0]: there is no condition ende. Did you mean 'end'?"],
        ),
        (
            one(to=[{"to": "end", "when": LEAF}]),
            ["tasks.a.to[0].when: when is for xor and or: give the task such a `split`"],
        ),
        (
            one(to=["end", {"to": "end", "when": LEAF}], split="xor"),
            [
                "tasks.a.to[0]: is always taken, so those after it never are: give it `when`",
            ],
        ),
        (
            one(to=[{"to": "end", "each": "data.amount"}]),
            [
                "tasks.a.to[0].each: the field amount must be a list: declare it {type: array}",
            ],
        ),
        (
            one(to=[{"to": "end", "each": "data.orders", "times": 2}]),
            [
                "tasks.a.to[0]: has both times and each: `times` makes so many tokens, `each` one "
                "for each item of a list; take one of the two away"
            ],
        ),
        (
            one(do=["classify"], on_error=[{"to": "end", "when": LEAF}]),
            [
                "tasks.a.on_error[0].when: a failure leads everywhere that is named here: take "
                "`when` away"
            ],
        ),
        (
            one(on_error=["end"]),
            [
                "tasks.a.on_error: no action here holds the task, so none can fail it: add "
                "`block: true` to one"
            ],
        ),
        (
            one(until="x", deadlines=[{"after": "soon", "to": "edn"}]),
            [
                f"tasks.a.deadlines[0].after: {SOON}",
                "tasks.a.deadlines[0].to: there is no task or condition edn. Did you mean 'end'?",
            ],
        ),
        (
            one(until="x", deadlines=[{"after": "1 hour"}]),
            ["tasks.a.deadlines[0]: does nothing: give it `do`, `to`, or both"],
        ),
        (
            one(deadlines=[{"after": "1 hour", "to": "end"}]),
            [
                "tasks.a.deadlines: this task ends as soon as it starts, so these never come: "
                "give it `until`, an action that holds it, or put them behind a condition as "
                "tasks with a trigger"
            ],
        ),
        (
            one(trigger={"event": "x", "after": "1 hour"}),
            ["tasks.a.trigger: needs exactly one of event, after and at"],
        ),
        (
            one(trigger={"at": "data.amount"}),
            [
                "tasks.a.trigger.at: the field amount must be declared {type: string, format: "
                "date-time}"
            ],
        ),
        (
            one(instances={"count": "data.limit"}),
            [
                "tasks.a.instances.count: the field limit must be a whole number: declare it "
                "{type: integer}"
            ],
        ),
        (
            one(instances={"count": 3, "over": "data.orders"}),
            ["tasks.a.instances: needs exactly one of count and over"],
        ),
        (
            one(instances={"count": 3, "at_most": 2}),
            ["tasks.a.instances.count: is more than at_most, which is 2: make one of them fit"],
        ),
        (
            one(instances={"count": 3, "threshold": 4}),
            [
                "tasks.a.instances.threshold: there are never more than 3 instances: ask for at "
                "most so many"
            ],
        ),
        (
            one(instances={"over": "data.amount", "collect": {"answer": "event.x"}}),
            [
                "tasks.a.instances.over: the field amount must be a list: declare it {type: array}",
                "tasks.a.instances.collect.answer: there is no field answer under data. Did you "
                "mean 'data.answers'?",
            ],
        ),
        (
            one(join={"at_least": 1}),
            [
                "tasks.a.join: there is one input only: take `join` away, or lead another here",
            ],
        ),
        (
            two(join={"at_least": 3}),
            ["tasks.b.join.at_least: there are 2 inputs: ask for at most so many"],
        ),
        (
            two(join="xor", trigger={"after": "1 hour"}),
            [
                "tasks.b.trigger: time runs from one input, and here there are several: put a "
                "condition before"
            ],
        ),
        (
            tasks_spec(
                {"a": {"to": ["p", "b"]}, "b": {"join": "or", "to": ["end"]}},
                {"p": {"to": [{"to": "b", "times": 2}]}},
            ),
            ["tasks.b.join: an input takes several tokens at once, which only `and` and `xor` can"],
        ),
        (
            place(to=["b", "b"]),
            ["conditions.p.to[1]: leads to b a second time: write `times` if it takes several"],
        ),
        (
            place(to=["b", "end"]),
            ["conditions.p.to[1].to: end is a condition too: put a task between the two"],
        ),
        (
            place(to=[{"to": "b", "when": LEAF}]),
            [
                "conditions.p.to[0].when: an arrow from a condition has no `when`: give it to the "
                "task"
            ],
        ),
        (
            place(to=[{"to": "b", "each": "data.orders"}]),
            [
                "conditions.p.to[0].each: each is for an arrow from a task: take it away, or "
                "write `times`"
            ],
        ),
        (
            place(final=True),
            ["conditions.p.to: a final condition ends the case: take this away, or final"],
        ),
        (
            tasks_spec({"a": {"to": ["end"]}}, {"a": {}}),
            ["conditions.a: there is a task of that name too: give one of them another name"],
        ),
        (
            tasks_spec({"a": {"to": ["end"]}}, start="aa"),
            ["start: there is no task or condition aa. Did you mean 'a'?"],
        ),
        (
            tasks_spec({"a": {"to": ["end"]}}, start=None),
            ["start: is missing: name the condition or task where the case begins"],
        ),
        (
            tasks_spec({"a": {"to": ["end"]}, "b": {"to": ["end"]}}),
            ["tasks.b: no way leads here from the start: add an arrow to it, or remove it"],
        ),
        (
            tasks_spec({"a": {"to": ["end"]}}, locks={"l": [["a", "a"], ["end"], ["b"]]}),
            [
                "locks.l[0][1]: a is in this lock twice: take one away",
                "locks.l[1][0]: end is a condition: a section is of tasks, and holds what is "
                "between them by itself",
                "locks.l[2][0]: there is no task b",
            ],
        ),
        (
            one() | {"after_close": {"policy": "reopen", "to": "end"}},
            ["after_close.to: the condition end is final: name one in which the case is open"],
        ),
        (
            two() | {"after_close": {"policy": "reopen", "to": "b"}},
            ["after_close.to: the task b waits for other inputs too: name a condition before it"],
        ),
        (
            one() | {"after_close": {"policy": "answer", "template": "thank"}},
            ["after_close.template: there is no template thank. Did you mean 'thanks'?"],
        ),
        (
            one() | {"states": {}},
            ["tasks: a definition with states has no tasks: take one of the two away"],
        ),
        (
            one() | {"nets": {"n": {"start": "x", "tasks": {"a": {"cancels": ["b"]}}}}},
            [
                "nets.n.start: there is no task or condition x",
                "nets.n.tasks.a.cancels[0]: there is no task or condition b",
            ],
        ),
    ],
)
def test_each_mistake_in_a_net_is_named_with_what_to_do(written: Spec, said: list[str]) -> None:
    assert problems(written) == said


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (
            {"run": "inne"},
            "tasks.a.do[0].run.net: there is no net inne under nets. Did you mean 'inner'?",
        ),
        (
            {"run": {"net": "inner", "with": {"amuont": 1}}},
            "tasks.a.do[0].run.with.amuont: there is no field amuont under data. Did you mean "
            "'amount'?",
        ),
        (
            {"run": {"net": "inner", "with": {"amount": "x"}}},
            "tasks.a.do[0].run.with.amount: must be of type number, not text",
        ),
        (
            {"run": {"net": "inner", "returns": {"amount": {"from": "event.x"}}}},
            "tasks.a.do[0].run.returns.amount.from: must be data.NAME of the case that was run",
        ),
        (
            {"compensate": {"tasks": ["a"]}},
            "tasks.a.do[0].compensate: no action here can be undone: give those that can a list "
            "`undo`",
        ),
        (
            {"together": ["classify", {"set": {"amount": 1}}]},
            "tasks.a.do[0].together[1]: together is for classify, reply, notify, run: move set "
            "out of it",
        ),
        (
            {"together": [{"reply": {"template": "thanks", "hold": "1 hour"}}]},
            "tasks.a.do[0].together[0].reply.hold: a held reply runs beside the case: move it out "
            "of together",
        ),
        (
            {"set": {"amount": 1}, "undo": ["classify"]},
            "tasks.a.do[0].undo[0]: undo is a list of reply, notify, run, set: take classify out "
            "of it",
        ),
        (
            {"set": {"amount": 1}, "undo": [{"set": {"amount": 0}, "undo": [{"set": {"x": 0}}]}]},
            "tasks.a.do[0].undo[0].undo: what undoes another action cannot be undone itself: take "
            "this away",
        ),
        (
            {"run": "inner", "retry": {"attempts": 2, "wait": "soon"}},
            f"tasks.a.do[0].retry.wait: {SOON}",
        ),
        (
            {"reply": {"template": "thanks"}, "retry": {"attempts": 2}},
            "tasks.a.do[0]: retry is for classify, run, and a reply or a notice with block",
        ),
        (
            {"set": {"thread.item": 1}},
            "tasks.a.do[0].set.'thread.item': is given to each thread when it begins: set another "
            "name",
        ),
        (
            {"set": {"thread.a.b": 1}},
            "tasks.a.do[0].set.'thread.a.b': must be thread.NAME, a name of letters, digits, _ "
            "and -",
        ),
    ],
)
def test_each_mistake_in_an_action_is_named_with_what_to_do(action: Spec, said: str) -> None:
    written = one(do=[action]) | {"nets": {"inner": {}}}
    assert problems(written)[0] == said


def test_only_tasks_whose_actions_can_be_undone_are_compensated() -> None:
    undone = {"set": {"amount": 1}, "undo": [{"set": {"amount": 0}}]}
    written = tasks_spec(
        {
            "a": {"do": [undone], "to": ["b"]},
            "b": {"do": [{"compensate": {"tasks": ["a", "b", "c"]}}], "to": ["end"]},
        }
    )
    assert problems(written) == [
        "tasks.b.do[0].compensate.tasks[1]: no action of b can be undone: give one a list `undo`",
        "tasks.b.do[0].compensate.tasks[2]: there is no c here",
    ]


def test_states_know_the_new_actions_but_run_no_nets_and_have_no_threads() -> None:
    undone = {"set": {"amount": 1}, "undo": [{"set": {"amount": 0}}]}
    written: Spec = {
        "id": "x",
        "start": "a",
        "data": {"amount": {"type": "number"}},
        "labels": {"refund": ""},
        "states": {
            "a": {
                "enter": [{"together": ["classify"]}, undone, {"compensate": {"tasks": ["a"]}}],
                "on": [{"event": "x", "to": "end"}],
            },
            "end": {"final": True},
        },
    }
    assert parse_definition(written)
    written["states"]["a"]["enter"] += [{"run": "n"}, {"set": {"thread.x": 1}}]
    written["states"]["a"]["on"][0]["when"] = {"field": "thread.x", "op": "exists"}
    assert problems(written) == [
        "states.a.enter[3].run.net: a definition of states has no nets to run: write it with "
        "tasks and nets",
        "states.a.enter[4].set.'thread.x': a case of states has one thread only: use data.NAME, "
        "or write it with tasks",
        "states.a.on[0].when.field: a case of states has one thread only: use data.NAME, or write "
        "it with tasks",
    ]


@pytest.mark.parametrize(
    ("value", "op", "said"),
    [
        (
            {"from": "data.amuont"},
            "is",
            "tasks.a.when.value.from: there is no field amuont under data. Did you mean "
            "'data.amount'?",
        ),
        ({"from": "data.amount"}, "exists", "tasks.a.when.value: exists needs no value"),
        (
            {"from": "data.amount"},
            "matches",
            "tasks.a.when.value: matches needs a pattern that stands here: a field cannot give it",
        ),
        ({"form": "x"}, "is", "tasks.a.when.value: is needs text or a number, not a mapping"),
    ],
)
def test_a_field_to_compare_with_must_be_there(value: Spec, op: str, said: str) -> None:
    when = {"field": "data.limit", "op": op, "value": value}
    assert problems(one(when=when)) == [said]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"join": "xand"},
            "tasks.a.join: must be one of and, xor, or, not 'xand'. Did you mean 'and'?",
        ),
        ({"join": {"at_least": "x"}}, "tasks.a.join.at_least: must be a whole number, not 'x'"),
        (
            {"join": {"at_least": 1, "rst": "wait"}},
            "tasks.a.join.rst: unknown key; known here: at_least, rest. Did you mean 'rest'?",
        ),
        (
            {"instances": {"count": [1]}},
            "tasks.a.instances.count: must be a whole number, not a list",
        ),
        ({"trigger": {"evnt": "x"}}, "tasks.a.trigger.evnt: unknown key; known here: event, "),
        (
            {"to": [{"to": "end", "wen": 1}]},
            "tasks.a.to[0].wen: unknown key; known here: to, when,",
        ),
    ],
)
def test_a_wrong_shape_is_one_plain_problem_with_the_keys_known_there(
    keys: Spec, said: str
) -> None:
    assert [problem[: len(said)] for problem in problems(one(**keys))][-1:] == [said]


def test_wrong_shapes_and_wrong_names_come_at_once() -> None:
    written = tasks_spec(
        {
            "a": {"to": [{"to": "b", "wen": LEAF}], "cancels": ["c"]},
            "b": {"do": [{"reply": {"template": "thank"}}, "shout"], "jion": "xor", "to": ["edn"]},
        }
    )
    places = [problem.partition(": ")[0] for problem in problems(written)]
    assert places == [
        "tasks.a.to[0].wen",
        "tasks.b.do[1].shout",
        "tasks.b.jion",
        "tasks.a.cancels[0]",
        "tasks.b.do[0].reply.template",
        "tasks.b.to[0].to",
    ]


def test_every_action_of_every_net_is_found_also_inside_of_others() -> None:
    reply = {"reply": {"template": "thanks"}}
    definition = parse_definition(
        tasks_spec(
            {"a": {"do": [{"together": [reply]}, {"run": "n", "undo": [reply]}], "to": ["end"]}},
            nets={
                "n": {
                    "start": "b",
                    "tasks": {
                        "b": {"until": "x", "deadlines": [{"after": "1 hour", "do": [reply]}]}
                    },
                }
            },
        )
    )
    assert replies_without_to(definition) == (
        "tasks.a.do[0].together[0].reply",
        "tasks.a.do[1].undo[0].reply",
        "nets.n.tasks.b.deadlines[0].do[0].reply",
    )
    assert len(list(actions_of(definition))) == 5


def test_a_net_of_ten_thousand_nodes_is_read_and_a_larger_one_refused() -> None:
    def line(tasks: int) -> Spec:
        arrows = {f"t{n}": {"to": [f"t{n + 1}"]} for n in range(tasks - 1)}
        return {
            "id": "x",
            "start": "t0",
            "tasks": {**arrows, f"t{tasks - 1}": {"to": ["end"]}},
            "conditions": END,
        }

    assert parse_definition(line(9_999))
    assert problems(line(10_000)) == [
        "has 10,001 tasks and conditions in all its nets; at most 10,000 are allowed"
    ]


def test_a_small_text_does_not_make_a_huge_net() -> None:
    many = {f"t{n}": {"cancels": ["a"], "to": ["a"]} for n in range(2_000)}
    written = tasks_spec({"s": {"to": ["end", *list(many)[:900]]}, "a": {"to": ["end"]}, **many})
    assert len(json.dumps(written)) < 200_000
    assert problems(written)[0] == (
        "all `cancels` and `compensate` together name 4,002,000 places and tasks; at most 100,000 "
        "are allowed"
    )


def test_locks_hold_no_more_than_can_be_looked_through() -> None:
    names = [f"t{n}" for n in range(300)]
    tasks = {name: {"to": names[:40], "join": "xor"} for name in names}
    locks = {f"l{n}": [names] for n in range(10)}
    assert problems(tasks_spec(tasks, locks=locks))[0] == (
        "all locks together hold 123,000 tasks and places between them; at most 20,000 are allowed"
    )


def nested(key: str, depth: int) -> Any:
    """Return a value inside so many others."""
    value: Any = LEAF
    for _ in range(depth):
        value = {key: value} if key == "not" else {key: [value]}
    return value


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"when": nested("not", 20)}, "is nested more than 16 levels deep"),
        ({"when": nested("all", 200)}, "is nested more than 64 levels deep"),
        ({"do": [nested("together", 20)]}, "unknown key; known here: classify, reply"),
        ({"do": [nested("undo", 200)]}, "is nested more than 64 levels deep"),
        ({"about": "x" * 1_000_000}, "is too large: more than 524,288 characters"),
        ({"when": {"field": "x" * 100_000, "op": "exists"}}, "must have at most 1000 characters"),
        ({"trigger": {"after": "9" * 100_000}}, "must have at most 64 characters"),
        ({"cancels": ["a"] * 2_000}, "must have at most 1000 entries"),
    ],
)
def test_what_is_too_deep_or_too_long_is_refused_in_a_sentence(keys: Spec, said: str) -> None:
    assert any(said in problem for problem in problems(one(**keys)))
    assert all(len(problem) < 500 for problem in problems(one(**keys)))


WRONG_ACTIONS = [
    (
        {"close": "over", "block": True},
        "tasks.a.do[0]: block is for reply and notify, not for close: take it away",
    ),
    (
        {"close": None, "block": True},
        "tasks.a.do[0]: block is for reply and notify, not for close: take it away",
    ),
    (
        {"close": "over", "reply": {"template": "thanks"}},
        "tasks.a.do[0]: has reply and close: write each as an action of its own, with its `-`",
    ),
    (7, "tasks.a.do[0]: must be text or a mapping, not 7"),
]


@pytest.mark.parametrize(("action", "said"), WRONG_ACTIONS)
def test_an_action_of_a_wrong_shape_is_one_mistake(action: Any, said: str) -> None:
    assert problems(one(do=[action]) | {"labels": {}}) == [said]
