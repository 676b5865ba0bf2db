"""Locks: one section at a time, freed by whatever leaves or empties it."""

from cases.actions import Classify, Planned
from cases.net import Arc, Branch, Lock, Net, Task
from cases.outlook.outlook import marking
from tests.cases.driving import Case
from tests.cases.nets import automatic, net, on

LOCK = Lock("desk", ((("A->C", "C->E"), ("C",)), (("B->D", "D->F"), ("D",))))


def sections(*more: Task, locks: tuple[Lock, ...] = (LOCK,)) -> Net:
    """Return two branches with a critical section each."""
    return net(
        "aABCDEFz",
        automatic("a", "AB"),
        on("left", "A", "C"),
        on("left out", "C", "E"),
        on("right", "B", "D"),
        on("right out", "D", "F"),
        *more,
        locks=locks,
    )


def test_only_one_section_of_a_lock_is_entered_at_a_time() -> None:
    case = Case(sections())
    case.send("e1", "left")
    assert case.send("e2", "right").waiting == ("e2",)
    case.send("e3", "left out")
    assert marking(case.state) == {"D": 1, "E": 1}


def test_without_the_lock_both_go_on() -> None:
    case = Case(sections(locks=()))
    case.send("e1", "left")
    case.send("e2", "right")
    assert marking(case.state) == {"C": 1, "D": 1}


def test_cancelling_a_section_frees_it() -> None:
    case = Case(sections(on("stop", "B", "B", cancel_places=("C",))))
    case.send("e1", "left")
    case.send("e2", "right")
    case.send("e3", "stop")
    assert marking(case.state) == {"D": 1}


def test_a_running_task_takes_its_section() -> None:
    slow = automatic("A", "C", actions=(Planned(Classify(), blocking=True),))
    lock = Lock("desk", ((("A->C",), ()), (("B->D",), ())))
    case = Case(net("aABCD", automatic("a", "AB"), slow, automatic("B", "D"), locks=(lock,)))
    assert (marking(case.state), len(case.state.running)) == ({"B": 1}, 1)
    case.end(case.performs[0], label="x")
    assert marking(case.state) == {"C": 1, "D": 1}


def test_two_threads_go_through_the_same_section_one_after_the_other() -> None:
    lock = Lock("desk", ((("b->C", "C->z"), ("C",)),))
    split = Task("split", (Arc("a"),), (Branch("b", 2),))
    case = Case(net("abCz", split, automatic("b", "C"), on("go", "C", "z"), locks=(lock,)))
    assert marking(case.state) == {"b": 1, "C": 1}
    case.send("e1", "go")
    assert marking(case.state) == {"C": 1, "z": 1}


def test_an_automatic_task_enters_in_declared_order_when_the_lock_is_free() -> None:
    lock = Lock("desk", ((("b->C",), ("C",)),))
    rival = automatic("b", "y")
    entering = automatic("b", "C")
    case = Case(net("abCyz", automatic("a", "b"), entering, rival, locks=(lock,)))
    assert marking(case.state) == {"C": 1}


def test_a_task_that_needs_two_locks_enters_when_both_are_free() -> None:
    entering, other, third = (("A->C",), ("C",)), (("B->D", "D->F"), ("D",)), (("x->y",), ("y",))
    both = net(
        "aABCDEFxy",
        automatic("a", "ABx"),
        on("left", "A", "C"),
        on("right", "B", "D"),
        on("other", "x", "y"),
        on("right out", "D", "F"),
        on("leave", "y", "E"),
        locks=(Lock("first", (entering, other)), Lock("second", (entering, third))),
    )
    case = Case(both)
    case.send("e1", "right")
    case.send("e2", "other")
    assert case.send("e3", "left").waiting == ("e3",)
    assert case.send("e4", "right out").waiting == ("e3",)
    assert case.send("e5", "leave").waiting == ()
    assert marking(case.state) == {"C": 1, "E": 1, "F": 1}
