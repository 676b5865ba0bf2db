"""Why a case is where it is: its trace in sentences, every guard with what it found."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cases.events import CLASSIFIED
from everpost.cli.output import indented, part_of, phrase, with_times
from everpost.cli.terminal import one_line

# Any: what the API answers is JSON, and shown as far as it is there.
Json = Any
Entry = Mapping[str, Json]
LINE_LENGTH = 300

_HAPPENED: Mapping[str, str] = {
    "started": "the case was opened",
    "fired": "{task} started",
    "instance": "{task} began",
    "heard": "{task} took the event that it waited for",
    "undoing": "{task}: undoing what it had done",
    "retried": "{task}: tried again what had failed",
    "ended": "{task}: an action ended",
    "waiting": "nothing waits for this event yet: it is kept",
    "missed": "{task} was due, and its guard said no",
    "unhandled": "nothing here handles this outcome: people were told",
    "ignored": "nobody waits for this any more: it was left",
    "released": "{task}: the held reply goes out",
    "withdrawn": "{task}: the held reply does not go out",
    "reopened": "a mail opened the closed case again",
    "answered": "a mail to the closed case was answered",
    "parked": "the case stopped, and waits for a person",
    "resumed": "a person let the parked case go on",
    "cancelled": "the case was cancelled",
}


def explained(steps: Iterable[Entry]) -> str:
    """Return the steps of a trace as text: what happened, what could have, and why."""
    tasks: dict[Json, Json] = {}
    return "\n".join(line for step in steps for line in _step(step, tasks))


def _step(step: Entry, tasks: dict[Json, Json]) -> Iterator[str]:
    """Yield the lines of a step; `tasks` are those of the firings so far."""
    entry = step.get("entry")
    if not isinstance(entry, Mapping):
        return
    firing = entry.get("firing")
    number = f"[{firing}] " if firing is not None else ""
    if entry.get("task"):
        tasks[firing] = entry["task"]
    elif firing in tasks:
        entry = {**entry, "task": tasks[firing]}
    yield one_line(
        f"{phrase(step.get('at') or entry.get('at'))} {number}{_happened(entry)}", LINE_LENGTH
    )
    for line in _details(entry):
        yield "    " + indented(with_times(line), LINE_LENGTH)


def _happened(entry: Entry) -> str:
    kind = str(entry.get("kind") or "")
    words = _HAPPENED.get(kind, kind)
    event = entry.get("event")
    if kind == "unhandled" and isinstance(event, Mapping) and event.get("type") == CLASSIFIED:
        words = "the mail was classified; nothing here waits for that"  # and nobody was told
    task, part = str(entry.get("task") or "a task"), part_of(entry)
    return words.replace("{task}", f"{task} {part}" if part else task)


def _details(entry: Entry) -> Iterator[str]:
    """Yield a line for each thing that the entry knows, causes before what came of them."""
    event = entry.get("event")
    if isinstance(event, Mapping):
        yield f"event: {event.get('type')} (id {event.get('id')})"
    cause = entry.get("cause")
    if cause and not (isinstance(event, Mapping) and cause == event.get("id")):
        yield f"goes back to event: {cause}"
    for name in ("by", "reason"):
        if entry.get(name):
            yield f"{name}: {phrase(entry[name])}"
    if entry.get("due"):
        yield f"was due: {phrase(entry['due'])}"
    if entry.get("enabled"):
        yield f"could have started: {', '.join(map(str, entry['enabled']))}"
    yield from asked(entry)
    moved = entry.get("from") != entry.get("to")
    if not moved and entry.get("to"):
        yield f"the case stands in: {_listed(entry['to'])}"
    for name, words in (("from", "token from"), ("to", "token to"), ("did", "did")):
        if entry.get(name) and (moved or name == "did"):
            yield f"{words}: {_listed(entry[name])}"
    if entry.get("withdrawn"):
        yield f"withdrawn: {_listed(entry['withdrawn'])}"
    for note in entry.get("notes") or ():
        yield f"note: {note}"


def asked(entry: Entry) -> Iterator[str]:
    """Yield what the guards of a step's tasks said, leaf by leaf, and those of its branches."""
    guards = entry.get("guards")
    over = _not_asked(entry)
    for task, verdicts in guards.items() if isinstance(guards, Mapping) else ():
        if task in over:
            yield f"{task}: not asked, since {entry.get('task')} comes first"
        else:
            yield from (f"{task} asks: {_verdict(verdict)}" for verdict in verdicts)
    for branch in entry.get("branches") or ():
        yield f"branch to {branch.get('to')}: {_branch(branch)}"
        yield from (f"  {_verdict(verdict)}" for verdict in branch.get("guard") or ())


def _not_asked(entry: Entry) -> set[str]:
    """Return the tasks that come after the one whose guard had said yes."""
    enabled = [str(task) for task in entry.get("enabled") or ()]
    task = entry.get("task")
    return set(enabled[enabled.index(task) + 1 :]) if task in enabled else set()


def _branch(branch: Entry) -> str:
    if branch.get("chosen"):
        return "taken" if branch.get("guard") else "taken, it has no guard to ask"
    return "not taken, not asked" if branch.get("asked") is False else "not taken"


def _listed(names: Iterable[Json]) -> str:
    return ", ".join(map(phrase, names))


def _verdict(verdict: Entry) -> str:
    """Return what a leaf of a guard wanted and found, as `label is refund: no, found question`."""
    test = [str(verdict.get("field")), str(verdict.get("op")).replace("_", " ")]
    if verdict.get("from"):
        test.append(f"{verdict['from']} ({_value(verdict.get('value'))})")
    elif "value" in verdict:
        test.append(_value(verdict["value"]))
    said = "yes" if verdict.get("holds") else "no"
    reason = f" ({verdict['reason']})" if verdict.get("reason") else ""
    return f"{' '.join(test)}: {said}, found {_value(verdict.get('found'))}{reason}"


def _value(value: Json) -> str:
    return "nothing" if value is None else phrase(value) or "an empty text"
