"""A parked case that a person lets go on: it hears what it has missed, and may be parked again."""

import pytest

from cases.actions import Planned, Reply
from cases.engine import resume, start, step
from cases.errors import IllegalEvent
from cases.events import Event
from cases.net import Arc, Branch, Instances, Net, Place, Rest, Task, Trigger, make_net
from cases.state import CaseState, CaseStatus
from cases.trace import TraceKind
from tests.cases.driving import NOON, Case, net_from, reloaded

ASKS = (Planned(Reply("thanks"), True),)


class Parkable(Case):
    """A case that can be parked from outside, as a fault does it, and resumed."""

    def park(self) -> None:
        """Park the case as it is."""
        state = _with(self.state, CaseStatus.PARKED)
        self.last = type(self.last)(state, (), (), ())

    def resume(self) -> None:
        """Let it go on, through JSON."""
        self.last = self._note(resume(self.net, reloaded(self.net, self.state), self.now))


def _with(state: CaseState, status: CaseStatus) -> CaseState:
    return CaseState(
        **{name: getattr(state, name) for name in state.__slots__}
        | {"status": status, "reason": "a fault"}
    )


def _net(*tasks: Task, places: str = "az") -> Net:
    made = [Place(one, one, final=one == "z") for one in places]
    return make_net(made, list(tasks), places[0])


def _on(event: str, *outputs: str, source: str = "a", actions: tuple[Planned, ...] = ()) -> Task:
    return Task(
        f"on {event}",
        (Arc(source),),
        tuple(map(Branch, outputs)),
        trigger=Trigger.EVENT,
        event_type=event,
        actions=actions,
    )


def test_an_event_that_came_while_a_case_was_parked_is_taken_when_it_goes_on() -> None:
    case = Parkable(_net(_on("go", "z")))
    case.park()
    case.send("e1", "go")
    assert (case.at, case.last.waiting) == ("a", ("e1",))
    case.resume()
    assert (case.state.status, case.at, case.consumed) == (CaseStatus.CLOSED, "z", ["e1"])


def test_what_can_not_go_on_is_parked_again_with_its_reason() -> None:
    case = Parkable(_net(Task("turn", (Arc("a"),), (Branch("a"),))))
    assert case.state.status is CaseStatus.PARKED
    before = case.state
    case.resume()
    assert "goes round in a loop" in (case.state.reason or "")
    assert case.state == before
    assert [entry.kind for entry in case.last.trace] == [TraceKind.PARKED]


def test_a_case_without_a_token_is_parked_again() -> None:
    case = Parkable(_net(_on("go")))
    case.send("e1", "go")
    assert case.state.status is CaseStatus.PARKED
    case.resume()
    assert "no token is left" in (case.state.reason or "")


def test_the_end_of_an_action_waits_until_the_case_goes_on() -> None:
    again = (*ASKS, Planned(Reply("sorry"), True))
    case = Parkable(_net(_on("go", "z", actions=again)))
    case.send("e1", "go")
    case.park()
    case.end(case.performs[-1])
    assert case.asked == ["reply thanks"]
    assert case.last.trace[0].notes == ["action 0 ended: done; kept until the case is resumed"]
    case.resume()
    assert case.asked == ["reply thanks", "reply sorry"]
    case.end(case.performs[-1])
    assert case.state.status is CaseStatus.CLOSED


def test_instances_that_end_while_the_case_is_parked_are_counted_when_it_goes_on() -> None:
    work = Task(
        "work",
        (Arc("a"),),
        (Branch("z"),),
        actions=ASKS,
        instances=Instances(count=3, window=1, rest=Rest.WAIT),
    )
    case = Parkable(_net(work))
    case.park()
    case.end(case.performs[-1])
    assert len(case.performs) == 1
    case.resume()
    case.end(case.performs[-1])
    case.end(case.performs[-1])
    assert (case.state.status, len(case.performs)) == (CaseStatus.CLOSED, 3)


def test_the_end_of_an_action_that_leads_into_a_loop_again_is_kept_again() -> None:
    case = Parkable(_net(_on("go", "b", actions=ASKS), places="abz"))
    case.send("e1", "go")
    case.park()
    case.end(case.performs[-1])
    case.net = _net(
        _on("go", "b", actions=ASKS), Task("turn", (Arc("b"),), (Branch("b"),)), places="abz"
    )
    unheard = case.state.unheard
    case.resume()
    assert (case.state.status, case.state.unheard) == (CaseStatus.PARKED, unheard)


def test_a_deadline_that_was_due_while_the_case_was_parked_fires_when_it_goes_on() -> None:
    late = {"deadlines": [{"after": "1 hour", "to": "over"}]}
    case = Parkable(net_from({"open": late, "over": {"final": True}}))
    case.park()
    case.wait(hours=2)
    assert case.at == "open"
    case.resume()
    case.wait()
    assert case.at == "over"


def test_a_case_that_was_given_a_token_in_its_end_while_it_was_parked_ends() -> None:
    old = start(_net(_on("go", "z", actions=ASKS)), {}, NOON, core_version=2)
    case = Parkable(_net(_on("go", "z", actions=ASKS)))
    case.last = old
    case.send("e1", "go")
    case.park()
    case.end(case.performs[-1])
    assert (case.at, case.state.status) == ("z", CaseStatus.PARKED)
    case.resume()
    assert case.state.status is CaseStatus.CLOSED


def test_only_a_parked_case_goes_on() -> None:
    net = _net(_on("go", "z"))
    with pytest.raises(IllegalEvent):
        resume(net, start(net, {}, NOON).state, NOON)


def test_a_case_that_holds_as_many_events_as_it_may_goes_on_where_something_takes_them() -> None:
    net = _net(_on("go", "a"), _on("end", "z"))
    case = Parkable(net)
    case.park()
    for number in range(300):
        case.last = step(net, case.state, Event(f"e{number}", "go", NOON), NOON)
    case.resume()
    assert (case.state.status, case.last.waiting) == (CaseStatus.OPEN, ())
    assert len(case.consumed) == 300
