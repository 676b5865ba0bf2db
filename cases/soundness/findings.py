"""What is odd about a definition: the soundness of its nets, and what is seen from its writing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from cases.actions import Classify, SetData, Subcase
from cases.compiling.compile import compile_net
from cases.expressions.guards import Guard, TwoFields
from cases.net import Join, Net, NumberedTask, Task
from cases.notation.declarations import UNCLASSIFIED, Definition, Start
from cases.notation.tasks import TasksDefinition
from cases.soundness.crossing import crossing_threads
from cases.soundness.explore import MAX_MARKINGS, always, check_net
from cases.soundness.loops import endless_recursions, reply_loops
from cases.soundness.outcomes import read_too_early, unhandled_failures
from cases.soundness.verdict import Finding, FindingKind, Report, Severity, Soundness, verdict_of
from cases.wiring import wiring_of

# Where nets differ, the worst is the definition's.
_WORST_FIRST = (Soundness.UNSOUND, Soundness.UNKNOWN, Soundness.POSSIBLE, Soundness.SOUND)


def check_definition(
    definition: Definition,
    *,
    max_markings: int = MAX_MARKINGS,
    still_time: Callable[[], bool] = always,
) -> Report:
    """Return what is wrong with a definition that passed its checks, all of its nets together."""
    names = list(definition.nets) if isinstance(definition, TasksDefinition) else []
    nets = {name: compile_net(definition, name) for name in (None, *names)}
    reports: list[Report] = []
    findings: list[Finding] = []
    for name, net in nets.items():
        report = _with_threads(
            net, check_net(net, max_markings=max_markings, still_time=still_time)
        )
        reports.append(report)
        prefix = "" if name is None else f"nets.{name}: "
        found = [
            *report.findings,
            *_late_deadlines(net),
            *_shadowed(net),
            *reply_loops(net),
            *unhandled_failures(net),
            *read_too_early(net),
            *_deadlines_without_time(definition, net, list(nets.values())),
        ]
        findings += [replace(one, place=prefix + one.place) for one in found]
    sub_nets = {name: net for name, net in nets.items() if name is not None}
    endless = list(endless_recursions(sub_nets, max_markings, still_time))
    verdicts = [report.verdict for report in reports] + [Soundness.UNSOUND] * bool(endless)
    findings += [*endless, *_unused_labels(definition, list(nets.values()))]
    return Report(_worst(verdicts), tuple(findings), sum(one.markings for one in reports))


def _with_threads(net: Net, report: Report) -> Report:
    """Return what the check of a net said, and where it took several threads for one."""
    crossing = tuple(crossing_threads(net))
    verdict = _worst([report.verdict, verdict_of(crossing, complete=True)])
    return replace(report, verdict=verdict, findings=report.findings + crossing)


def _worst(verdicts: Sequence[Soundness]) -> Soundness:
    return min(verdicts, key=_WORST_FIRST.index)


def _late_deadlines(net: Net) -> Iterator[Finding]:
    """Yield the deadlines before which another one has always led away."""
    locked = wiring_of(net).locks
    for entries in (*net.timers.values(), *net.watching.values()):
        sure = [
            e.task.timing.after
            for e in entries
            if e.task.guard is None
            and not e.task.keeps_visit
            and (e.task.stops_watched if e.task.watches else e.only_input is not None)
            and e.task.id not in locked
            and e.task.timing is not None
            and e.task.timing.after is not None
        ]
        for entry in entries:
            timing = entry.task.timing
            if timing is not None and timing.after is not None and sure:
                shortest = min(sure)
                if timing.after > shortest:
                    message = f"never fires: another deadline leads away after {shortest}"
                    yield Finding(
                        FindingKind.DEADLINE_NEVER_FIRES, Severity.WARNING, entry.task.id, message
                    )


def _deadlines_without_time(
    definition: Definition, net: Net, nets: Sequence[Net]
) -> Iterator[Finding]:
    """Yield the deadlines at a field that stays empty; who starts a case by hand may fill any."""
    if Start.API in definition.starts:
        return
    filled = {name for one in nets for entry in one.tasks for name in _filled_by(entry.task)}
    filled |= net.defaults.keys()
    for entry in net.tasks:
        timing = entry.task.timing
        if timing is None or timing.at is None:
            continue
        root, _, rest = timing.text.removeprefix("at ").partition(".")
        name = rest.split(".")[0]
        if root == "data" and name not in filled:
            message = f"never fires: nothing ever sets data.{name}, so `set` it before"
            kind = FindingKind.DEADLINE_NEVER_FIRES
            yield Finding(kind, Severity.WARNING, entry.task.id, message)


def _filled_by(task: Task) -> Iterator[str]:
    """Yield the fields of the case data that a task may fill, those of its sub-cases too."""
    for planned in task.actions:
        for one in (planned, *planned.undo):
            if isinstance(one.action, SetData):
                yield one.action.field
            elif isinstance(one.action, Subcase):
                yield from (given.field for given in (*one.action.given, *one.action.returned))
    if task.instances is not None:
        yield from (collected.field for collected in task.instances.collect)


def _shadowed(net: Net) -> Iterator[Finding]:
    """Yield the tasks that an earlier one leaves no event: it takes all of them where both wait."""
    locked = wiring_of(net).locks
    for by_place in net.listening.values():
        for entries in by_place.values():
            always: Task | None = None
            for entry in entries:
                if always is not None:
                    message = f"never fires: {always.id} takes every such event before it"
                    yield Finding(FindingKind.SHADOWED, Severity.WARNING, entry.task.id, message)
                elif _takes_always(entry) and entry.task.id not in locked:
                    always = entry.task


def _takes_always(entry: NumberedTask) -> bool:
    """Tell whether a task starts with any event of its type once its one input is there."""
    task = entry.task
    return (
        entry.only_input is not None
        and task.guard is None
        and task.instances is None
        and task.join is not Join.PARTIAL
        and not task.transient
    )


def _unused_labels(definition: Definition, nets: Sequence[Net]) -> Iterator[Finding]:
    """Yield the labels that no guard asks for, where mails are classified."""
    tasks = [entry.task for net in nets for entry in net.tasks]
    if not any(isinstance(planned.action, Classify) for task in tasks for planned in task.actions):
        return
    if any(_copies_label(task) for task in tasks):
        return
    asked: set[str] = set()
    for guard in (guard for task in tasks for guard in _guards(task)):
        for leaf in guard.leaves:
            if isinstance(leaf, TwoFields) and "label" in (leaf.field, leaf.source):
                return  # any label may be in the other field
            if leaf.field != "label":
                continue
            wanted = getattr(leaf, "wanted", None)
            if leaf.op not in ("is", "in"):
                return  # it means more labels than it names
            asked.update(map(str, wanted if isinstance(wanted, list | tuple) else [wanted]))
    for label in definition.labels:
        if label not in asked and label != UNCLASSIFIED:
            message = "no condition asks for this label: use it in a `when`, or take it away"
            yield Finding(FindingKind.UNUSED_LABEL, Severity.WARNING, f"labels.{label}", message)


def _copies_label(task: Task) -> bool:
    actions = [planned.action for planned in task.actions]
    return any(isinstance(one, SetData) and one.source_field == "label" for one in actions)


def _guards(task: Task) -> Iterator[Guard]:
    ways = [*task.outputs, *task.error_outputs]
    until = task.until.guard if task.until is not None else None
    add = task.instances.add if task.instances is not None else None
    added = add.guard if add is not None else None
    for guard in (task.guard, until, added, *(branch.guard for branch in ways)):
        if guard is not None:
            yield guard
