"""Which files an action sends along: what its fields hold when it is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from cases.actions import MailAction
from cases.expressions.fields import Facts, reader_of
from cases.limits import MAX_ATTACHMENTS
from cases.values import JSON


class FileMissing(Exception):
    """A field from which a file was to be taken holds none; the text says what it holds instead."""


def with_files(action: MailAction, facts: Facts) -> MailAction:
    """Return the action with ids of files in place of fields, or raise FileMissing.

    A field holds a file, `{file: ID, …}`, or a list of files, which may be empty.
    """
    if not action.attach:
        return action
    found = tuple(dict.fromkeys(id_ for field in action.attach for id_ in _files(field, facts)))
    if len(found) > MAX_ATTACHMENTS:
        raise FileMissing(f"{len(found)} files are too many: at most {MAX_ATTACHMENTS} go along")
    return replace(action, attach=found)


def _files(field: str, facts: Facts) -> Iterator[str]:
    value = reader_of(field)(facts)
    files: Sequence[JSON] = value if isinstance(value, list | tuple) else [value]
    for file in files:
        id_ = file.get("file") if isinstance(file, Mapping) else None
        if not isinstance(id_, str) or not id_:
            raise FileMissing(f"{field} holds no file")
        yield id_
