"""The check of nets: known faults, the shortest way to each, and agreement with brute force."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cases.definitions import parse_definition
from cases.expressions.conditions import Condition
from cases.expressions.guards import guard_of
from cases.net import Arc, Branch, Place, Split, Task, Trigger, make_net
from cases.notation.documents import parse_document
from cases.soundness.explore import check_net
from cases.soundness.findings import check_definition
from cases.soundness.verdict import FindingKind, Report, Severity, Soundness
from tests.cases.plain_petri import Transition
from tests.cases.small_petri import net_of

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def errors(report: Report) -> dict[FindingKind, tuple[str, ...]]:
    """Return the kinds of errors, each with the way to it."""
    found = [one for one in report.findings if one.severity is Severity.ERROR]
    return {one.kind: one.witness for one in found}


T = Transition
FAULTS = {
    "deadlock": (
        [T("x", ("start",), ("a", "b"), gives_one=True), T("j", ("a", "b"), ("end",))],
        FindingKind.DEADLOCK,
        ("x",),
    ),
    "improper": (
        [T("s", ("start",), ("a", "b")), T("j", ("a", "b"), ("end",), takes_any=True)],
        FindingKind.IMPROPER_COMPLETION,
        ("s", "j"),
    ),
    "livelock": (
        [
            T("x", ("start",), ("a", "end"), gives_one=True),
            T("there", ("a",), ("b",)),
            T("back", ("b",), ("a",)),
        ],
        FindingKind.LIVELOCK,
        ("x",),
    ),
    "dead": (
        [T("x", ("start",), ("end",)), T("never", ("a",), ("end",))],
        FindingKind.DEAD_TASK,
        (),
    ),
    "unbounded": (
        [T("s", ("start",), ("start", "a")), T("x", ("start", "a"), ("end",))],
        FindingKind.UNBOUNDEDNESS,
        ("s",),
    ),
}


@pytest.mark.parametrize(("transitions", "kind", "way"), FAULTS.values(), ids=FAULTS)
def test_each_known_fault_is_found_with_the_shortest_way_to_it(
    transitions: list[Transition], kind: FindingKind, way: tuple[str, ...]
) -> None:
    report = check_net(net_of(transitions))
    assert report.verdict is Soundness.UNSOUND
    assert errors(report)[kind] == way


BIG = guard_of(Condition.model_validate({"field": "data.big", "op": "is", "value": True}))


def choice(name: str, source: str, *to: str) -> Task:
    """Return an automatic task that goes to the first place if the case is big, else on."""
    return Task(name, (Arc(source),), (Branch(to[0], guard=BIG), Branch(to[1])), split=Split.FIRST)


def test_a_certain_fault_is_not_hidden_by_a_nearer_one_that_is_only_possible() -> None:
    names = ("start", "a", "b", "far", "farther", "farthest", "there", "no", "end")
    tasks = [
        choice("first", "start", "a", "far"),
        choice("second", "a", "end", "b"),
        Task("never_b", (Arc("b"), Arc("no")), (Branch("end"),)),
        Task("on", (Arc("far"),), (Branch("farther"),)),
        Task("on2", (Arc("farther"),), (Branch("farthest"),)),
        Task("on3", (Arc("farthest"),), (Branch("there"),)),
        Task("never", (Arc("there"), Arc("no")), (Branch("end"),)),
    ]
    net = make_net([Place(one, one, final=one == "end") for one in names], tasks, "start")
    found = next(one for one in check_net(net).findings if one.kind is FindingKind.DEADLOCK)
    assert not found.possible
    assert (found.place, found.witness) == ("there", ("first", "on", "on2", "on3"))
    assert check_net(net).verdict is Soundness.UNSOUND


def test_a_split_of_very_many_ways_is_given_up_and_not_made_in_full() -> None:
    names = [f"p{number}" for number in range(40)]
    tasks = [
        Task("wide", (Arc("start"),), tuple(Branch(p, guard=BIG) for p in names), split=Split.EVERY)
    ]
    tasks += [Task(f"t{one}", (Arc(one),), (Branch("end"),)) for one in names]
    places = [Place(one, one, final=one == "end") for one in ("start", *names, "end")]
    net = make_net(places, tasks, "start")
    asked = 0

    def still_time() -> bool:
        nonlocal asked
        asked += 1
        return asked < 5_000

    assert check_net(net, max_markings=5_000).markings <= 5_001
    assert check_net(net, still_time=still_time).markings <= 5_000


def test_many_tokens_that_fire_away_by_themselves_are_not_without_bound() -> None:
    places = [Place(one, one, final=one == "end") for one in ("start", "copies", "end")]
    tasks = [
        Task("clear", (Arc("copies"),), ()),
        Task(
            "copy",
            (Arc("start"),),
            (Branch("start"), Branch("copies", weight=3)),
            trigger=Trigger.EVENT,
            event_type="copy",
        ),
        Task("end", (Arc("start"),), (Branch("end"),), trigger=Trigger.EVENT, event_type="end"),
    ]
    assert check_net(make_net(places, tasks, "start")).verdict is Soundness.SOUND


def test_a_spent_budget_is_unknown_and_not_sound() -> None:
    net = net_of([T("s", ("start",), ("a",)), T("x", ("a",), ("end",))])
    assert check_net(net, max_markings=1).verdict is Soundness.UNKNOWN
    assert check_net(net, still_time=lambda: False).verdict is Soundness.UNKNOWN
    assert check_net(net).verdict is Soundness.SOUND


def test_guards_that_read_the_same_data_twice_make_a_fault_only_possible() -> None:
    places = [Place(one, one, final=one == "end") for one in ("start", "a", "b", "c", "d", "end")]
    tasks = [
        Task("split", (Arc("start"),), (Branch("a"), Branch("b"))),
        choice("left", "a", "c", "d"),
        choice("right", "b", "c2", "d2"),
        Task("both_big", (Arc("c"), Arc("c2")), (Branch("end"),)),
        Task("both_small", (Arc("d"), Arc("d2")), (Branch("end"),)),
    ]
    net = make_net([*places, Place("c2", "c2"), Place("d2", "d2")], tasks, "start")
    assert check_net(net).verdict is Soundness.POSSIBLE


EXAMPLES = [ROOT / "examples/support.yaml", *sorted((ROOT / "examples/patterns").glob("*.yaml"))]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_sound(path: Path) -> None:
    definition = parse_definition(parse_document(path.read_text("utf-8")))
    assert check_definition(definition).verdict is Soundness.SOUND
