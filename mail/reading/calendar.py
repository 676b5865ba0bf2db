"""The meetings in a mail's calendar parts (RFC 5545, RFC 5546)."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from itertools import islice

from icalendar import Event
from icalendar.prop import vBroken

from mail.message import Invite
from mail.reading.charsets import clean_line, decode
from mail.reading.headers import normal_address

_MAX_BYTES = 300_000
_MAX_EVENTS = 20
_MAX_LINES = 20
_MAX_LINE_CHARS = 2_000
_METHOD = re.compile(r"^METHOD:[ \t]*([A-Za-z-]{1,30})\s*$", re.I | re.M)
_ONLY = re.compile(r"(?:UID|SUMMARY|DTSTART|DTEND|DURATION|ORGANIZER)[;:]", re.I)
# What icalendar raises for values that its parsers did not foresee.
_ERRORS = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


def invites_in(data: bytes, charset: str | None, method: str = "") -> tuple[Invite, ...]:
    """Return the events of one calendar; none where it cannot be read.

    Only the six fields that an Invite tells are given to the library, so that recurrences and
    time zone rules, which can be made to run for ever, are never looked at. Times in a zone
    that the calendar defines for itself are None: a wrong time is worse than none.
    """
    text = decode(data[:_MAX_BYTES], charset or "utf-8")[0].replace("\r\n", "\n")
    text = text.replace("\r", "\n").replace("\n ", "").replace("\n\t", "")  # unfolded: 3.1
    stated = _METHOD.search(text)
    name = (stated[1] if stated else clean_line(method)[:30]).upper() or "PUBLISH"
    found: dict[tuple[str, datetime | None], Invite] = {}
    for lines in islice(_events(text), _MAX_EVENTS):
        invite = _invite(lines, name)
        if invite is not None:
            found.setdefault((invite.uid, invite.starts_at), invite)
    return tuple(found.values())


def _events(text: str) -> Iterator[list[str]]:
    """Yield the fields of each event that are read; those of alarms inside of it are not."""
    inside: list[str] = []
    fields: list[str] = []
    for line in text.split("\n"):
        word, _, kind = line.rstrip().upper()[:60].partition(":")
        if word == "BEGIN":
            inside.append(kind)
        elif word == "END" and inside:
            if inside.pop() == "VEVENT" and fields:
                yield fields
                fields = []
        elif inside[-1:] == ["VEVENT"] and _ONLY.match(line) and len(fields) < _MAX_LINES:
            fields.append(line[:_MAX_LINE_CHARS])


def _invite(lines: list[str], method: str) -> Invite | None:
    try:
        event = Event.from_ical("\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT", ""]))
        if not isinstance(event, Event):
            return None
        return Invite(
            method=method,
            uid=clean_line(str(event.get("UID", "")))[:300],
            summary=clean_line(str(event.get("SUMMARY", "")))[:500],
            starts_at=_moment(event, "DTSTART"),
            ends_at=_end(event),
            organizer=_organizer(event),
        )
    except _ERRORS:
        return None


def _end(event: Event) -> datetime | None:
    end = _moment(event, "DTEND")
    if end is not None or "DURATION" not in event:
        return end
    start = _moment(event, "DTSTART")
    duration = getattr(event.get("DURATION"), "dt", None)
    try:
        return start + duration if start is not None and duration is not None else None
    except _ERRORS:
        return None


def _moment(event: Event, name: str) -> datetime | None:
    """Return a time in UTC; a whole day begins at midnight UTC, as does a time of no zone."""
    found = event.get(name)
    if found is None or isinstance(found, vBroken):
        return None
    value = getattr(found, "dt", None)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            names_zone = "TZID" in getattr(found, "params", {})
            return None if names_zone else value.replace(tzinfo=UTC)
        return value.astimezone(UTC)
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else None


def _organizer(event: Event) -> str | None:
    value = clean_line(str(event.get("ORGANIZER", "")))[:400]
    return normal_address(re.sub(r"^mailto:", "", value, flags=re.IGNORECASE))
