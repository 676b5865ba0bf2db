"""What happens in one branch or thread of a case and does not concern the others."""

from datetime import timedelta
from typing import Any

from cases.actions import Planned, Reply
from cases.events import Ending
from cases.net import Arc, Branch, Instances, Listening, Net, Task
from cases.outlook.outlook import marking
from cases.state import CaseStatus
from tests.cases.drawn import drawn, on, task
from tests.cases.driving import Case

HELD = Planned(Reply("thanks", "a@example.com"), hold=timedelta(minutes=10))
BESIDE = Planned(Reply("thanks", "a@example.com"))


def two_branches(**of_first: Any) -> Net:
    """Return a net whose first branch holds a reply; the second begins later in the same step."""
    first = {"actions": (HELD,), **of_first}
    return drawn(
        [
            task("split", "start", "a b"),
            task("first", "a", "answered", **first),
            task("second", "b", "open"),
            on("on", "move on", "answered", "met"),
            on("go", "other way", "open", "met"),
            task("meet", "", "end", inputs=(Arc("met", 2),)),
        ]
    )


def held(case: Case) -> int:
    """Return how many replies a case holds."""
    return len(case.state.holding)


def test_a_held_reply_stays_when_another_branch_moves() -> None:
    case = Case(two_branches())
    case.send("e1", "go")
    assert held(case) == 1
    case.wait(minutes=10)
    assert case.asked == ["reply thanks to a@example.com"]


def test_a_held_reply_is_withdrawn_when_its_own_branch_moves() -> None:
    case = Case(two_branches())
    case.send("e1", "on")
    assert held(case) == 0


def test_a_held_reply_of_a_running_task_stays_until_that_task_ends() -> None:
    case = Case(two_branches(until=Listening("answer")))
    case.send("e1", "go")
    assert held(case) == 1
    case.send("e2", "answer")
    assert held(case) == 0


def test_only_the_thread_that_moves_loses_its_held_reply() -> None:
    net = drawn(
        [
            Task("split", (Arc("start"),), (Branch("p", 3),)),
            task("answer", "p", "q", actions=(HELD,)),
            on("go", "move on", "q", "end2"),
        ]
    )
    case = Case(net)
    assert held(case) == 3
    case.send("e1", "go")
    assert [one.thread for one in case.state.holding.values()] == [2, 3]


def test_held_replies_of_instances_stay_while_their_group_runs() -> None:
    several = Instances(count=2, window=2)
    case = Case(two_branches(instances=several, until=Listening("answer")))
    case.send("e1", "go")
    case.send("e2", "answer")
    assert held(case) == 2
    case.send("e3", "answer")
    assert held(case) == 0


def test_a_net_that_ends_when_empty_lets_a_held_reply_go_out_first() -> None:
    case = Case(drawn([task("first", "start", "over", actions=(HELD,))], ends_when_empty=True))
    assert held(case) == 1
    case.wait(minutes=10)
    assert case.asked == ["reply thanks to a@example.com"]
    assert case.state.status is CaseStatus.CLOSED


def test_people_hear_of_a_failure_while_another_branch_waits_for_its_event() -> None:
    net = drawn(
        [
            task("split", "start", "a b"),
            task("wait", "a", "waited", until=Listening("answer")),
            task("write", "b", "written", actions=(BESIDE,)),
            on("action_failed", "handle", "waited", "end"),
        ]
    )
    case = Case(net)
    case.end(case.performs[0], Ending.FAILED, reason="no such mailbox")
    assert [type(one).__name__ for one in case.last.commands] == ["ReportUnhandled"]
    assert not case.state.outcomes
    assert marking(case.state) == {"written": 1}
