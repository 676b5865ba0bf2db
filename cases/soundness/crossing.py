"""Joins that may get tokens of different threads, which never come together (WCP-41, 42)."""

from collections.abc import Iterator

from cases.net import Join, Net, Task
from cases.soundness.verdict import Finding, FindingKind, Severity

_MESSAGE = (
    "waits for ever if its inputs bring tokens of different threads, and the check of the net does "
    "not tell threads apart: let one thread reach all of its inputs, or merge the threads before"
)


def crossing_threads(net: Net) -> Iterator[Finding]:
    """Yield the joins by `and` between where threads begin and where they are merged.

    Such a join works where each thread reaches all of its inputs, and that is not worked out.
    """
    for task in _in_threads(net):
        if task.join is Join.ALL and len(task.inputs) > 1 and not _merges(task):
            yield Finding(FindingKind.DEADLOCK, Severity.ERROR, task.id, _MESSAGE, possible=True)


def _in_threads(net: Net) -> Iterator[Task]:
    """Yield the tasks that a thread's token may come to, the merging ones included."""
    taking: dict[str, list[Task]] = {}
    for entry in net.tasks:
        for arc in entry.task.inputs:
            taking.setdefault(arc.place, []).append(entry.task)
    places = [
        branch.place
        for entry in net.tasks
        for branch in entry.task.outputs
        if branch.each is not None or branch.weight > 1
    ]
    seen = set(places)
    met: set[str] = set()
    while places:
        for task in taking.get(places.pop(), ()):
            if task.id in met:
                continue
            met.add(task.id)
            yield task
            after = () if _merges(task) else task.outputs
            new = [branch.place for branch in after if branch.place not in seen]
            places += new
            seen.update(new)


def _merges(task: Task) -> bool:
    return any(arc.weight > 1 for arc in task.inputs)
