"""What choices, orders, triggers and cancellations do (WCP-16 to 20, 23 to 25, 39, 40)."""

from itertools import permutations

from tests.patterns.running import begin, counts
from tests.patterns.showing import shows


@shows(16, "what comes first takes the token, and the other way is closed")
def _deferred_choice() -> None:
    run = begin(16)
    assert (run.running, run.marking) == ([], {"offered": 1})  # nothing has been chosen
    run.tell_all("declined", "accepted")
    assert (run.running, run.kept) == (["file"], ["accepted"])
    assert (run.times("accept"), run.times("produce")) == (0, 0)
    assert run.tell("filed").closed
    assert begin(16).tell("accepted").running == ["produce"]


@shows(17, "one task runs at a time, and the next begins when it has ended")
def _interleaved_parallel() -> None:
    run = begin(17).tell_all("written_begun", "practical_begun")
    assert (run.running, run.kept) == (["written"], ["practical_begun"])
    run.tell("written_ended")
    assert (run.running, run.kept) == (["practical"], [])
    run.tell("oral_begun")
    assert run.running == ["practical"]
    assert run.tell("practical_ended").running == ["oral"]
    assert run.tell("oral_ended").times("certify") == 1
    assert run.closed


@shows(17, "the order that is given holds, and all else may come in between")
def _interleaved_parallel_order() -> None:
    assert begin(17).tell("oral_begun").running == []
    exams = ("written_begun", "written_ended", "oral_begun", "oral_ended")
    assert begin(17).tell_all(*exams).times("certify") == 0
    between = begin(17).tell_all("written_begun", "written_ended", "practical_begun")
    assert between.running == ["practical"]  # not a critical section (WCP-39)
    before = begin(17).tell_all("practical_begun", "practical_ended", "written_begun")
    assert before.running == ["written"]


@shows(18, "the task can start as often as wanted while the milestone stands, and not after it")
def _milestone() -> None:
    run = begin(18)
    assert counts(run, "take_bid", ["bid", "bid"]) == [1, 2]
    assert run.marking == {"accepting": 1, "desk": 1}  # it was read, not taken
    run.tell("term_ended")
    assert run.tell("bid").times("take_bid") == 2
    assert run.kept == ["bid"]
    assert run.tell("awarded").closed


@shows(18, "what ends the milestone does not wait for the task")
def _milestone_ends() -> None:
    run = begin(18).tell("awarded")
    assert (run.times("award"), run.kept) == (0, ["awarded"])
    assert run.tell("term_ended").times("award") == 1
    assert run.closed
    assert begin(18).tell("term_ended").marking == {"over": 1, "desk": 1}


@shows(19, "a task that runs is withdrawn, and its end is not heard any more")
def _cancel_task() -> None:
    run = begin(19).tell_all("planned", "started")
    assert run.running == ["produce"]
    run.tell_all("withdrawn", "produced")
    assert (run.running, run.kept) == (["refund"], ["produced"])
    assert run.tell("refunded").closed
    assert run.started == ["order", "plan", "produce", "withdraw", "refund"]


@shows(19, "a task that has not started does not start any more")
def _cancel_task_before() -> None:
    run = begin(19).tell_all("planned", "withdrawn", "started")
    assert (run.times("produce"), run.kept) == (0, ["started"])
    assert (run.running, run.marking) == (["refund"], {})
    early = begin(19).tell("withdrawn")
    assert (early.running, early.marking) == (["refund"], {})


@shows(19, "a task that has ended can't be withdrawn any more")
def _cancel_task_too_late() -> None:
    run = begin(19).tell_all("planned", "started", "produced", "withdrawn")
    assert (run.times("withdraw"), run.closed) == (0, True)


@shows(20, "nothing of the case goes on")
def _cancel_case() -> None:
    run = begin(20).tell("billed")
    assert run.running == ["produce"]
    run.tell("aborted")
    assert (run.closed, run.running) == (True, [])
    assert run.state.reason == "the order was withdrawn"
    before = run.started
    assert run.tell_all("produced", "shipped").started == before
    assert run.times("ship") == 0


@shows(20, "without that the case comes to its own end")
def _cancel_case_not() -> None:
    run = begin(20)
    assert run.running == ["bill", "produce"]
    assert counts(run, "ship", ["produced", "billed"]) == [0, 1]
    assert not run.closed
    assert run.tell("shipped").closed


@shows(23, "an event that comes too early is lost, and one in time is taken")
def _transient_trigger() -> None:
    run = begin(23).tell("pushed")
    assert run.kept == []
    assert run.tell("hot").times("bake") == 0
    assert run.tell("pushed").times("bake") == 1
    assert run.closed


@shows(24, "an event that comes too early is kept and taken")
def _persistent_trigger() -> None:
    run = begin(24).tell("pushed")
    assert (run.kept, run.times("bake")) == (["pushed"], 0)
    assert run.tell("hot").times("bake") == 1
    assert (run.kept, run.closed) == ([], True)


@shows(25, "running tasks and resting tokens of the region are gone, all else goes on")
def _cancel_region() -> None:
    run = begin(25).tell("assessed")
    assert (run.marking, run.running) == ({"assessed": 1, "open": 1}, ["inform", "inspect"])
    run.tell("withdrawn")
    assert (run.marking, run.running) == ({"decided": 1}, ["inform"])
    assert run.tell("inspected").times("settle") == 0
    assert run.tell("informed").closed
    assert run.times("settle") == 0


@shows(25, "wherever the region stands, nothing is left of it")
def _cancel_region_anywhere() -> None:
    for before in ([], ["assessed"], ["inspected"]):
        run = begin(25).tell_all(*before, "withdrawn")
        assert (run.marking, run.running) == ({"decided": 1}, ["inform"])
    informed = begin(25).tell("informed")
    assert (informed.times("archive"), informed.running) == (0, ["assess", "inspect"])
    assert informed.tell("withdrawn").closed


@shows(25, "without a cancellation the region comes to its own end")
def _cancel_region_not() -> None:
    run = begin(25).tell_all("assessed", "inspected")
    assert (run.times("settle"), run.marking) == (1, {"decided": 1})
    assert run.tell("withdrawn").times("withdraw") == 0
    assert run.tell("informed").closed


@shows(39, "a section that has begun keeps the others out until its end, also between its tasks")
def _critical_section() -> None:
    run = begin(39).tell_all("till_opened", "safe_opened")
    assert (run.started, run.kept) == (["begin", "open_till"], ["safe_opened"])
    run.tell("till_shut")
    assert (run.times("open_safe"), run.kept, run.closed) == (1, [], False)
    assert run.tell("safe_shut").closed
    other = begin(39).tell_all("safe_opened", "till_opened")
    assert (other.times("open_till"), other.kept) == (0, ["till_opened"])
    other.tell("safe_shut")
    assert (other.times("open_till"), other.closed) == (1, False)
    assert other.tell("till_shut").closed


@shows(40, "each task is done once, in any order, one at a time")
def _interleaved_routing() -> None:
    tasks = {
        "take_blood": ("blood_begun", "blood_taken"),
        "x_ray": ("x_ray_begun", "x_rayed"),
        "weigh": ("weighing_begun", "weighed"),
    }
    for order in permutations(tasks):
        run = begin(40)
        run.tell_all(*(tasks[name][0] for name in order))
        for name in order:
            assert run.running == [name]
            run.tell(tasks[name][1])
        assert run.started == ["admit", *order, "discharge"]
        assert run.closed


@shows(40, "a task that was done is not done again")
def _interleaved_routing_once() -> None:
    run = begin(40).tell_all("blood_begun", "blood_taken", "blood_begun")
    assert (run.running, run.kept) == ([], ["blood_begun"])
