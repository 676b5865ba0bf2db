"""Memory of each process: idle, and at the peak of 500 mails at once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from bench.peers import N8N, NODE_RED
from bench.processes import (
    NO_MEMORY,
    Memory,
    MemoryPeak,
    memory,
    without_bytecode_switch,
)
from bench.product import burst, running_bench
from bench.report import Section, Table

TITLE = "Memory"
MAILS = 500
SETTLE_SECONDS = 5.0
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Memory by process, idle and at the peak; the sums are of one moment."""

    idle: Mapping[str, Memory]
    peak: Mapping[str, Memory]
    idle_sum: Memory
    peak_sum: Memory


def measure() -> Section:
    """Return the report."""
    with without_bytecode_switch():
        return section(run())


def run() -> MemoryUse:
    """Return what a fresh product uses with one mailbox attached, and while it takes mails."""
    with running_bench() as bench:
        time.sleep(SETTLE_SECONDS)
        idle = memory(bench.product_names())
        with MemoryPeak(bench.product_names) as peak:
            burst(bench, MAILS)
    return MemoryUse(idle, peak.each, _sum(idle), peak.total)


def section(found: MemoryUse) -> Section:
    """Return the report."""
    names = sorted(found.peak, key=lambda name: -found.peak[name].pss_bytes)
    rows = [
        _row(name, found.idle.get(name, NO_MEMORY), found.peak[name])
        for name in names
        if name not in {"other", "ended"}
    ]
    idle, peak = found.idle_sum.pss_bytes / MB, found.peak_sum.pss_bytes / MB
    return Section(
        TITLE,
        [
            Table(
                ("MB", "PSS idle", "PSS peak", "RSS idle", "RSS peak"),
                [*rows, _row("all, at one moment", found.idle_sum, found.peak_sum)],
            ),
            Table(
                ("MB", "idle", "peak at 500 mails", "idle beside Everpost", "peak"),
                [
                    ("Everpost (PSS)", f"{idle:.0f}", f"{peak:.0f}", "1", "1"),
                    (
                        N8N.name,
                        f"{N8N.memory_idle_mb:.0f}",
                        N8N.memory_peak,
                        f"{N8N.memory_idle_mb / idle:.2f}",
                        f"{N8N.memory_peak_mb / peak:.2f}",
                    ),
                    (
                        NODE_RED.name,
                        f"{NODE_RED.memory_idle_mb:.0f}",
                        NODE_RED.memory_peak,
                        f"{NODE_RED.memory_idle_mb / idle:.2f}",
                        f"{NODE_RED.memory_peak_mb / peak:.2f}",
                    ),
                ],
            ),
        ],
        [
            "PSS shares out the pages that several processes hold, so its sum is what the"
            " machine gives; RSS counts them in each. Without the demo mail server. The"
            " Temporal server, with its Web UI and its store, is part of it.",
        ],
    )


def _row(name: str, idle: Memory, peak: Memory) -> tuple[str, ...]:
    values = (idle.pss_bytes, peak.pss_bytes, idle.rss_bytes, peak.rss_bytes)
    return (name, *(f"{value / MB:.0f}" for value in values))


def _sum(each: Mapping[str, Memory]) -> Memory:
    total = NO_MEMORY
    for used in each.values():
        total = total.plus(used)
    return total
