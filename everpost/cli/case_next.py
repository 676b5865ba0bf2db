"""What happens next in a case: what waits, for what, until when, and what holds it back."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from everpost.cli.output import indented, part_of, phrase, titled
from everpost.cli.terminal import one_line

# Any: what the API answers is JSON, and shown as far as it is there.
Json = Any
Entry = Mapping[str, Json]
LINE_LENGTH = 300
NAMES = ("status", "parked", "next", "deadlines", "waiting", "waits_for_mailbox_until")


def next_of(case: Entry) -> dict[str, Json]:
    """Return what a case says about its future, without its past."""
    return {name: case.get(name) for name in NAMES}


def foretold(case: Entry) -> str:
    """Return in words what happens next in a case."""
    if case.get("parked"):
        return one_line(f"Nothing: it is parked. {case['parked']}", LINE_LENGTH)
    if case.get("status") != "open":
        return f"Nothing: it is {one_line(str(case.get('status')))}."
    parts = [
        *(titled(_where(entry), lines_of(entry)) for entry in case.get("next") or ()),
        titled("Events that nothing has taken yet", kept(case.get("waiting") or ())),
        _mailbox(case),
    ]
    return "\n".join(part for part in parts if part) or "Nothing is known yet: it has just begun."


def kept(events: Iterable[Entry]) -> Iterator[str]:
    """Yield a line for each event that nothing has taken, and under it one for each reason."""
    for event in events:
        yield _short(f"{phrase(event.get('at'))} {event.get('type')} (id {event.get('id')})")
        yield from (_short(f"  not taken by {reason}") for reason in _told(event))


def _told(event: Entry) -> Iterator[str]:
    for reason in map(str, event.get("why") or ()):
        is_of_task = ": " in reason
        yield reason if is_of_task else f"anything: {reason}"


def _where(entry: Entry) -> str:
    since = f", since {phrase(entry['since'])}" if entry.get("since") else ""
    return _short(f"{place_of(entry)}{since}")


def place_of(entry: Entry) -> str:
    """Return where something stands, as `In review, task review #2 (order A-17)`."""
    state, task, part = entry.get("state"), entry.get("task"), part_of(entry)
    what = " ".join(word for word in (f"task {task}" if task else "", part) if word)
    if not state:
        return f"T{what[1:]}" if task else "In no state"
    return f"In {state}, {what}" if what and what != f"task {state}" else f"In {state}"


def lines_of(entry: Entry) -> Iterator[str]:
    """Yield what a token, a running task or a held reply waits for, a line for each thing."""
    lines = [_short(line) for line in _lines(entry)]
    yield from lines or ["nothing leads on from here"]


def _instances(counts: Entry) -> str:
    done = f"{counts.get('done')} of {counts.get('of')} instances are done"
    running, waiting = counts.get("running"), counts.get("waiting")
    more = f", {running} running" + (f", {waiting} waiting for their turn" if waiting else "")
    over = "; the task has been left, and these come to their end" if counts.get("passed") else ""
    return f"{done}{more}{over}"


def _lines(entry: Entry) -> Iterator[str]:
    if entry.get("instances"):
        yield _instances(entry["instances"])
    elif entry.get("doing"):
        yield f"now: {phrase(entry['doing'])}"
    if entry.get("held"):
        yield f"at {phrase(entry.get('due'))}: {phrase(entry['held'])} goes out, unless withdrawn"
    for wait in entry.get("waits_for") or ():
        when = f" when {phrase(wait['when'])}" if wait.get("when") else ""
        yield f"on {wait.get('event')}{when}: {wait.get('does') or 'nothing more'}"
        yield from (f"  not yet: {reason}" for reason in wait.get("held_back") or ())
    for one in entry.get("deadlines") or ():
        when = f" when {phrase(one['when'])}" if one.get("when") else ""
        yield f"at {phrase(one.get('due'))}{when}: {one.get('does')}"
    for one in entry.get("held_back") or ():
        yield f"{one.get('task')} can't start yet: {'; '.join(map(phrase, one.get('why') or ()))}"


def _mailbox(case: Entry) -> str:
    until = case.get("waits_for_mailbox_until")
    return f"A deadline waits until the mailbox is read up to {phrase(until)}." if until else ""


def _short(text: str) -> str:
    return indented(text, LINE_LENGTH)
