"""Firings per second of the engine, beside SpiffWorkflow on the same nets in the same run.

All tasks are automatic: one step makes all the firings, with their whole trace. SpiffWorkflow runs
its tasks one after the other. Then how long one step takes in a net of a hundred tasks, the next
state's JSON included, as a workflow needs it. Run it with `python -m bench.engine`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from statistics import median
from time import perf_counter
from typing import Any

from bench.engine_nets import NOW, blocks, chain, desks, loop, ring, spiff_blocks, spiff_loop
from bench.report import Section, Table
from cases.dumping import dump_state
from cases.engine import start, step
from cases.events import Event
from cases.net import Net
from cases.state import CaseStatus

TITLE = "Engine: firings per second"
ROUNDS = 5
STEPS = 1_000


@dataclass(frozen=True, slots=True)
class Subject:
    """A net on both engines; `rounds` is how often SpiffWorkflow runs it, which may be slow."""

    name: str
    net: Net
    # Any: SpiffWorkflow is untyped.
    spiff: Callable[[], Any] | None = None
    rounds: int = ROUNDS


SIZES = (100, 4_000)
SUBJECTS = (
    *(Subject(f"loop x {size:,}", loop(size), partial(spiff_loop, size)) for size in SIZES),
    Subject("AND of width 100", blocks(1, 100), partial(spiff_blocks, 1, 100), 1),
    Subject("AND of width 300", blocks(1, 300), partial(spiff_blocks, 1, 300), 1),
    Subject("10 blocks of width 4", blocks(10, 4), partial(spiff_blocks, 10, 4), 1),
    *(Subject(f"{size:,} tasks in a row", chain(size)) for size in (10, 100, 1_000)),
)


def measure() -> Section:
    """Return the rates on each net, and the time of one step; the best round counts for both."""
    rows = [_row(subject) for subject in SUBJECTS]
    columns = (
        "net",
        "firings",
        "Everpost/s",
        f"SpiffWorkflow {version('spiffworkflow')}/s",
        "ratio",
    )
    return Section(
        TITLE,
        [Table(columns, rows)],
        [
            f"The best of {ROUNDS} rounds counts, of SpiffWorkflow's wide nets that of one.",
            "One step of a net of 100 tasks with all of its state's JSON, at the median: "
            f"{ring_step_seconds() * 1e6:.0f} µs with one token, "
            f"{desks_step_seconds() * 1e6:.0f} µs with 98.",
        ],
    )


def ring_step_seconds() -> float:
    """Return how long a step takes in a net of 100 tasks with one token, at the median."""
    return _step_seconds(ring(100), ["go"] * STEPS)


def desks_step_seconds() -> float:
    """Return how long a step takes in a net of 100 tasks with 98 tokens, at the median."""
    net = desks(98)
    return min(_step_seconds(net, [f"in{n}" for n in range(98)]) for _ in range(ROUNDS))


def _step_seconds(net: Net, event_types: Sequence[str]) -> float:
    """Return how long a step and its next state's JSON take, at the median over some events."""
    state = start(net, {}, NOW).state
    taken = []
    for number, event_type in enumerate(event_types):
        event = Event(f"e{number}", event_type, NOW)
        began = perf_counter()
        state = step(net, state, event, NOW).state
        dump_state(state)
        taken.append(perf_counter() - began)
    return median(taken)


def _row(subject: Subject) -> tuple[str, ...]:
    firings = start(subject.net, {}, NOW).state.firings
    ours = firings / min(_our_seconds(subject.net) for _ in range(ROUNDS))
    row = (subject.name, f"{firings:,}", f"{ours:,.0f}")
    if subject.spiff is None:
        return (*row, "", "")
    theirs = firings / min(_spiff_seconds(subject.spiff()) for _ in range(subject.rounds))
    return (*row, f"{theirs:,.0f}", f"{ours / theirs:,.0f}")


def _our_seconds(net: Net) -> float:
    began = perf_counter()
    taken = start(net, {}, NOW)
    seconds = perf_counter() - began
    if taken.state.status is not CaseStatus.CLOSED:
        raise RuntimeError(f"the net did not come to its end: {taken.state.reason}")
    return seconds


def _spiff_seconds(workflow: Any) -> float:  # Any: SpiffWorkflow is untyped
    began = perf_counter()
    workflow.run_all()
    seconds = perf_counter() - began
    if not workflow.is_completed():
        raise RuntimeError("SpiffWorkflow did not come to the end of the net")
    return seconds


def main() -> None:
    """Print what was measured."""
    print(measure().text())  # noqa: T201  # a command speaks on its terminal


if __name__ == "__main__":
    main()
