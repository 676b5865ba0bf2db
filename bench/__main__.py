"""`python -m bench [names…]`: runs benchmarks, prints their tables, writes `bench/RESULTS.md`."""

import argparse
import importlib
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import fetch, flood, intake, latency, memory, parsing, sending, soundness, throughput
from bench.peers import N8N, NODE_RED, SOURCE
from bench.report import Section, Table, write_results

RESULTS = Path(__file__).with_name("RESULTS.md")
NOT_HERE = "not measured: the benchmark is missing"


def engine_section() -> Section:
    """Return the engine's firings per second beside SpiffWorkflow's."""
    measure = _measure_of("bench.engine")
    if measure is None:
        return Section("Engine: firings per second", [], [NOT_HERE])
    found: Section = measure()
    return found


def kill_section() -> Section:
    """Return what became of mails while processes were killed."""
    title = "Kill test"
    peers = Table(
        ("one kill -9 among 300 mails", "lost"),
        [(N8N.name, N8N.lost_of_300), (NODE_RED.name, NODE_RED.lost_of_300)],
    )
    measure = _measure_of("bench.kill")
    if measure is None:
        return Section(title, [peers], [NOT_HERE])
    found = measure()
    if isinstance(found, Section):
        return Section(title, [*found.tables, peers], found.notes)
    rows = [(str(name), str(value)) for name, value in dict(found).items()]
    return Section(title, [Table(("Everpost", ""), rows), peers])


BENCHMARKS: Mapping[str, Callable[[], Section]] = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "fetch": fetch.measure,
    "flood": flood.measure,
    "intake": intake.measure,
    "parsing": parsing.measure,
    "sending": sending.measure,
    "engine": engine_section,
    "soundness": soundness.measure,
    "kill": kill_section,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="all if none is named")
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    load = os.getloadavg()[0]
    sections = []
    for name in names:
        print(f"… {name}", file=sys.stderr)  # noqa: T201  # a command speaks on its terminal
        section = BENCHMARKS[name]()
        sections.append(section)
        print(section.text())  # noqa: T201  # as above
        write_results(RESULTS, preamble(load), sections)
    return 0


def preamble(load: float) -> str:
    """Return what stands above the numbers: where they come from."""
    return "\n\n".join(
        [
            "# Results of the benchmarks",
            "Written by `make bench` (`python -m bench throughput` runs one alone and keeps the"
            " other parts as they are). Numbers that fall short stand here as they are.",
            f"Last run {datetime.now(UTC):%Y-%m-%d}: {_machine()}."
            f" Load of the machine before it began: {load:.1f}.",
            SOURCE,
        ]
    )


def _machine() -> str:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    temporal = subprocess.run(  # noqa: S603  # our own program
        [Path(sys.executable).with_name("temporal"), "--version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return (
        f"{os.cpu_count()} cores, {memory_gb:.0f} GB of memory, {platform.system()},"
        f" Python {platform.python_version()}, {temporal}, SDK {version('temporalio')}"
    )


# Any: each benchmark has its own result; the sections above know which.
def _measure_of(module: str) -> Callable[[], Any] | None:
    if importlib.util.find_spec(module) is None:
        return None
    found: Callable[[], Any] = importlib.import_module(module).measure
    return found


if __name__ == "__main__":
    sys.exit(main())
