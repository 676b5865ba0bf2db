"""What the basic patterns do (WCP-1 to 5), loops (10, 21, 22), and the ends of cases (11, 43)."""

from itertools import permutations

from cases.actions import Close
from tests.patterns.running import Data, begin, counts, play
from tests.patterns.showing import shows


@shows(1, "the second task waits for the end of the first")
def _sequence() -> None:
    run = begin(1)
    assert run.running == ["pack"]
    run.tell("packed")
    assert run.running == ["ship"]
    assert not run.closed
    run.tell("shipped")
    assert run.started == ["pack", "ship"]
    assert run.closed


@shows(1, "what comes for the second task during the first is kept for it")
def _sequence_keeps() -> None:
    run = begin(1).tell("shipped")
    assert (run.running, run.kept) == (["pack"], ["shipped"])
    run.tell("packed")
    assert run.closed
    assert run.kept == []


@shows(2, "both branches run at the same time, and end in any order")
def _parallel_split() -> None:
    for order in permutations(["packed", "billed"]):
        run = begin(2)
        assert run.running == ["bill", "pack"]
        run.tell(order[0])
        assert len(run.running) == 1
        assert not run.closed
        run.tell(order[1])
        assert run.closed
        assert run.marking == {"ready": 1, "charged": 1}


@shows(3, "the task after the branches starts once, when both have come")
def _synchronization() -> None:
    for order in permutations(["packed", "billed"]):
        run = begin(3)
        assert counts(run, "ship", order) == [0, 1]
        assert run.closed


@shows(4, "one branch is taken, the first that may be, though several could")
def _exclusive_choice() -> None:
    for amount, boss in ((1500, "ask_director"), (500, "ask_manager")):
        run = begin(4, amount=amount)
        assert (run.started, run.running) == (["assess", boss], [boss])
        assert run.tell("approved").closed
    small = begin(4, amount=50)
    assert (small.started, small.closed) == (["assess", "pay"], True)


@shows(5, "the task after the branches starts with the one that was taken")
def _simple_merge() -> None:
    for channel, branch in (("phone", "listen"), ("letter", "scan")):
        run = begin(5, channel=channel)
        assert run.started == ["receive", branch, "register"]
        assert run.closed


@shows(10, "two loops share a part, each with a way out of its own")
def _arbitrary_cycles() -> None:
    run = begin(10).tell_all("written", "reviewed")
    assert run.marking == {"verdict": 1}
    assert run.tell("corrected").marking == {"draft": 1}  # the inner loop
    assert run.tell("reviewed").tell("begun_anew").marking == {"idea": 1}  # the outer one
    assert run.tell_all("written", "reviewed", "published").closed
    assert (run.times("write"), run.times("review")) == (2, 3)
    left_early = begin(10).tell_all("written", "reviewed", "corrected", "withdrawn")
    assert left_early.closed


@shows(21, "the task is done again while the condition holds, then what follows, once")
def _structured_loop() -> None:
    run = begin(21)
    for round_ in (1, 2, 3):
        assert (run.running, run.times("call")) == (["call"], round_)
        assert run.times("note") == 0
        run.tell("called", answered=False)
    run.tell("called", answered=True)
    assert run.started == ["call"] * 4 + ["note"]
    assert run.closed


@shows(22, "a net runs itself as often as the data says, and the result comes back all the way")
def _recursion() -> None:
    run = play(22)
    assert run.closed
    assert run.state.data.get("found") == "inner"
    assert run.deepest == 3
    flat = begin(22, folder={"name": "alone"})
    assert (flat.state.data.get("found"), flat.deepest) == ("alone", 1)


@shows(22, "it goes no deeper than the definition allows")
def _recursion_limit() -> None:
    folder: Data = {"name": "innermost"}
    for _ in range(9):
        folder = {"name": "outer", "inside": folder}
    run = begin(22, folder=folder)
    assert run.deepest == run.net.max_depth == 5
    assert run.state.data.get("found") is None


@shows(11, "the case ends with its last branch, not with its first")
def _implicit_termination() -> None:
    run = begin(11)
    assert run.running == ["order_laptop", "prepare_desk"]
    run.tell("desk_ready")
    assert (run.marking, run.closed) == ({"seated": 1}, False)
    run.tell("laptop_ordered")
    assert (run.running, run.closed) == (["install"], False)
    run.tell("laptop_installed")
    assert run.closed
    assert run.marking == {"seated": 1, "equipped": 1}


@shows(11, "it does not matter which branch is the last")
def _implicit_termination_of_any() -> None:
    run = begin(11).tell_all("laptop_ordered", "laptop_installed")
    assert (run.marking, run.closed) == ({"equipped": 1}, False)
    assert run.tell("desk_ready").closed


@shows(43, "the case ends with the first token in a final condition, and drops the rest")
def _explicit_termination() -> None:
    run = begin(43).tell("laptop_ordered")
    assert (run.running, run.closed) == (["install", "prepare_desk"], False)
    run.tell("laptop_installed")
    assert run.closed
    assert run.running == []
    assert [type(command) for command in run.commands] == [Close]
    before = run.started
    assert run.tell("desk_ready").started == before
    assert run.times("prepare_desk") == 1


@shows(43, "a branch that ends elsewhere does not end the case")
def _explicit_termination_elsewhere() -> None:
    run = begin(43).tell("desk_ready")
    assert (run.running, run.closed) == (["order_laptop"], False)
    assert run.tell_all("laptop_ordered", "laptop_installed").closed
