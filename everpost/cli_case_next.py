"""What happens next in a case: what waits, for what, until when, and what holds it back."""

from collections.abc import Iterator, Mapping
from typing import Any

from everpost.cli_output import phrase, titled
from everpost.terminal import one_line

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
        *(titled(_where(entry), map(_short, _lines(entry))) for entry in case.get("next") or ()),
        titled(
            "Events that nothing has taken yet",
            (
                _short(f"{phrase(event.get('at'))} {event.get('type')} (id {event.get('id')})")
                for event in case.get("waiting") or ()
            ),
        ),
        _mailbox(case),
    ]
    return "\n".join(part for part in parts if part) or "Nothing is known yet: it has just begun."


def _where(entry: Entry) -> str:
    thread = f" (thread {entry['thread']})" if entry.get("thread") is not None else ""
    since = f", since {phrase(entry['since'])}" if entry.get("since") else ""
    task = f", in task {entry['task']}" if entry.get("task") else ""
    return _short(f"In {entry.get('state') or 'no state'}{task}{thread}{since}")


def _lines(entry: Entry) -> Iterator[str]:
    if entry.get("doing"):
        yield f"under way: {phrase(entry['doing'])}"
    if entry.get("instances"):
        yield f"instances: {phrase(entry['instances'])}"
    if entry.get("held"):
        yield f"at {phrase(entry.get('due'))}: {phrase(entry['held'])} goes out, unless withdrawn"
    for wait in entry.get("waits_for") or ():
        when = f" when {phrase(wait['when'])}" if wait.get("when") else ""
        yield f"on {wait.get('event')}{when}: {wait.get('does') or 'nothing more'}"
        yield from (f"  not yet: {reason}" for reason in wait.get("held_back") or ())
    for one in entry.get("deadlines") or ():
        yield f"at {phrase(one.get('due'))}: {one.get('does')}"
    for one in entry.get("held_back") or ():
        yield f"{one.get('task')} can't start yet: {', '.join(map(phrase, one.get('why') or ()))}"


def _mailbox(case: Entry) -> str:
    until = case.get("waits_for_mailbox_until")
    return f"A deadline waits until the mailbox is read up to {phrase(until)}." if until else ""


def _short(text: str) -> str:
    # Leading spaces say what belongs to the line above.
    return " " * (len(text) - len(text.lstrip())) + one_line(text, LINE_LENGTH)
