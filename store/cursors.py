"""Opaque cursors for lists by key: stable while rows are added, and never an offset."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from contracts.errors import CursorInvalid

MAX_CURSOR_LENGTH = 256
MAX_ROW_ID = 2**31 - 1

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list, and the cursor of the next page, or None on the last one."""

    items: list[Item]
    next_cursor: str | None


def page_of(items: Sequence[Item], limit: int, cursors: Sequence[str]) -> Page[Item]:
    """Return a page of at most `limit` from `limit` + 1 items that were asked for.

    `cursors` are those of the items, one each.
    """
    more = len(items) > limit
    return Page(list(items[:limit]), cursors[limit - 1] if more else None)


def time_cursor(at: datetime, key: str) -> str:
    """Return the cursor of a row that is ordered by a time, then by a key."""
    return _encoded([at.isoformat(), key])


def row_cursor(row_id: int) -> str:
    """Return the cursor of a row that is ordered by its id."""
    return _encoded([row_id])


def read_time_cursor(cursor: str) -> tuple[datetime, str]:
    """Return what `time_cursor` was given; raises CursorInvalid."""
    match _decoded(cursor):
        case [str(text), str(key)] if len(key) <= MAX_CURSOR_LENGTH:
            return _aware_time(text), key
    raise CursorInvalid


def read_row_cursor(cursor: str) -> int:
    """Return what `row_cursor` was given; raises CursorInvalid."""
    match _decoded(cursor):
        case [int(row_id)] if 0 <= row_id <= MAX_ROW_ID:
            return row_id
    raise CursorInvalid


def _encoded(parts: list[str | int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _decoded(cursor: str) -> object:
    if len(cursor) > MAX_CURSOR_LENGTH:
        raise CursorInvalid
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts: object = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        raise CursorInvalid from None
    # Neither database stores these characters; nothing of ours has them either.
    if isinstance(parts, list) and any(isinstance(p, str) and not p.isprintable() for p in parts):
        raise CursorInvalid
    return parts


def _aware_time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CursorInvalid from None
    if at.tzinfo is None or at.utcoffset():
        raise CursorInvalid
    return at
