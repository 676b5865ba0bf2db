"""Running tasks that wait for an event."""

from cases.expressions.conditions import Condition
from cases.expressions.fields import reader_of
from cases.expressions.guards import Guard, guard_of
from cases.net import Branch, Instances, Listening, Split, Trigger
from cases.outlook.outlook import marking, outlook
from cases.trace import TraceKind
from tests.cases.drawn import drawn, holding, on, running, setting, task
from tests.cases.driving import Case


def is_(field: str, other: str) -> Guard:
    """Return a guard that a field is what another one holds."""
    written = {"field": field, "op": "is", "value": {"from": other}}
    return guard_of(Condition.model_validate(written))


def test_a_task_runs_until_its_event_comes_and_gives_it_on() -> None:
    case = Case(drawn([task("ask", "start", "after", until=Listening("answer"))]))
    assert marking(case.state) == {}
    case.send("e1", "other")
    case.send("e2", "answer", text="yes")
    (token,) = case.state.tokens["after"]
    assert token.event is not None
    assert (token.event.id, token.cause) == ("e2", "e2")
    assert case.consumed == ["e2"]
    assert not case.state.running


def test_the_event_counts_only_after_the_actions_and_is_kept_meanwhile() -> None:
    ask = task("ask", "start", "after", actions=(holding("q"),), until=Listening("answer"))
    case = Case(drawn([ask]))
    case.send("e1", "answer")
    assert [event.id for event in case.state.waiting] == ["e1"]
    case.end(case.performs[0])
    assert marking(case.state) == {"after": 1}
    assert not case.state.waiting


def test_an_end_that_is_told_twice_does_not_end_a_task_that_waits_for_its_event() -> None:
    ask = task("ask", "start", "after", actions=(holding("q"),), until=Listening("answer"))
    case = Case(drawn([ask]))
    case.end(case.performs[0])
    case.end(case.performs[0])
    assert len(case.traced(TraceKind.IGNORED)) == 1
    assert marking(case.state) == {}


def test_an_event_that_its_condition_refuses_is_kept() -> None:
    until = Listening("answer", is_("event.number", "data.number"))
    net = drawn([task("ask", "start", "after", until=until)], fields=("number",))
    case = Case(net, {"number": 7})
    case.send("e1", "answer", number=8)
    assert marking(case.state) == {}
    case.send("e2", "answer", number=7)
    assert marking(case.state) == {"after": 1}
    (heard,) = case.traced(TraceKind.HEARD)
    assert heard.guards[0][1][0].holds


def test_each_instance_hears_the_event_that_fits_its_own_data() -> None:
    until = Listening("answer", is_("event.order", "thread.item"))
    instances = Instances(over=reader_of("data.orders"), at_most=9, window=9)
    net = drawn(
        [task("ask", "start", "after", until=until, instances=instances)], fields=("orders",)
    )
    case = Case(net, {"orders": ["a", "b"]})
    case.send("e1", "answer", order="b")
    (left,) = running(case.state, "ask")
    assert case.state.threads[left.thread or 0].data["item"] == "a"


def test_the_task_that_was_declared_first_hears_an_event_first() -> None:
    tasks = [
        task("split", "start", "one two"),
        on("answer", "start it", "one", "started"),
        task("ask", "two", "heard", until=Listening("answer")),
    ]
    case = Case(drawn(tasks))
    case.send("e1", "answer")
    assert marking(case.state) == {"started": 1}
    case.send("e2", "answer")
    assert marking(case.state) == {"started": 1, "heard": 1}


def test_the_firing_that_began_first_hears_an_event_first() -> None:
    tasks = [
        task("split", "start", "one two"),
        task("first", "one", "left", until=Listening("answer")),
        task("second", "two", "right", until=Listening("answer")),
    ]
    case = Case(drawn(tasks))
    case.send("e1", "answer")
    assert marking(case.state) == {"left": 1}


def test_what_a_running_task_waits_for_is_told() -> None:
    until = Listening("answer", is_("event.number", "data.number"))
    case = Case(drawn([task("ask", "start", "after", until=until)]), {})
    (told,) = outlook(case.net, case.state)
    assert told["waits_for"] == [
        {"event": "answer", "when": "event.number is data.number", "does": "goes to after"}
    ]
    assert told["doing"] == "waits for answer"


def test_the_outputs_are_chosen_by_the_event_that_was_heard() -> None:
    yes = guard_of(Condition.model_validate({"field": "event.ok", "op": "is", "value": True}))
    ask = task(
        "ask",
        "start",
        until=Listening("answer"),
        split=Split.FIRST,
        outputs=(Branch("good", guard=yes), Branch("bad")),
    )
    net = drawn([ask, task("last", "good bad", "end", trigger=Trigger.EVENT, event_type="x")])
    case = Case(net)
    case.send("e1", "answer", ok=True)
    assert marking(case.state) == {"good": 1}
    (heard,) = case.traced(TraceKind.HEARD)
    assert [(one.state, one.chosen) for one in heard.branches] == [("good", True), ("bad", False)]
    assert heard.branches[0].verdicts[0].holds


def test_an_action_may_set_what_the_condition_asks_for() -> None:
    until = Listening("answer", is_("event.number", "data.number"))
    ask = task("ask", "start", "after", actions=(setting("number", 3),), until=until)
    case = Case(drawn([ask], fields=("number",)))
    case.send("e1", "answer", number=3)
    assert marking(case.state) == {"after": 1}
