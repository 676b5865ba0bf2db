"""Why a case is where it is: its trace in sentences, every guard with what it found."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from everpost.cli_output import phrase
from everpost.terminal import one_line

# Any: what the API answers is JSON, and shown as far as it is there.
Json = Any
Entry = Mapping[str, Json]
LINE_LENGTH = 300

_HAPPENED: Mapping[str, str] = {
    "started": "the case was opened",
    "fired": "{task} started",
    "instance": "{task}: instance {instance} began",
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
}


def explained(steps: Iterable[Entry]) -> str:
    """Return the steps of a trace as text: what happened, what could have, and why."""
    return "\n".join(line for step in steps for line in _step(step))


def _step(step: Entry) -> Iterator[str]:
    entry = step.get("entry")
    if not isinstance(entry, Mapping):
        return
    number = f"#{entry['firing']} " if entry.get("firing") is not None else ""
    yield one_line(
        f"{phrase(step.get('at') or entry.get('at'))} {number}{_happened(entry)}", LINE_LENGTH
    )
    for line in _details(entry):
        yield "    " + one_line(line, LINE_LENGTH)


def _happened(entry: Entry) -> str:
    kind = str(entry.get("kind") or "")
    words = _HAPPENED.get(kind, kind)
    for name in ("task", "instance"):
        words = words.replace(f"{{{name}}}", str(entry.get(name) or "?"))
    return words


def _details(entry: Entry) -> Iterator[str]:
    """Yield a line for each thing that the entry knows, causes before what came of them."""
    event = entry.get("event")
    if isinstance(event, Mapping):
        yield f"event: {event.get('type')} (id {event.get('id')})"
    cause = entry.get("cause")
    if cause and not (isinstance(event, Mapping) and cause == event.get("id")):
        yield f"goes back to event: {cause}"
    if entry.get("due"):
        yield f"was due: {phrase(entry['due'])}"
    if entry.get("thread") is not None:
        yield f"thread: {entry['thread']}"
    if entry.get("enabled"):
        yield f"could have started: {', '.join(map(str, entry['enabled']))}"
    guards = entry.get("guards")
    for task, verdicts in guards.items() if isinstance(guards, Mapping) else ():
        yield from (f"{task} asks: {_verdict(verdict)}" for verdict in verdicts)
    for branch in entry.get("branches") or ():
        yield f"branch to {branch.get('to')}: {'taken' if branch.get('chosen') else 'not taken'}"
        yield from (f"  {_verdict(verdict)}" for verdict in branch.get("guard") or ())
    moved = entry.get("from") != entry.get("to")
    if not moved and entry.get("to"):
        yield f"stays in: {_listed(entry['to'])}"
    for name, words in (("from", "token from"), ("to", "token to"), ("did", "did")):
        if entry.get(name) and (moved or name == "did"):
            yield f"{words}: {_listed(entry[name])}"
    for note in entry.get("notes") or ():
        yield f"note: {note}"


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
