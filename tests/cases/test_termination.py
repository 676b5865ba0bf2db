"""How a case ends: in a final place, when nothing is left, or stopped where it can't go on."""

from cases.actions import Classify, Planned
from cases.net import Place, make_net
from cases.outlook.outlook import marking
from cases.state import CaseStatus
from tests.cases.driving import Case
from tests.cases.nets import automatic, net, on


def test_a_token_in_a_final_place_ends_the_case_whatever_else_there_is() -> None:
    case = Case(net("aABz", automatic("a", "AB"), on("go", "A", "z"), on("x", "B", "z"), final="z"))
    case.send("e1", "go")
    assert (case.state.status, marking(case.state)) == (CaseStatus.CLOSED, {"B": 1, "z": 1})


def test_a_net_that_ends_when_empty_waits_for_every_branch() -> None:
    both = net(
        "aABCD",
        automatic("a", "AB"),
        on("left", "A", "C"),
        on("right", "B", "D"),
        ends_when_empty=True,
    )
    case = Case(both)
    case.send("e1", "left")
    assert marking(case.state) == {"B": 1, "C": 1}
    assert case.commands == []
    case.send("e2", "right")
    assert (case.state.status, case.state.reason) == (CaseStatus.CLOSED, "nothing is left to do")


def test_a_net_that_ends_when_empty_waits_for_what_runs() -> None:
    slow = automatic("a", "z", actions=(Planned(Classify(), blocking=True),))
    case = Case(net("az", slow, ends_when_empty=True))
    assert case.state.running
    case.end(case.performs[0], label="x")
    assert case.state.status is CaseStatus.CLOSED


def test_a_net_that_wants_a_final_place_is_parked_when_it_has_run_empty() -> None:
    lost = net("ab", on("go", "a", ""))
    case = Case(lost)
    case.send("e1", "go")
    assert case.state.status is CaseStatus.PARKED
    assert "no token is left" in str(case.state.reason)


def test_an_empty_net_ends_at_once() -> None:
    case = Case(make_net([Place("end", "end", final=True)], [], "end"))
    assert (case.state.status, case.state.firings) == (CaseStatus.CLOSED, 0)


def test_a_task_without_outputs_ends_a_net_that_ends_when_empty() -> None:
    done = automatic("a", "")
    case = Case(net("a", done, ends_when_empty=True))
    assert case.state.status is CaseStatus.CLOSED
