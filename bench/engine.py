"""Engine steps per second on a loop, beside SpiffWorkflow on the same net in the same run.

The net has two tasks, `work` and a choice that leads back to it until enough transitions were made.
Everpost takes an event for each transition and makes a new state each time, as its workflow does;
SpiffWorkflow runs its tasks one after the other. Run it with `python -m bench.engine`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, TypedDict

from rich.console import Console
from rich.table import Table
from SpiffWorkflow.operators import Attrib, LessThan  # type: ignore[import-untyped]  # untyped
from SpiffWorkflow.specs.ExclusiveChoice import (  # type: ignore[import-untyped]  # untyped
    ExclusiveChoice,
)
from SpiffWorkflow.specs.Simple import Simple  # type: ignore[import-untyped]  # untyped
from SpiffWorkflow.specs.WorkflowSpec import (  # type: ignore[import-untyped]  # untyped
    WorkflowSpec,
)
from SpiffWorkflow.workflow import Workflow  # type: ignore[import-untyped]  # untyped

from cases.compile import compile_net
from cases.definitions import parse_definition
from cases.engine import start, step
from cases.events import Event
from cases.net import Net
from cases.state import CaseStatus

SIZES = (100, 4_000)
ROUNDS = 3
_NOW = datetime(2026, 1, 31, tzinfo=UTC)


class Rates(TypedDict):
    """Transitions per second of both engines on one loop, and how many times faster ours is."""

    everpost: float
    spiffworkflow: float
    ratio: float


def measure() -> dict[int, Rates]:
    """Return the rates for each size of the loop; the best of three rounds counts for both."""
    rates: dict[int, Rates] = {}
    for size in SIZES:
        ours = _rate(size, _everpost)
        theirs = _rate(size, _spiffworkflow)
        rates[size] = Rates(everpost=ours, spiffworkflow=theirs, ratio=ours / theirs)
    return rates


def _rate(size: int, prepare: Callable[[int], Callable[[], None]]) -> float:
    """Return transitions per second; what `prepare` does is not counted."""
    runs = [prepare(size) for _ in range(ROUNDS)]
    return size / min(_seconds(run) for run in runs)


def _seconds(run: Callable[[], None]) -> float:
    began = perf_counter()
    run()
    return perf_counter() - began


def _everpost(size: int) -> Callable[[], None]:
    """Return a run of a loop on our engine."""
    net = _loop(size)
    events = [Event(f"e{n}", "done", _NOW, {"n": n}) for n in range(size)]

    def run() -> None:
        state = start(net, {}, _NOW).state
        for event in events:
            state = step(net, state, event, _NOW).state
        if state.firings != size or state.status is not CaseStatus.CLOSED:
            raise RuntimeError(f"the loop ended after {state.firings} of {size} transitions")

    return run


def _loop(size: int) -> Net:
    again = {"field": "event.n", "op": "less_than", "value": size - 1}
    states = {
        "work": {"on": [{"event": "done", "to": "choice"}]},
        "choice": {
            "on": [
                {"event": "done", "when": again, "to": "work"},
                {"event": "done", "to": "end"},
            ]
        },
        "end": {"final": True},
    }
    return compile_net(parse_definition({"id": "loop", "start": "work", "states": states}))


class _Work(Simple):  # type: ignore[misc]  # its base is untyped
    """A task that counts the transitions in its data: this one, and the choice that follows."""

    def _run_hook(self, my_task: Any) -> bool:  # Any: SpiffWorkflow is untyped
        my_task.data["n"] += 2
        return True


def _spiffworkflow(size: int) -> Callable[[], None]:
    """Return a run of the same loop on SpiffWorkflow."""
    spec = WorkflowSpec(name="loop", addstart=True)
    work, choice, end = _Work(spec, "work"), ExclusiveChoice(spec, "choice"), Simple(spec, "end")
    spec.start.connect(work)
    work.connect(choice)
    choice.connect_if(LessThan(Attrib("n"), size), work)
    choice.connect(end)
    workflow = Workflow(spec)
    # The start task exists by now and hands its data on to the tasks that follow.
    workflow.task_tree.data["n"] = 0

    def run() -> None:
        workflow.run_all()
        made = workflow.last_task.data["n"]
        if made != size or not workflow.is_completed():
            raise RuntimeError(f"the loop ended after {made} of {size} transitions")

    return run


def main() -> None:
    """Print the rates as a table."""
    table = Table("loop of", "Everpost, steps/s", "SpiffWorkflow 3.2, tasks/s", "ratio")
    for size, rates in measure().items():
        table.add_row(
            f"{size:,}",
            f"{rates['everpost']:,.0f}",
            f"{rates['spiffworkflow']:,.0f}",
            f"{rates['ratio']:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
