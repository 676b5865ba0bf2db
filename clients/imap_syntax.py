"""The words of IMAP, without a connection: folder names, UID sets, dates and FETCH items.

Pure functions over bytes; everything here comes from a server that may send nonsense.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

Parts = tuple[bytes, ...]
"""One response: line, literal, line, literal, …, line."""

# A folder name may hold these as they are; "&" begins an encoded run (RFC 3501, 5.1.3).
_PLAIN = re.compile(r"[\x20-\x25\x27-\x7e]+|&|[^\x20-\x7e]+")
_ENCODED_RUN = re.compile(r"&([A-Za-z0-9+,]*)-")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(rb"""\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"\[]+(?:\[[^\]]*\])?[^\s()"]*))""")
_FLAG = re.compile(r"\\?[A-Za-z0-9$_.:-]+")
_LITERAL_MARK = re.compile(rb"~?\{\d+\+?\}$")
_CODE = re.compile(rb"\[([A-Za-z0-9.-]+)(?: ([^\]]*))?\]")
_DATE = re.compile(
    rb"\s*(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\s*"
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        b"jan feb mar apr may jun jul aug sep oct nov dec".split(),
        start=1,
    )
}


def quoted(text: str) -> str:
    """Return text as an IMAP quoted string (RFC 3501, 4.3); ValueError if it cannot be one."""
    if _CONTROL.search(text) or not text.isascii():
        raise ValueError("an IMAP quoted string holds printable ASCII only")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def folder_name(name: str) -> str:
    """Return a folder's name for the wire: modified UTF-7, quoted (RFC 3501, 5.1.3)."""
    if not name or _CONTROL.search(name):
        raise ValueError("a folder name is not empty and holds no control characters")
    if name.upper() == "INBOX":
        return '"INBOX"'
    return quoted("".join(_encoded_run(run) for run in _PLAIN.findall(name)))


def _encoded_run(run: str) -> str:
    if run == "&":
        return "&-"
    if run.isascii():
        return run
    encoded = base64.b64encode(run.encode("utf-16-be", "surrogatepass")).rstrip(b"=")
    return "&" + encoded.decode("ascii").replace("/", ",") + "-"


def decoded_folder_name(name: bytes) -> str:
    """Return a folder's name from the wire; what is no modified UTF-7 stays as it is."""
    text = name.decode("utf-8", "replace")
    try:
        return _ENCODED_RUN.sub(_decoded_run, text)
    except ValueError:
        return text


def _decoded_run(run: re.Match[str]) -> str:
    encoded = run.group(1).replace(",", "/")
    if not encoded:
        return "&"
    padding = "=" * (-len(encoded) % 4)
    return base64.b64decode(encoded + padding, validate=True).decode("utf-16-be")


def listed_folder(parts: Parts) -> str | None:
    """Return the name that a LIST response tells (RFC 9051, 7.3.1), or None.

    None also for a folder that cannot be opened. `parts` begins behind the "* ".
    """
    if not parts[0].upper().startswith(b"LIST "):
        return None
    depth, attributes, values = 0, set[bytes](), list[bytes | None]()
    for token in _tokens(parts):
        if isinstance(token, _Paren):
            depth += 1 if token is _Paren.OPEN else -1
        elif depth:
            attributes.add((token or b"").upper())
        else:
            values.append(token)
    # LIST, the delimiter, and the name.
    if len(values) < 3 or not values[2] or attributes & {b"\\NOSELECT", b"\\NONEXISTENT"}:
        return None
    name = decoded_folder_name(values[2])
    return "INBOX" if name.upper() == "INBOX" else name


def flag_list(flags: Iterable[str]) -> str:
    """Return flags as a parenthesised list; ValueError where one is no flag (RFC 3501, 9)."""
    chosen = list(flags)
    for flag in chosen:
        if not _FLAG.fullmatch(flag):
            raise ValueError(f"{flag!r} is no IMAP flag")
    return f"({' '.join(chosen)})"


def uid_sets(uids: Iterable[int], *, at_most: int) -> Iterator[str]:
    """Yield UID sets of at most so many UIDs each, consecutive ones as ranges.

    A set stays below 8,000 octets, which is what servers must take (RFC 2683, 3.2.1.5).
    """
    ordered = sorted(set(uids))
    for start in range(0, len(ordered), at_most):
        yield ",".join(_ranges(ordered[start : start + at_most]))


def _ranges(ordered: Sequence[int]) -> Iterator[str]:
    first = last = ordered[0]
    for uid in (*ordered[1:], 0):
        if uid == last + 1:
            last = uid
            continue
        yield str(first) if first == last else f"{first}:{last}"
        first = last = uid


# How nearly every whole mail comes; token by token it takes five times as long.
_WHOLE_MAIL = re.compile(rb"\d+ FETCH \(UID (\d+) BODY\[\] \{\d+\}", re.IGNORECASE)


class _Paren(Enum):
    OPEN = "("
    CLOSE = ")"


def _tokens(parts: Parts) -> Iterator[bytes | _Paren | None]:
    """Yield parentheses, atoms, quoted strings and literals; None for NIL.

    A literal or a string that reads "(" stays a value, since only the line's own count.
    """
    for index in range(0, len(parts), 2):
        line = parts[index]
        if index + 1 < len(parts):
            yield from _line_tokens(_LITERAL_MARK.sub(b"", line))
            yield parts[index + 1]
        else:
            yield from _line_tokens(line)


def _line_tokens(line: bytes) -> Iterator[bytes | _Paren | None]:
    # Anchored matches, no search: what fits nothing ends the line, at linear cost.
    position = 0
    while found := _TOKEN.match(line, position):
        position = found.end()
        paren, string, atom = found.groups()
        if paren:
            yield _Paren(paren.decode("ascii"))
        elif atom:
            yield None if atom.upper() == b"NIL" else atom
        else:
            yield re.sub(rb"\\(.)", rb"\1", string)


def fetch_items(parts: Parts) -> dict[bytes, bytes]:
    """Return the data items of one FETCH response by upper-case name.

    Items whose value is a list (FLAGS) or NIL are left out. `parts` begins behind the "* ".
    """
    if len(parts) == 3 and parts[2] == b")" and (whole := _WHOLE_MAIL.fullmatch(parts[0])):
        return {b"UID": whole[1], b"BODY[]": parts[1]}
    items: dict[bytes, bytes] = {}
    name: bytes | None = None
    depth = 0
    for token in _tokens(parts):
        if isinstance(token, _Paren):
            depth += 1 if token is _Paren.OPEN else -1
            name = None
        elif depth != 1:  # "12 FETCH" before the list, or a list within it
            continue
        elif name is None:
            name = (token or b"").upper()
        else:
            if token is not None:
                items[name] = token
            name = None
    return items


def response_code(line: bytes) -> tuple[str, str]:
    """Return the code of a status response and its argument, as in "[UIDNEXT 4]", or empty."""
    found = _CODE.search(line)
    if found is None:
        return "", ""
    argument = found.group(2) or b""
    return found.group(1).decode("ascii").upper(), argument.decode("ascii", "replace")


def internal_date(text: bytes) -> datetime | None:
    """Return an INTERNALDATE as an aware UTC time, or None where it is nonsense."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second, sign, off_hours, off_minutes = found.groups()
    month_number = _MONTHS.get(month.lower(), 0)
    clock = int(hour), int(minute), int(second)
    offset = timedelta(hours=int(off_hours), minutes=int(off_minutes))
    try:
        zone = timezone(-offset if sign == b"-" else offset)
        local = datetime(int(year), month_number, int(day), *clock, tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def readable(text: bytes | str) -> str:
    """Return a server's words fit for an error or a log line: one line, at most 200 letters."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return _CONTROL.sub(" ", words)[:200].strip()
