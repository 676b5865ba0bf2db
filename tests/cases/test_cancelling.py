"""What happens to running tasks that are cancelled, and to those that are taken as done."""

from cases.actions import Planned, Subcase, Withdraw
from cases.net import Instances, Listening, Net, Rest, Task
from cases.outlook.outlook import marking
from cases.state import CaseStatus
from cases.trace import TraceKind
from tests.cases.drawn import drawn, holding, on, task
from tests.cases.driving import Case

RUN = Planned(Subcase("check"), blocking=True)


def beside(work: Task, *others: Task, final: str = "end") -> Net:
    """Return a net that runs a task beside a place from which others start."""
    return drawn([task("split", "start", "one two"), work, *others], final=final, max_depth=3)


def test_a_cancelled_task_gives_up_its_token_and_the_late_end_is_ignored() -> None:
    net = beside(
        task("work", "one", "done", actions=(holding("q"),)),
        on("stop", "stop it", "two", "stopped", cancel_tasks=("work",)),
    )
    case = Case(net)
    case.send("e1", "stop")
    assert marking(case.state) == {"stopped": 1}
    assert not case.state.running
    case.end(case.performs[0])
    assert marking(case.state) == {"stopped": 1}
    assert case.trace[-1].kind is TraceKind.IGNORED


def test_a_cancelled_task_withdraws_its_sub_case() -> None:
    net = beside(
        task("work", "one", "done", actions=(RUN,)),
        on("stop", "stop it", "two", "stopped", cancel_tasks=("work",)),
    )
    case = Case(net)
    case.send("e1", "stop")
    key = case.performs[0].firing, case.performs[0].index
    assert case.commands[-1] == Withdraw(*key)


def test_cancelling_a_task_cancels_all_its_instances() -> None:
    net = beside(
        task("work", "one", "done", actions=(RUN,), instances=Instances(count=3, window=2)),
        on("stop", "stop it", "two", "stopped", cancel_tasks=("work",)),
    )
    case = Case(net)
    case.send("e1", "stop")
    assert not case.state.running
    assert len([one for one in case.commands if isinstance(one, Withdraw)]) == 2


def test_a_threshold_that_cancels_withdraws_the_sub_cases_of_the_rest() -> None:
    instances = Instances(count=3, threshold=1, rest=Rest.CANCEL, window=9)
    case = Case(
        drawn([task("work", "start", "after", actions=(RUN,), instances=instances)], max_depth=1)
    )
    case.end(case.performs[1], status="closed")
    withdrawn = [one.firing for one in case.commands if isinstance(one, Withdraw)]
    assert withdrawn == [case.performs[0].firing, case.performs[2].firing]


def test_the_end_of_the_case_withdraws_what_runs() -> None:
    net = beside(
        task("work", "one", "done", actions=(RUN,)),
        on("stop", "stop it", "two", "end"),
    )
    case = Case(net)
    case.send("e1", "stop")
    assert case.state.status is CaseStatus.CLOSED
    assert [type(one).__name__ for one in case.commands] == ["Perform", "Withdraw", "Close"]


def test_a_task_may_be_taken_as_done_with_all_its_instances() -> None:
    instances = Instances(count=5, window=2)
    net = beside(
        task("work", "one", "done", until=Listening("answer"), instances=instances),
        on("enough", "enough", "two", "after", complete_tasks=("work",)),
    )
    case = Case(net)
    case.send("e1", "answer")
    case.send("e2", "enough")
    assert marking(case.state) == {"after": 1, "done": 1}
    assert not case.state.running
    assert "taken as done by enough" in case.trace[-1].notes


def test_what_is_taken_as_done_does_not_fill_its_outputs_twice() -> None:
    instances = Instances(count=3, threshold=1, window=9)
    net = beside(
        task("work", "one", "done", until=Listening("answer"), instances=instances),
        on("enough", "enough", "two", "after", complete_tasks=("work",)),
    )
    case = Case(net)
    case.send("e1", "answer")
    assert marking(case.state) == {"two": 1, "done": 1}
    case.send("e2", "enough")
    assert marking(case.state) == {"after": 1, "done": 1}
    assert not case.state.running


def test_a_long_chain_of_tasks_that_complete_each_other_ends() -> None:
    places = " ".join(f"p{number}" for number in range(600))
    chain = [
        task(
            f"t{number}",
            f"p{number}",
            f"q{number}",
            until=Listening(f"e{number}"),
            complete_tasks=(f"t{number + 1}",),
        )
        for number in range(599)
    ]
    last = task("t599", "p599", "q599", until=Listening("e599"))
    case = Case(drawn([task("split", "start", places), *chain, last]))
    case.send("go", "e0")
    assert not case.state.running
    assert len(marking(case.state)) == 600
