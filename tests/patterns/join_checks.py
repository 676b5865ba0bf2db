"""What splits and joins do (WCP-6 to 9, 28 to 33, 37, 38, 41, 42)."""

from itertools import permutations, product

from tests.patterns.running import begin, counts
from tests.patterns.showing import shows


@shows(6, "every branch is taken whose condition holds")
def _multi_choice() -> None:
    senders = ("send_ambulance", "send_firefighters", "send_police")
    for injured, fire, crime in product((True, False), repeat=3):
        if not (injured or fire or crime):
            continue
        flags = (injured, fire, crime)
        sent = [name for name, flag in zip(senders, flags, strict=True) if flag]
        run = begin(6, injured=injured, fire=fire, crime=crime)
        assert run.started == ["take_call", *sent]
        assert run.closed


@shows(6, "where no condition holds the last branch is taken")
def _multi_choice_default() -> None:
    run = begin(6, injured=False, fire=False, crime=False)
    assert run.started == ["take_call", "send_police"]


@shows(7, "the branches that were taken are all waited for, in any order")
def _structured_merge() -> None:
    for order in permutations(["flight_booked", "hotel_booked", "car_booked"]):
        run = begin(7, flight=True, hotel=True, car=True)
        assert counts(run, "pay", order) == [0, 0, 1]
        assert run.closed


@shows(7, "a branch that was not taken is not waited for")
def _structured_merge_of_some() -> None:
    pair = begin(7, flight=True, hotel=True, car=False)
    assert counts(pair, "pay", ["hotel_booked", "flight_booked"]) == [0, 1]
    assert counts(begin(7, flight=False, hotel=False, car=True), "pay", ["car_booked"]) == [1]


@shows(8, "what follows runs once for each branch, without waiting")
def _multi_merge() -> None:
    run = begin(8)
    assert (run.times("check"), run.running) == (0, ["print_cover", "print_pages"])
    assert counts(run, "check", ["pages_printed", "cover_printed"]) == [1, 2]
    assert run.closed
    assert run.marking == {"checked": 2}


@shows(9, "the first branch goes on, and the other ends without effect")
def _structured_discriminator() -> None:
    for first, second in permutations(["guard", "camera"]):
        run = begin(9).tell(f"{first}_answered")
        assert run.times("respond") == 1
        assert f"ask_{second}" in run.running  # not withdrawn (WCP-29)
        run.tell("responded")
        assert not run.closed
        run.tell(f"{second}_answered")
        assert run.times("respond") == 1
        assert run.marking == {"secured": 1}
        assert run.closed


@shows(9, "the second branch has no effect while what follows still runs")
def _structured_discriminator_early() -> None:
    run = begin(9).tell_all("guard_answered", "camera_answered")
    assert (run.times("respond"), run.running) == (1, ["respond"])
    assert run.tell("responded").closed


@shows(28, "a second token of one branch waits until the round is over")
def _blocking_discriminator() -> None:
    run = begin(28)
    assert counts(run, "check", ["left_came", "left_came"]) == [1, 1]
    assert run.marking == {"lefts": 1, "checked": 1}  # it is blocked, not lost
    assert counts(run, "check", ["right_came"]) == [2]
    assert counts(run, "check", ["right_came"]) == [2]
    assert run.marking == {"checked": 2}
    assert run.closed


@shows(28, "a round in which all have come is over, and the next token begins another")
def _blocking_discriminator_resets() -> None:
    run = begin(28)
    events = ["left_came", "right_came", "right_came", "left_came"]
    assert counts(run, "check", events) == [1, 1, 2, 2]
    assert run.closed


@shows(29, "the first branch goes on, and the other is withdrawn with it")
def _cancelling_discriminator() -> None:
    for first, second in permutations(["archive", "cellar"]):
        run = begin(29).tell(f"{first}_searched")
        assert (run.times("report"), run.running) == (1, ["write"])
        run.tell(f"{second}_searched")
        assert (run.times("report"), run.kept) == (1, [f"{second}_searched"])
        assert run.tell("written").closed


@shows(30, "so many branches go on once, and the others end without effect")
def _structured_partial_join() -> None:
    for order in permutations(["first", "second", "third"]):
        run = begin(30)
        assert counts(run, "decide", [f"{name}_answered" for name in order[:2]]) == [0, 1]
        assert run.running == sorted(["decide", f"{order[2]}_expert"])  # not withdrawn (WCP-32)
        run.tell("decided")
        assert not run.closed
        run.tell(f"{order[2]}_answered")
        assert run.times("decide") == 1
        assert run.closed
        assert run.marking == {"settled": 1}


@shows(31, "enough tokens for a second round wait until the first is over")
def _blocking_partial_join() -> None:
    run = begin(31)
    assert run.running == ["left", "middle", "right"]
    events = ["left_came", "left_came", "middle_came", "middle_came"]
    assert counts(run, "check", events) == [0, 0, 1, 1]
    assert run.marking == {"lefts": 1, "middles": 1, "checked": 1}
    assert counts(run, "check", ["right_came"]) == [2]
    assert run.marking == {"checked": 2}
    assert run.closed


@shows(31, "two tokens of one branch are not two branches")
def _blocking_partial_join_counts_branches() -> None:
    run = begin(31).tell_all("left_came", "left_came")
    assert (run.times("check"), run.marking) == (0, {"lefts": 2})


@shows(32, "so many branches go on, and the others are withdrawn with them")
def _cancelling_partial_join() -> None:
    for order in permutations(["first", "second", "third"]):
        run = begin(32)
        assert counts(run, "decide", [f"{name}_answered" for name in order]) == [0, 1, 1]
        assert run.running == ["write"]
        assert run.kept == [f"{order[2]}_answered"]
        assert run.tell("written").closed


@shows(33, "each pair is used once, and what is left over is kept for the next")
def _generalised_and_join() -> None:
    run = begin(33)
    assert run.running == ["frame", "wheel"]
    assert counts(run, "assemble", ["frame_made", "frame_made"]) == [0, 0]
    assert (run.marking, run.running) == ({"frames": 2}, ["wheel"])
    assert counts(run, "assemble", ["wheel_made"]) == [1]
    assert run.marking == {"frames": 1, "assembled": 1}
    assert counts(run, "assemble", ["wheel_made"]) == [2]
    assert run.marking == {"assembled": 2}
    assert run.closed


@shows(37, "a branch that has left on another way is not waited for any more")
def _local_merge() -> None:
    run = begin(37).tell("stock_checked")
    assert run.times("offer") == 0  # the other one can still come
    run.tell("credit_checked", good=False)
    assert run.times("offer") == 1
    assert run.marking == {"refused": 1, "offered": 1}
    assert run.closed
    other = begin(37).tell("credit_checked", good=False)
    assert other.times("offer") == 0
    assert other.tell("stock_checked").times("offer") == 1


@shows(37, "branches that both come are merged into one")
def _local_merge_of_both() -> None:
    run = begin(37).tell("credit_checked", good=True)
    assert run.times("offer") == 0
    assert run.tell("stock_checked").times("offer") == 1
    assert run.marking == {"offered": 1}
    assert run.closed


@shows(38, "a branch that goes round in a loop is waited for until it comes")
def _general_merge() -> None:
    run = begin(38).tell("designed")
    for _ in range(3):
        assert run.tell("drafted", again=True).times("review") == 0
    assert run.tell("drafted", again=False).times("review") == 1


@shows(38, "the merge stands in a loop itself, and is ready again in its next round")
def _general_merge_again() -> None:
    run = begin(38).tell("drafted", again=False)
    assert run.times("review") == 0
    assert run.tell("designed").times("review") == 1
    run.tell("reviewed", again=True)
    assert run.running == ["design", "draft"]
    assert run.tell("designed").times("review") == 1
    assert run.tell("drafted", again=False).times("review") == 2
    assert run.tell("reviewed", again=False).closed


@shows(38, "a branch that was not taken is not waited for, in no round")
def _general_merge_of_some() -> None:
    run = begin(38, illustrated=False)
    for round_ in (1, 2):
        assert run.running == ["draft"]
        assert run.tell("drafted", again=True).times("review") == round_ - 1
        assert run.tell("drafted", again=False).times("review") == round_
        run.tell("reviewed", again=round_ == 1)
    assert run.closed


@shows(41, "threads wait for each other, and one goes on")
def _thread_merge() -> None:
    run = begin(41)
    assert run.running == ["make"] * 3
    assert counts(run, "assemble", ["made", "made", "made"]) == [0, 0, 1]
    assert run.closed
    assert run.marking == {"done": 1}
    assert run.state.threads == {}


@shows(42, "each thread goes on by itself, with its own item")
def _thread_split() -> None:
    run = begin(42, members=["chair", "clerk", "guest"])
    assert run.running == ["vote"] * 3
    assert [thread.data["item"] for thread in run.state.threads.values()] == [
        "chair",
        "clerk",
        "guest",
    ]
    assert run.tell("voted", by="guest").times("thank") == 1
    assert run.tell("voted", by="guest").times("thank") == 1  # that one has voted
    assert run.kept == ["voted"]
    assert run.tell("voted", by="chair").times("thank") == 2
    assert not run.closed
    assert run.tell("voted", by="clerk").times("thank") == 3
    assert run.closed


@shows(42, "there are as many threads as the data says")
def _thread_split_by_data() -> None:
    assert begin(42, members=["chair"]).running == ["vote"]
    assert begin(42, members=["a", "b", "c", "d"]).running == ["vote"] * 4
