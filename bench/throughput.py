"""Cases per second through the whole product, beside a bare workflow on the same server."""

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType

from bench import bare_workflow
from bench.peers import N8N, NODE_RED
from bench.processes import CpuMeter, names_of, without_bytecode_switch
from bench.product import Bench, Burst, burst, running_bench
from bench.report import Section, Table
from contracts.ids import case_workflow_id

TITLE = "Throughput: 500 mails at once"
MAILS = 500
WARM_UP = 30
REPEATS = 3
TARGET = 0.6
HISTORIES = 20
TENANT = "default"


@dataclass(frozen=True, slots=True)
class History:
    """What one mail costs on the server, counted over the histories of cases."""

    events: float
    activities: float
    local_activities: float
    timers: float
    workflow_tasks: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """All that one run found."""

    bursts: Sequence[Burst]
    bare_seconds: Sequence[float]
    history: History
    cpu: Mapping[str, float]
    bare_cpu: Mapping[str, float]

    @property
    def rates(self) -> list[float]:
        """Cases per second, by repetition."""
        return [burst.rate for burst in self.bursts]

    @property
    def bare_rates(self) -> list[float]:
        """Bare workflows per second, by repetition."""
        return [MAILS / seconds for seconds in self.bare_seconds]

    @property
    def ratios(self) -> list[float]:
        """The product beside the bare workflow that ran right before it, by repetition."""
        return [ours / bare for ours, bare in zip(self.rates, self.bare_rates, strict=True)]


def measure(repeats: int = REPEATS) -> Section:
    """Return the report of bare and product runs, in turns."""
    with without_bytecode_switch():
        return section(run(repeats))


def run(repeats: int = REPEATS) -> Throughput:
    """Return what bare and product runs, in turns, found."""
    bursts: list[Burst] = []
    bare: list[float] = []
    with running_bench() as bench:
        address = f"127.0.0.1:{bench.product.temporal_port}"
        with bare_workflow.bare_worker(address) as worker:
            meter = CpuMeter(bench.names)
            bare_meter = CpuMeter(lambda: bench.names() | names_of([worker.pid]))
            asyncio.run(bare_workflow.run_many(address, WARM_UP))
            burst(bench, WARM_UP)
            for _ in range(repeats):
                bare_meter.start()
                bare.append(asyncio.run(bare_workflow.run_many(address, MAILS)))
                bare_cpu = bare_meter.used()
                meter.start()
                bursts.append(burst(bench, MAILS))
                cpu = meter.used()
        history = asyncio.run(_history(bench, address))
    return Throughput(bursts, bare, history, cpu, bare_cpu)


async def _history(bench: Bench, address: str) -> History:
    """Return the mean over the newest cases."""
    client = await bare_workflow.connect(address)
    rows = bench.product.rows("SELECT id FROM cases ORDER BY opened_at DESC LIMIT ?", HISTORIES)
    kinds: list[EventType.ValueType] = []
    for (case_id,) in rows:
        handle = client.get_workflow_handle(case_workflow_id(TENANT, case_id))
        kinds.extend([event.event_type for event in (await handle.fetch_history()).events])

    def each(kind: EventType.ValueType) -> float:
        return kinds.count(kind) / len(rows)

    return History(
        events=len(kinds) / len(rows),
        activities=each(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED),
        local_activities=each(EventType.EVENT_TYPE_MARKER_RECORDED),
        timers=each(EventType.EVENT_TYPE_TIMER_STARTED),
        workflow_tasks=each(EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED),
    )


def section(found: Throughput) -> Section:
    """Return the report."""
    seconds = statistics.median(burst.seconds for burst in found.bursts)
    ratio = statistics.median(found.ratios)
    verdict = "met" if ratio >= TARGET else "missed"
    return Section(
        TITLE,
        [
            Table(
                ("", "Everpost", "n8n", "Node-RED"),
                [
                    (
                        "500 mails, to the last reply and the empty ledger",
                        f"{seconds:.1f} s",
                        f"{N8N.burst} ({_times(seconds, N8N.burst_seconds)})",
                        f"{NODE_RED.burst} ({_times(seconds, NODE_RED.burst_seconds)})",
                    ),
                    ("replies to 500 mails", "500", "-", "5,400"),
                    ("mails an hour", f"{3600 * MAILS / seconds:,.0f}", N8N.per_hour, "-"),
                    (
                        "processor time a mail, without mail servers",
                        f"{1000 * _own_cpu(found.cpu) / MAILS:.0f} ms",
                        N8N.cpu_a_mail,
                        "-",
                    ),
                ],
            ),
            Table(
                ("", "median", "lowest", "highest"),
                [
                    _spread("Everpost, cases/s", found.rates, ".1f"),
                    _spread("bare workflow with one activity, 1/s", found.bare_rates, ".1f"),
                    _spread(f"ratio (target: at least {TARGET}; {verdict})", found.ratios, ".2f"),
                ],
            ),
            _history_table(found.history),
            _cpu_table(found),
        ],
        _notes(found),
    )


def _notes(found: Throughput) -> list[str]:
    last = found.bursts[-1]
    claim = statistics.median(burst.to_first_claim for burst in found.bursts)
    busiest = next(iter(found.cpu.items()))
    bound = f"{sum(found.cpu.values()) / last.seconds:.2f}"
    turns = ", ".join(
        f"{ours:.1f} beside {bare:.1f}"
        for ours, bare in zip(found.rates, found.bare_rates, strict=True)
    )
    return [
        "Timed from the call that resumes the mailbox, with all mails in it, to the last reply"
        " accepted and the last row applied. Every mail is from another customer, 2 kB, over"
        f" Dovecot; the case stays open under a deadline. Bare and product took {len(found.rates)}"
        " turns on the same server; the bare workflow has one worker process and 100 in flight.",
        f"Turns, cases/s beside bare workflows/s: {turns}.",
        f"Of it {claim:.2f} s pass before the first mail is claimed (resume, watch, login,"
        " listing).",
        f"Where the time goes: {bound} processors were busy on average in the last repetition,"
        f" most of all {busiest[0]} with {busiest[1]:.1f} s of {last.seconds:.1f} s.",
    ]


def _spread(name: str, values: Sequence[float], form: str) -> tuple[str, ...]:
    return (name, *(format(value, form) for value in _summary(values)))


def _summary(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


def _history_table(history: History) -> Table:
    return Table(
        ("what one mail costs on the server", "in a case's history"),
        [
            ("history events", f"{history.events:.1f}"),
            ("activities", f"{history.activities:.1f}"),
            ("local activities (markers)", f"{history.local_activities:.1f}"),
            ("workflow tasks", f"{history.workflow_tasks:.1f}"),
            ("timers", f"{history.timers:.1f}"),
        ],
    )


def _cpu_table(found: Throughput) -> Table:
    names = [*found.cpu, *(name for name in found.bare_cpu if name not in found.cpu)]
    rows = [
        (name, f"{found.cpu.get(name, 0.0):.2f}", f"{found.bare_cpu.get(name, 0.0):.2f}")
        for name in names
    ]
    total = (
        "all",
        f"{sum(found.cpu.values()):.2f}",
        f"{sum(found.bare_cpu.values()):.2f}",
    )
    return Table(
        ("processor seconds for 500, last turn", "Everpost", "bare workflow"), [*rows, total]
    )


def _own_cpu(cpu: Mapping[str, float]) -> float:
    servers = {"dovecot", "smtp sink"}
    return sum(seconds for name, seconds in cpu.items() if name not in servers)


def _times(ours: float, theirs: float) -> str:
    return f"Everpost takes {ours / theirs:.1f} times that"
