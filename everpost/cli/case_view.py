"""One case, laid out for reading: where it stands, what happens next, its mails, and why."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from everpost.cli.case_next import kept, lines_of, place_of
from everpost.cli.case_why import asked
from everpost.cli.output import facts, indented, part_of, phrase, titled, with_times
from everpost.cli.terminal import one_line, printable

# Any: what the API answers is JSON, and shown as far as it is there.
Json = Any
Entry = Mapping[str, Json]
LINES_OF_A_MAIL = 12
LINE_LENGTH = 200


def described(case: Entry) -> str:
    """Return a case as `cases show` prints it."""
    parked = f"Parked: {phrase(case['parked'])}" if case.get("parked") else ""
    parts = [
        one_line(parked, LINE_LENGTH),
        facts(_head(case)),
        titled("What happens next", _next(_items(case, "next"))),
        titled("Deadlines", _deadlines(case)),
        titled("Events that nothing has taken yet", kept(_items(case, "waiting"))),
        titled("Sub-cases", map(_child, _items(case, "children"))),
        titled("Messages", _mails(_items(case, "messages"))),
        titled("Outbox", map(_outgoing, _items(case, "outbox"))),
        titled("Trace", _steps(_items(case, "trace"))),
    ]
    return "\n\n".join(part for part in parts if part)


def _items(case: Entry, name: str) -> list[Entry]:
    """Return a list of the case, whether it comes as such or as a page."""
    value = case.get(name)
    listed = value.get("items") if isinstance(value, Mapping) else value
    return [item for item in listed or [] if isinstance(item, Mapping)]


def _head(case: Entry) -> dict[str, Json]:
    label, confidence = case.get("label"), case.get("confidence")
    certainty = f" ({confidence:.2f})" if isinstance(confidence, float) else ""
    return {
        "id": case.get("id"),
        "subject": case.get("subject"),
        "customer": case.get("customer"),
        "status": case.get("status"),
        "state": case.get("state") or case.get("states"),
        "label": f"{label}{certainty}" if label else None,
        "definition": _definition(case),
        "follows": case.get("follows"),
        "sub-case of": case.get("parent"),
        "runs": case.get("net"),
        "opened": case.get("opened_at"),
        "updated": case.get("updated_at"),
        "closed": case.get("closed_at"),
        "data": case.get("data"),
    }


def _definition(case: Entry) -> str | None:
    if not case.get("definition"):
        return None
    version = case.get("definition_version")
    return f"{case['definition']}, version {version}" if version else str(case["definition"])


def _next(entries: list[Entry]) -> Iterator[str]:
    """Give a line for each thing that may happen: a state may wait for many."""
    for entry in entries:
        yield from (one_line(f"{place_of(entry)}: {line}", LINE_LENGTH) for line in lines_of(entry))


def _deadlines(case: Entry) -> Iterator[str]:
    """Give a line for each deadline; of one that is due, what it waits for."""
    until = _moment(case.get("waits_for_mailbox_until"))
    for entry in _items(case, "deadlines"):
        when = f" when {phrase(entry['when'])}" if entry.get("when") else ""
        line = f"{phrase(entry.get('due'))} in {entry.get('state')}{when}: {entry.get('does')}"
        due = _moment(entry.get("due"))
        if until is not None and due is not None and due <= until:
            read = phrase(case.get("waits_for_mailbox_until"))
            line += f" (waits until mailbox is read up to {read})"
        yield one_line(line, LINE_LENGTH)


def _moment(value: Json) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _child(entry: Entry) -> str:
    stands = entry.get("state") if entry.get("status") == "open" else None
    where = f" in {stands}" if stands else ""
    return one_line(f"{entry.get('id')} {entry.get('net')}: {entry.get('status')}{where}")


def _mails(mails: list[Entry]) -> Iterator[str]:
    for mail in mails:
        to = phrase(mail.get("recipients"))
        people = f"{mail.get('sender') or '?'} → {to}" if to else str(mail.get("sender") or "?")
        head = f"{phrase(mail.get('at'))} {mail.get('direction')} {people}: {mail.get('subject')}"
        yield one_line(head, LINE_LENGTH)
        yield from (f"    {line}" for line in _beginning(str(mail.get("text") or "")))


def _beginning(text: str) -> list[str]:
    lines = [line.rstrip()[:LINE_LENGTH] for line in printable(text).strip().splitlines()]
    more = [f"({len(lines) - LINES_OF_A_MAIL} more lines)"] if len(lines) > LINES_OF_A_MAIL else []
    return lines[:LINES_OF_A_MAIL] + more


def _outgoing(row: Entry) -> str:
    reason = f" ({row['reason']})" if row.get("reason") else ""
    to = phrase(row.get("recipients"))
    kind, state = row.get("kind"), row.get("state")
    number = f" (id {row['id']})" if row.get("id") else ""
    when = phrase(row.get("updated_at"))
    return one_line(f"{when} {kind} to {to}: {state}{reason}{number}", LINE_LENGTH)


def _steps(steps: list[Entry]) -> Iterator[str]:
    for step in steps:
        entry = step.get("entry")
        entry = entry if isinstance(entry, Mapping) else step
        when = phrase(step.get("at") or entry.get("at"))
        yield one_line(f"{when} {_what_happened(entry)}", LINE_LENGTH)
        yield from ("    " + indented(line, LINE_LENGTH) for line in asked(entry))


def _what_happened(entry: Entry) -> str:
    event = entry.get("event")
    event_type = event.get("type") if isinstance(event, Mapping) else event
    moved = (phrase(entry.get("from")), phrase(entry.get("to")))
    words = [
        str(entry.get("kind") or ""),
        str(entry.get("task") or ""),
        part_of(entry),
        f"on {event_type}" if event_type else "",
        " → ".join(place for place in moved if place),
        f"did {phrase(entry['did'])}" if entry.get("did") else "",
        *(f"{name} {phrase(entry[name])}" for name in ("by", "reason") if entry.get(name)),
        f"withdrew {phrase(entry['withdrawn'])}" if entry.get("withdrawn") else "",
        f"({with_times(phrase(entry['notes']))})" if entry.get("notes") else "",
    ]
    return " ".join(word for word in words if word)
