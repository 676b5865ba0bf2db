"""The net beyond state machines: joins, splits, weights, reads and cancellation."""

from cases.actions import Classify, Planned, SetData
from cases.engine import start, step
from cases.events import ActionEnded, Ending, Event
from cases.expressions.conditions import Condition
from cases.expressions.guards import Guard, guard_of
from cases.game.settling import take_event
from cases.game.working import Working
from cases.net import Arc, Branch, Join, Net, Place, Split, Task, Trigger, make_net
from cases.outlook.outlook import marking
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.driving import NOON, Case
from tests.cases.nets import where


def net(places: str, *tasks: Task, final: str = "") -> Net:
    """Return a net whose places are named by letters; the first is the start."""
    return make_net([Place(p, p, final=p in final) for p in places], tasks, places[0])


def on(event: str, inputs: str, outputs: str, **more: object) -> Task:
    """Return a task that takes an event."""
    return automatic(inputs, outputs, trigger=Trigger.EVENT, event_type=event, **more)


def automatic(inputs: str, outputs: str, **more: object) -> Task:
    """Return a task between places."""
    return Task(
        id=f"{inputs}->{outputs}",
        inputs=tuple(Arc(place) for place in inputs),
        outputs=tuple(Branch(place) for place in outputs),
        **more,  # type: ignore[arg-type]  # each test names the fields that it is about
    )


def label_is(label: str) -> Guard:
    """Return a guard on the event's label."""
    condition = {"field": "event.label", "op": "is", "value": label}
    return guard_of(Condition.model_validate(condition))


def test_an_and_split_and_join_wait_for_every_branch() -> None:
    parallel = net(
        "aABCDz",
        automatic("a", "AB"),
        on("left", "A", "C"),
        on("right", "B", "D"),
        automatic("CD", "z"),
        final="z",
    )
    case = Case(parallel)
    assert marking(case.state) == {"A": 1, "B": 1}
    case.send("e1", "right")
    assert marking(case.state) == {"A": 1, "D": 1}
    case.send("e2", "left")
    assert case.state.status is CaseStatus.CLOSED
    assert case.trace[-1].task == "CD->z"


def test_an_any_join_takes_the_first_branch_that_comes() -> None:
    merge = net("aABz", automatic("a", "AB"), on("go", "AB", "z", join=Join.ANY))
    case = Case(merge)
    case.send("e1", "go")
    assert marking(case.state) == {"B": 1, "z": 1}
    case.send("e2", "go")
    assert marking(case.state) == {"z": 2}


def test_a_choice_fills_the_first_branch_whose_guard_holds_or_the_last() -> None:
    branches = (
        Branch("b", guard=label_is("x")),
        Branch("c", guard=label_is("y")),
        Branch("d", guard=label_is("x")),
    )
    for split, label, expected in (
        (Split.FIRST, "x", {"b": 1}),
        (Split.FIRST, "y", {"c": 1}),
        (Split.FIRST, "?", {"d": 1}),
        (Split.EVERY, "x", {"b": 1, "d": 1}),
        (Split.EVERY, "?", {"d": 1}),
        (Split.ALL, "?", {"b": 1, "c": 1, "d": 1}),
    ):
        task = Task("t", (Arc("a"),), branches, trigger=Trigger.EVENT, event_type="go", split=split)
        case = Case(net("abcd", task))
        case.send("e1", "go", label=label)
        assert marking(case.state) == expected


def test_weights_count_tokens_in_and_out() -> None:
    counted = net(
        "ab",
        Task("two", (Arc("b", 3),), (Branch("a"),)),
        Task(
            "one",
            (Arc("a"),),
            (Branch("b", 2), Branch("a")),
            trigger=Trigger.EVENT,
            event_type="go",
        ),
    )
    case = Case(counted)
    case.send("e1", "go")
    assert marking(case.state) == {"b": 2, "a": 1}
    case.send("e2", "go")
    assert marking(case.state) == {"a": 2, "b": 1}


def test_a_read_place_must_be_filled_and_stays_so() -> None:
    reading = net(
        "apqz", automatic("a", "p"), on("open", "p", "pq"), on("go", "p", "z", reads=("q",))
    )
    case = Case(reading)
    assert case.send("e1", "go").waiting == ("e1",)
    assert case.send("e2", "open").consumed == ("e2", "e1")
    assert marking(case.state) == {"q": 1, "z": 1}


def test_cancelling_takes_tokens_and_running_tasks_and_ignores_late_ends() -> None:
    cancelling = net(
        "aABCz",
        automatic("a", "ABC"),
        automatic("A", "z", actions=(Planned(Classify(), blocking=True),)),
        on("stop", "B", "z", cancel_places=("C",), cancel_tasks=("A->z",)),
    )
    case = Case(cancelling)
    assert marking(case.state) == {"B": 1, "C": 1}
    assert len(case.state.running) == 1
    case.send("e1", "stop")
    assert marking(case.state) == {"z": 1}
    assert case.state.running == {}
    late = case.end(case.performs[0], label="x")
    assert [entry.kind for entry in late.trace] == [TraceKind.IGNORED]
    assert marking(case.state) == {"z": 1}


def test_automatic_tasks_fire_in_declared_order() -> None:
    order = net(
        "ab", on("go", "a", "b"), Task("t1", (Arc("a"),), (Branch("b"),)), automatic("a", "a")
    )
    case = Case(order)
    assert [entry.task for entry in case.traced(TraceKind.FIRED)] == ["t1"]


def test_a_guarded_automatic_task_fires_when_the_label_comes() -> None:
    refund = Condition.model_validate({"field": "label", "op": "is", "value": "refund"})
    late = make_net(
        [Place(p, p) for p in "aABCz"],
        [
            automatic("a", "AB"),
            automatic("A", "C", actions=(Planned(Classify(), blocking=True),)),
            automatic("B", "z", guard=guard_of(refund)),
        ],
        "a",
        labels=["refund"],
    )
    case = Case(late)
    assert marking(case.state) == {"B": 1}
    case.give(ActionEnded(case.performs[0].firing, 0, Ending.DONE, {"label": "refund"}))
    assert marking(case.state) == {"C": 1, "z": 1}


def test_a_net_that_only_routes_for_ever_is_parked() -> None:
    case = Case(net("ab", automatic("a", "b"), automatic("b", "a")))
    assert case.state.status is CaseStatus.PARKED
    assert marking(case.state) == {"a": 1}
    assert case.send("e1", "x").waiting == ("e1",)


def test_one_event_goes_to_one_task_in_declared_order() -> None:
    wide = net("aABz", automatic("a", "AB"), on("go", "B", "z"), on("go", "A", "z"))
    case = Case(wide)
    case.send("e1", "go")
    assert marking(case.state) == {"A": 1, "z": 1}


def test_a_step_does_not_grow_with_the_width_of_the_net() -> None:
    places = [Place("a", "a"), *(Place(f"p{i}", f"p{i}") for i in range(600)), Place("z", "z")]
    outputs = tuple(Branch(f"p{i}") for i in range(300))
    tasks = [Task("split", (Arc("a"),), outputs)]
    tasks += [Task(f"t{i}", (Arc(f"p{i}"),), (Branch(f"p{i + 300}"),)) for i in range(300)]
    join = tuple(Arc(f"p{i + 300}") for i in range(300))
    wide = make_net(places, [*tasks, Task("join", join, (Branch("z"),))], "a")
    taken = start(wide, {}, NOON)
    assert marking(taken.state) == {"z": 1}
    assert taken.state.firings == 302
    assert step(wide, taken.state, Event("e", "x", NOON), NOON).waiting == ("e",)


def test_what_is_set_has_only_the_tasks_looked_at_that_ask_for_it() -> None:
    places = [f"p{number}" for number in range(1_000)]
    closed = where("data.open", "is", 1)
    waits = [Task(f"t{place}", (Arc(place),), (Branch("z"),), guard=closed) for place in places]
    count = Planned(SetData("n", 1))
    moves = Task("move", (Arc("m"),), (Branch("m"),), Trigger.EVENT, "go", actions=(count,) * 50)
    split = Task("split", (Arc("a"),), tuple(Branch(place) for place in ["m", *places]))
    drawn = make_net([Place(p, p) for p in ["a", "m", "z", *places]], [split, *waits, moves], "a")
    state = start(drawn, {}, NOON).state
    work = Working(drawn, state, NOON)
    take_event(work, Event("e", "go", NOON))
    assert work.data["n"] == 1
    assert work.marking.looked + work.visited < 100
