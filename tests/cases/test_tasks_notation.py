"""The tasks notation: what is written of tasks and conditions becomes a net."""

from datetime import timedelta

import pytest

from cases.actions import Classify, Compensate, Given, Notify, Reply, SetData, Subcase
from cases.compiling.compile import compile_net, net_of
from cases.definitions import canonical_json, content_hash, parse_definition
from cases.expressions.fields import Facts
from cases.net import Arc, Join, Lock, Place, Rest, Split, Trigger
from tests.cases.driving import net_from
from tests.cases.small_definitions import END, one_task, tasks_net, tasks_spec

MOST = {"field": "data.amount", "op": "more_than", "value": 5}


def test_a_definition_without_tasks_and_conditions_ends_where_it_begins() -> None:
    definition = parse_definition({"id": "x", "tasks": {}, "conditions": {}})
    net = compile_net(definition)
    assert (net.places, net.tasks, net.start) == (
        {"end": Place("end", "end", final=True)},
        (),
        "end",
    )
    assert net_of(canonical_json(definition)).start == "end"


def test_an_arrow_between_tasks_is_a_place_where_the_case_waits_for_the_second() -> None:
    net = tasks_net({"a": {"to": ["b", "b"]}, "b": {"to": ["end"]}})
    assert list(net.places.values()) == [
        Place("->a", "a"),
        Place("end", "end", final=True),
        Place("a->b", "b"),
        Place("a->b[1]", "b"),
    ]
    assert net.start == "->a"
    assert [arc.place for arc in net.numbered["b"].task.inputs] == ["a->b", "a->b[1]"]


def test_an_arrow_from_a_condition_is_an_input_of_so_many_tokens() -> None:
    net = tasks_net(
        {"a": {"to": [{"to": "p", "times": 3}]}, "b": {"to": ["end"]}},
        {"p": {"to": [{"to": "b", "times": 2}]}},
    )
    assert net.numbered["a"].task.outputs[0].weight == 3
    assert net.numbered["b"].task.inputs == (Arc("p", 2),)


def test_a_thread_for_each_item_reads_the_list() -> None:
    net = tasks_net({"a": {"to": [{"to": "b", "each": "data.orders"}]}, "b": {"to": ["end"]}})
    each = net.numbered["a"].task.outputs[0].each
    assert each is not None
    assert each(Facts(None, {}, {"orders": [1, 2]}, None, None)) == [1, 2]


@pytest.mark.parametrize(
    ("written", "join", "threshold", "rest"),
    [
        ("and", Join.ALL, 1, Rest.WAIT),
        ("xor", Join.ANY, 1, Rest.WAIT),
        ("or", Join.OR, 1, Rest.WAIT),
        ({"at_least": 2}, Join.PARTIAL, 2, Rest.WAIT),
        ({"at_least": 1, "rest": "cancel"}, Join.PARTIAL, 1, Rest.CANCEL),
    ],
)
def test_each_join_has_its_kind(written: object, join: Join, threshold: int, rest: Rest) -> None:
    net = tasks_net({"a": {"to": ["b", "b"]}, "b": {"join": written, "to": ["end"]}})
    task = net.numbered["b"].task
    assert (task.join, task.threshold, task.rest) == (join, threshold, rest)


def test_with_one_input_every_join_is_the_same() -> None:
    net = tasks_net({"a": {"to": ["b"]}, "b": {"join": "or", "to": ["end"]}})
    assert net.numbered["b"].task.join is Join.ALL


@pytest.mark.parametrize(
    ("written", "split"), [("xor", Split.FIRST), ("or", Split.EVERY), ("and", Split.ALL)]
)
def test_each_split_has_its_kind(written: str, split: Split) -> None:
    guard = {} if written == "and" else {"when": MOST}
    task = one_task(split=written, to=[{"to": "end", **guard}, "end"])
    assert task.split is split
    assert [branch.guard is None for branch in task.outputs] == [not guard, True]


def test_a_task_starts_at_an_event_or_at_a_time() -> None:
    event = one_task(trigger={"event": "paid", "transient": True}, when=MOST)
    assert (event.trigger, event.event_type, event.transient) == (Trigger.EVENT, "paid", True)
    assert event.guard is not None
    assert one_task(trigger="paid").event_type == "paid"
    after = one_task(trigger={"after": "2 hours"})
    assert after.trigger is Trigger.DEADLINE
    assert after.timing is not None
    assert after.timing.after == timedelta(hours=2)
    at = one_task(trigger={"at": "data.due"})
    assert at.timing is not None
    assert at.timing.at is not None
    assert one_task().trigger is Trigger.NONE


def test_a_running_tasks_deadline_is_a_task_without_inputs() -> None:
    net = tasks_net(
        {
            "a": {
                "until": {"event": "done", "when": MOST},
                "deadlines": [
                    {"after": "1 hour", "do": [{"notify": {"template": "sorry", "team": "leads"}}]},
                    {"after": "1 day", "to": "b", "when": MOST},
                ],
                "to": ["end"],
            },
            "b": {"to": ["end"]},
        }
    )
    first, second = (net.numbered[f"a.deadlines[{index}]"].task for index in (0, 1))
    until = net.numbered["a"].task.until
    assert until is not None
    assert until.event_type == "done"
    assert until.guard is not None
    assert (first.inputs, first.outputs, first.watches, first.stops_watched) == ((), (), "a", False)
    assert [branch.place for branch in second.outputs] == ["a.deadlines[1]->b"]
    assert (second.watches, second.stops_watched) == ("a", True)
    assert second.guard is not None
    assert [entry.task.id for entry in net.watching["a"]] == ["a.deadlines[0]", "a.deadlines[1]"]


def test_instances_say_how_many_there_are_and_what_they_collect() -> None:
    task = one_task(
        instances={
            "over": "data.orders",
            "at_most": 7,
            "add": "more",
            "threshold": 3,
            "rest": "cancel",
            "window": 2,
            "collect": {"answers": "event.answer"},
        }
    )
    instances = task.instances
    assert instances is not None
    assert instances.over is not None
    assert instances.add is not None
    assert (instances.count, instances.count_of, instances.at_most) == (None, None, 7)
    assert (instances.threshold, instances.rest, instances.window) == (3, Rest.CANCEL, 2)
    assert instances.collect[0].field == "answers"
    fixed, read = one_task(instances={"count": 3}), one_task(instances={"count": "data.copies"})
    assert fixed.instances is not None
    assert fixed.instances.count == 3
    assert read.instances is not None
    assert read.instances.count_of is not None


def test_cancelling_a_task_takes_its_deadlines_and_what_waits_before_it_but_no_condition() -> None:
    net = tasks_net(
        {
            "a": {"to": ["b", "p", "c"]},
            "b": {"until": "x", "deadlines": [{"after": "1 hour", "to": "end"}], "to": ["end"]},
            "c": {"cancels": ["b", "q"], "to": ["end", "q"]},
            "d": {"to": ["end"]},
        },
        {"p": {"to": ["b"]}, "q": {"to": ["d"]}},
    )
    task = net.numbered["c"].task
    assert task.cancel_places == ("a->b", "q")
    assert task.cancel_tasks == ("b", "b.deadlines[0]")


def test_a_task_may_complete_instances_and_be_tied_to_a_condition() -> None:
    net = tasks_net(
        {
            "a": {"to": ["b", "c", "p"]},
            "b": {"instances": {"count": 2}, "to": ["end"]},
            "c": {"completes": ["b"], "only_while": ["p"], "to": ["end"]},
            "d": {"to": ["end"]},
        },
        {"p": {"to": ["d"]}},
    )
    task = net.numbered["c"].task
    assert (task.complete_tasks, task.reads) == (("b",), ("p",))


def test_the_places_between_the_tasks_of_a_section_are_inside_it() -> None:
    net = tasks_net(
        {
            "a": {"to": ["b", "x"]},
            "b": {"to": ["p", "c"]},
            "c": {"to": ["end"]},
            "x": {"to": ["end"]},
        },
        {"p": {"to": ["c"]}},
        locks={"till": [["b", "c"], ["x"]]},
    )
    assert net.locks == (Lock("till", ((("b", "c"), ("p", "b->c")), (("x",), ()))),)


def test_where_a_failure_leads_are_outputs_of_their_own() -> None:
    task = one_task(do=["classify"], to=["end"], on_error=["end"])
    assert [branch.place for branch in task.error_outputs] == ["end"]


def test_a_net_is_run_with_fields_given_and_fields_returned() -> None:
    definition = parse_definition(
        tasks_spec(
            {
                "a": {
                    "do": [
                        {
                            "run": {
                                "net": "inner",
                                "with": {"amount": {"from": "thread.item"}, "limit": 5},
                                "returns": {"amount": {"from": "data.amount"}},
                            }
                        }
                    ],
                    "to": ["end"],
                }
            },
            nets={
                "inner": {
                    "start": "in",
                    "ends": "empty",
                    "tasks": {"in": {"do": [{"run": "inner"}]}},
                }
            },
            max_depth=3,
        )
    )
    (planned,) = compile_net(definition).numbered["a"].task.actions
    action = planned.action
    assert isinstance(action, Subcase)
    assert planned.blocking
    assert [(given.field, given.value, given.source_field) for given in action.given] == [
        ("amount", {"from": "thread.item"}, "thread.item"),
        ("limit", 5, None),
    ]
    assert isinstance(action.returned[0], Given)
    inner = compile_net(definition, "inner")
    assert (inner.start, inner.ends_when_empty, inner.max_depth) == ("->in", True, 3)
    assert inner.fields == compile_net(definition).fields
    assert inner.reopens_in is None


def test_actions_together_are_one_group_that_holds_the_task() -> None:
    together = {"together": [{"notify": {"template": "sorry", "team": "leads"}}, "classify"]}
    task = one_task(do=[together, together, "classify"])
    assert [(type(p.action), p.group, p.blocking) for p in task.actions] == [
        (Notify, 0, True),
        (Classify, 0, True),
        (Notify, 1, True),
        (Classify, 1, True),
        (Classify, None, True),
    ]


def test_an_action_may_be_tried_again_and_undone() -> None:
    task = one_task(
        do=[
            {
                "reply": {"template": "thanks"},
                "block": True,
                "retry": {"attempts": 3, "wait": "5 minutes"},
                "undo": [{"reply": {"template": "sorry"}}],
            },
            {"set": {"amount": 1, "limit": 2}, "undo": [{"set": {"amount": 0}}]},
            {"compensate": {"tasks": ["a"]}},
            "compensate",
        ]
    )
    reply, one, two, some, everything = task.actions
    assert (reply.attempts, reply.wait) == (3, timedelta(minutes=5))
    assert isinstance(reply.undo[0].action, Reply)
    assert (one.undo, isinstance(two.undo[0].action, SetData)) == ((), True)
    assert (some.action, everything.action) == (Compensate(("a",)), Compensate())


def test_states_name_themselves_where_they_are_compensated() -> None:
    undone = {"set": {"order": "A1"}, "undo": [{"set": {"order": ""}}]}
    net = net_from(
        {
            "a": {"enter": [undone, {"together": ["classify"]}], "on": [{"event": "x", "to": "b"}]},
            "b": {"enter": [{"compensate": {"tasks": ["a"]}}], "on": [{"event": "x", "to": "a"}]},
        },
        data={"order": {"type": "string"}},
    )
    first, second = net.numbered["a.enter"].task.actions
    assert (len(first.undo), second.group, second.blocking) == (1, 1, True)
    (compensate,) = net.numbered["b.enter"].task.actions
    assert compensate.action == Compensate(("a.enter", "a.on[0]"))


def test_a_case_is_reopened_in_a_task_through_a_place_of_its_own() -> None:
    reopened = {"after_close": {"policy": "reopen", "to": "b"}}
    net = tasks_net({"a": {"to": ["b"]}, "b": {"join": "xor", "to": ["end"]}}, **reopened)
    assert net.reopens_in == "->b"
    assert [arc.place for arc in net.numbered["b"].task.inputs] == ["->b", "a->b"]


def test_the_order_of_writing_is_kept_in_the_stored_text_since_it_decides() -> None:
    tasks = {"z": {"to": ["m", "b"]}, "m": {"to": ["end"]}, "b": {"to": ["end"]}}
    inner = {"start": "z", "tasks": tasks, "conditions": END}
    text = canonical_json(parse_definition(tasks_spec(tasks, nets={"n": inner})))
    assert [entry.task.id for entry in net_of(text).tasks] == ["z", "m", "b"]
    assert [entry.task.id for entry in net_of(text, "n").tasks] == ["z", "m", "b"]
    turned = dict(reversed(tasks.items()))
    other = canonical_json(parse_definition(tasks_spec(turned, start="z", nets={"n": inner})))
    assert text != other


def test_short_and_long_forms_are_one_version() -> None:
    short = tasks_spec({"a": {"trigger": "paid", "until": "done", "to": ["end"]}})
    long = tasks_spec(
        {
            "a": {
                "about": None,
                "join": "and",
                "trigger": {"event": "paid"},
                "until": {"event": "done"},
                "to": [{"to": "end", "times": 1}],
            }
        },
        ends="final",
    )
    hashes = {content_hash(canonical_json(parse_definition(written))) for written in (short, long)}
    assert len(hashes) == 1


def test_a_condition_may_compare_two_fields() -> None:
    over = {"field": "data.amount", "op": "more_than", "value": {"from": "data.limit"}}
    guard = one_task(when=over).guard
    assert guard is not None
    assert guard.text == "data.amount more than data.limit"

    def said(**data: object) -> tuple[bool, object, str | None]:
        facts = Facts(None, {}, data, None, None)  # type: ignore[arg-type]  # JSON all the same
        (verdict,) = guard.explain(facts)
        assert verdict.holds == guard.holds(facts)
        return verdict.holds, verdict.wanted, verdict.reason

    assert said(amount=6, limit=5) == (True, 5, None)
    assert said(amount=5, limit=5) == (False, 5, None)
    assert said(amount=5) == (False, None, "data.limit is missing")
    assert said(limit=5) == (False, 5, "the field is missing")
    assert said(amount=5, limit="x") == (
        False,
        "x",
        "data.limit is text, which more_than cannot compare with",
    )


@pytest.mark.parametrize(
    ("op", "found", "wanted", "holds"),
    [
        ("is", "x", "x", True),
        ("is", 1, True, False),
        ("is", "x" * 70_000, "x" * 70_000, False),
        ("is_not", "x", "y", True),
        ("is_not", "x", [1], False),
        ("in", "x", ["x", "y"], True),
        ("in", "x", "xyz", False),
        ("not_in", "x", ["y"], True),
        ("not_in", "x", {}, False),
        ("contains", ["x"], "x", True),
        ("contains", "Axe", "x", True),
        ("starts_with", "axe", "A", True),
        ("starts_with", "axe", 1, False),
    ],
)
def test_an_op_compares_with_a_field_as_with_a_value_that_it_fits(
    op: str, found: object, wanted: object, holds: bool
) -> None:
    leaf = {"field": "event.a", "op": op, "value": {"from": "event.b"}}
    guard = one_task(trigger="x", when=leaf).guard
    assert guard is not None
    facts = Facts("x", {"a": found, "b": wanted}, {}, None, None)  # type: ignore[dict-item]  # JSON
    assert guard.holds(facts) is holds
    assert guard.explain(facts)[0].holds is holds


def test_a_guard_reads_the_thread_of_the_token() -> None:
    guard = one_task(when={"field": "thread.number", "op": "is", "value": 2}).guard
    assert guard is not None
    assert guard.holds(Facts(None, {}, {}, None, None, {"number": 2}))
