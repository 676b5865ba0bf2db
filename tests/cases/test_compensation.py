"""Undoing what was done."""

from dataclasses import replace

from cases.actions import Compensate, Planned, Reply, ReportUnhandled, Subcase
from cases.events import Ending
from cases.net import Arc, Branch, Net, Task
from cases.outlook.outlook import marking, outlook
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.drawn import drawn, holding, on, setting, task
from tests.cases.driving import Case


def undone_by(template: str) -> tuple[Planned, ...]:
    """Return the undoing by a reply."""
    return (Planned(Reply(template)),)


BOOK = (
    holding("flight", undo=undone_by("no flight")),
    holding("hotel", undo=(Planned(Reply("no hotel")), Planned(Reply("sorry")))),
)


def trip(*tasks: str) -> Net:
    """Return a net that books, and undoes what some tasks did when it is told to."""
    undo = (Planned(Compensate(tasks)),)
    return drawn(
        [
            task("book", "start", "booked", actions=BOOK),
            on("off", "call off", "booked", "off", actions=undo),
        ],
        max_depth=2,
    )


def booked(net: Net) -> Case:
    """Return a case that has booked."""
    case = Case(net)
    case.end(case.performs[0])
    case.end(case.performs[1])
    return case


def test_what_was_done_is_undone_the_last_first_one_after_the_other() -> None:
    case = booked(trip())
    case.send("e1", "off")
    for _ in range(3):
        assert marking(case.state) == {}
        case.end(case.performs[-1])
    assert case.asked[2:] == ["reply no hotel", "reply sorry", "reply no flight"]
    assert marking(case.state) == {"off": 1}
    assert case.state.undoable == ()


def test_each_undoing_has_a_key_of_its_own_and_holds_the_task() -> None:
    case = booked(trip())
    case.send("e1", "off")
    for _ in range(3):
        case.end(case.performs[-1])
    keys = [(one.firing, one.index) for one in case.performs]
    assert len(set(keys)) == len(keys)
    assert all(one.blocking for one in case.performs)


def test_an_undoing_speaks_of_the_event_that_its_action_was_about() -> None:
    net = drawn(
        [
            on("order", "book", "start", "booked", actions=BOOK[:1]),
            on("off", "call off", "booked", "end", actions=(Planned(Compensate()),)),
        ]
    )
    case = Case(net)
    case.send("o1", "order", number=5)
    case.end(case.performs[0])
    case.send("e1", "off")
    undoing = case.performs[1]
    assert undoing.event is not None
    assert (undoing.event.data, undoing.event_id) == ({"number": 5}, "o1")


def test_only_the_named_tasks_are_undone() -> None:
    case = booked(trip("another"))
    case.send("e1", "off")
    assert marking(case.state) == {"off": 1}
    assert len(case.state.undoable) == 2
    assert "there is nothing to undo" in case.trace[-1].notes


def test_what_was_not_done_is_not_undone() -> None:
    case = Case(trip())
    case.end(case.performs[0], Ending.FAILED)
    case.end(case.performs[1], Ending.UNKNOWN)
    case.send("e1", "off")
    assert marking(case.state) == {"off": 1}
    assert len(case.performs) == 2


def test_an_undoing_that_fails_is_told_and_the_next_goes_on() -> None:
    case = booked(trip())
    case.send("e1", "off")
    case.end(case.performs[-1], Ending.FAILED, reason="refused")
    reports = [one for one in case.commands if isinstance(one, ReportUnhandled)]
    assert [one.reason for one in reports] == ["refused"]
    case.end(case.performs[-1])
    case.end(case.performs[-1])
    assert marking(case.state) == {"off": 1}


def test_an_undoing_may_set_data_and_run_a_sub_case() -> None:
    undo = (setting("paid", False), Planned(Subcase("refund"), blocking=True))
    net = drawn(
        [
            task("pay", "start", "paid", actions=(setting("paid", True, undo=undo),)),
            on("off", "call off", "paid", "off", actions=(Planned(Compensate()),)),
        ],
        fields=("paid",),
        max_depth=2,
    )
    case = Case(net)
    assert case.state.data["paid"] is True
    case.send("e1", "off")
    assert case.state.data["paid"] is False
    (told,) = outlook(case.net, case.state)
    assert told["doing"] == "undoing: run refund"
    case.end(case.performs[-1], status="closed")
    assert marking(case.state) == {"off": 1}


def test_an_action_beside_the_case_can_be_undone_once_it_is_done() -> None:
    book = task("book", "start", "booked", actions=(replace(BOOK[0], blocking=False),))
    off = on("off", "call off", "booked", "off", actions=(Planned(Compensate()),))
    case = Case(drawn([book, off]))
    case.end(case.performs[0])
    case.send("e1", "off")
    assert case.asked == ["reply flight", "reply no flight"]


def test_what_is_undone_knows_the_thread_in_which_it_was_done() -> None:
    beside = Planned(Reply("thanks"), undo=(Planned(Reply("no")), setting("k", "thread.number")))
    net = drawn(
        [
            Task("split", (Arc("start"),), (Branch("p", 2),)),
            task("do", "p", "q", actions=(beside,)),
            Task("merge", (Arc("q", 2),), (Branch("r"),)),
            on("off", "call off", "r", "off", actions=(Planned(Compensate()),)),
        ],
        fields=("k",),
    )
    case = Case(net)
    for one in case.performs[:]:
        case.end(one)
    case.send("e1", "off")
    case.end(case.performs[-1])
    assert case.state.data["k"] == 2
    case.end(case.performs[-1])
    assert (case.state.data["k"], case.state.threads) == (1, {})


def test_undoing_without_end_in_one_step_parks_the_case() -> None:
    many = (setting("k", 1, undo=(setting("k", 0),) * 50),) * 50
    net = drawn(
        [
            task("do", "start", "p", actions=many),
            on("again", "once more", "p", "start"),
            on("off", "call off", "p", "off", actions=(Planned(Compensate()),)),
        ],
        fields=("k",),
    )
    case = Case(net)
    for number in range(4):
        case.send(f"a{number}", "again")
    case.send("e1", "off")
    assert case.state.status is CaseStatus.PARKED
    assert len(case.state.undoable) == 250


def test_a_failure_can_lead_to_the_undoing_of_what_was_done_before() -> None:
    net = drawn(
        [
            task("book", "start", "booked", actions=BOOK, error_outputs=(Branch("wrong"),)),
            task("repair", "wrong", "off", actions=(Planned(Compensate()),)),
        ]
    )
    case = Case(net)
    case.end(case.performs[0])
    case.end(case.performs[1], Ending.FAILED)
    assert case.asked[-1] == "reply no flight"
    case.end(case.performs[-1])
    assert marking(case.state) == {"off": 1}


def test_what_a_cancelled_undoing_had_left_can_be_undone_later() -> None:
    compensate = (Planned(Compensate()),)
    net = drawn(
        [
            task("book", "start", "booked", actions=BOOK),
            task("split", "booked", "one two three"),
            on("off", "call off", "one", "off", actions=compensate),
            on("stop", "stop it", "two", "stopped", cancel_tasks=("call off",)),
            on("off", "off again", "three", "off", actions=compensate),
        ]
    )
    case = booked(net)
    case.send("e1", "off")
    case.send("e2", "stop")
    case.send("e3", "off")
    assert case.asked[-2:] == ["reply no hotel", "reply no flight"]


def test_what_is_undone_is_in_the_trace() -> None:
    case = booked(trip())
    case.send("e1", "off")
    (undoing,) = case.traced(TraceKind.UNDOING)
    assert (undoing.task, undoing.did) == ("book", ["reply no hotel"])


def test_a_value_that_was_refused_is_not_undone() -> None:
    sets = setting("k", "event.none", undo=(setting("k", 7),))
    off = on("off", "call off", "booked", "off", actions=(Planned(Compensate()),))
    case = Case(drawn([on("do", "go", "start", "booked", actions=(sets,)), off], fields=("k",)))
    case.send("e1", "go")
    assert case.state.undoable == ()
    case.send("e2", "off")
    assert "k" not in case.state.data


def test_what_has_not_ended_beside_the_case_is_undone_by_what_compensates_later() -> None:
    book = task("book", "start", "booked", actions=(replace(BOOK[0], blocking=False),))
    off = on("off", "call off", "booked", "booked", actions=(Planned(Compensate()),))
    case = Case(drawn([book, off]))
    case.send("e1", "off")
    assert case.asked == ["reply flight"]
    (fired,) = [entry for entry in case.traced(TraceKind.FIRED) if entry.task == "call off"]
    assert fired.notes[0] == "reply flight has not ended: not undone, and can be once it has"
    case.end(case.performs[0])
    case.send("e2", "off")
    assert case.asked == ["reply flight", "reply no flight"]
