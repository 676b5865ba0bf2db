"""What tasks of several instances do (WCP-12 to 15, 26, 27, 34 to 36)."""

from tests.patterns.running import Run, begin, counts
from tests.patterns.showing import shows


@shows(12, "what follows does not wait for the instances, and the case does")
def _without_synchronization() -> None:
    run = begin(12)
    assert (len(run.instances), run.times("book_room")) == (3, 1)
    run.tell_all("answered", "answered")
    assert (len(run.instances), run.closed) == (1, False)
    run.tell("answered")
    assert run.times("book_room") == 1
    assert run.closed


@shows(13, "what follows waits for as many instances as are written")
def _design_time() -> None:
    run = begin(13)
    assert len(run.instances) == 3
    assert counts(run, "file", ["signed", "signed", "signed"]) == [0, 0, 1]
    assert run.closed


def _review(run: Run, by: str) -> int:
    return run.tell("reviewed", by=by, verdict=f"of {by}").times("decide")


@shows(14, "what follows waits for as many instances as the data says")
def _run_time() -> None:
    assert len(begin(14, experts=["law"]).instances) == 1
    run = begin(14, experts=["law", "design", "finance", "press"])
    assert len(run.instances) == 4
    assert [_review(run, by) for by in ("press", "law", "finance", "design")] == [0, 0, 0, 1]
    assert run.closed


@shows(14, "a list without items has no instances, and the case goes on")
def _run_time_none() -> None:
    run = begin(14, experts=[])
    assert (run.instances, run.times("decide"), run.closed) == ([], 1, True)


@shows(14, "each instance takes its own event, and adds its own result")
def _run_time_each_its_own() -> None:
    run = begin(14, experts=["law", "design"])
    _review(run, "design")
    assert [f.thread and run.state.threads[f.thread].data["item"] for f in run.instances] == ["law"]
    _review(run, "design")  # that one has ended
    assert (len(run.instances), run.kept) == (1, ["reviewed"])
    assert _review(run, "law") == 1
    assert run.state.data["verdicts"] == ["of design", "of law"]


@shows(15, "an instance that is added is waited for too")
def _without_prior_knowledge() -> None:
    run = begin(15)
    assert len(run.instances) == 1
    run.tell("witness_named")
    assert len(run.instances) == 2
    assert run.tell("witness_heard").times("judge") == 0
    run.tell("witness_named")  # while one still runs
    assert len(run.instances) == 2
    assert counts(run, "judge", ["witness_heard", "witness_heard"]) == [0, 1]
    assert run.closed


@shows(15, "beyond its limit nothing is added, and that can be seen")
def _without_prior_knowledge_limit() -> None:
    run = begin(15).tell_all(*["witness_named"] * 5)
    assert (len(run.instances), run.kept) == (5, ["witness_named"])


@shows(26, "no instance runs on, and what follows the task does not come")
def _cancel_instances() -> None:
    run = begin(26)
    assert len(run.instances) == 3
    run.tell_all("answered", "stopped")
    assert (run.instances, run.running) == ([], ["apologize"])
    assert run.tell("answered").kept == ["answered"]
    assert (run.times("evaluate"), run.times("apologize")) == (0, 1)
    assert run.tell("apologized").closed


@shows(26, "without a cancellation all instances are waited for")
def _cancel_instances_not() -> None:
    assert counts(begin(26), "evaluate", ["answered"] * 3) == [0, 0, 1]


@shows(27, "no instance runs on, and what follows the task comes")
def _complete_instances() -> None:
    run = begin(27)
    assert len(run.instances) == 3
    run.tell_all("answered", "enough")
    assert (run.instances, run.running) == ([], ["evaluate"])
    assert run.times("evaluate") == 1
    assert run.tell("answered").kept == ["answered"]
    assert run.tell("evaluated").closed


@shows(27, "without that all instances are waited for")
def _complete_instances_not() -> None:
    assert counts(begin(27), "evaluate", ["answered"] * 3) == [0, 0, 1]


@shows(34, "so many instances go on, and the others come to their end without effect")
def _static_partial_join() -> None:
    run = begin(34)
    assert len(run.instances) == 3
    assert counts(run, "decide", ["answered", "answered"]) == [0, 1]
    assert len(run.instances) == 1
    run.tell("decided")
    assert not run.closed
    assert run.tell("answered").times("decide") == 1
    assert (run.instances, run.kept) == ([], [])
    assert run.closed


@shows(35, "so many instances go on, and the others are withdrawn")
def _cancelling_partial_join() -> None:
    run = begin(35)
    assert len(run.instances) == 3
    assert counts(run, "decide", ["answered", "answered"]) == [0, 1]
    assert (run.instances, run.running) == ([], ["decide"])
    assert run.tell("answered").kept == ["answered"]
    assert run.tell("decided").closed


@shows(36, "instances that were added count, and those left over come to their end")
def _dynamic_partial_join() -> None:
    run = begin(36)
    assert len(run.instances) == 2
    assert run.tell("answered").times("decide") == 0
    run.tell_all("expert_found", "expert_found")
    assert len(run.instances) == 3
    assert counts(run, "decide", ["answered", "answered"]) == [0, 1]
    assert len(run.instances) == 1
    run.tell("decided")
    assert not run.closed
    assert run.tell("answered").times("decide") == 1
    assert run.closed


@shows(36, "where nothing is added the task ends with all that there are")
def _dynamic_partial_join_of_fewer() -> None:
    assert counts(begin(36), "decide", ["answered", "answered"]) == [0, 1]
