"""Whether the fields that a definition reads are there, and hold what they are read for."""

import re
from collections.abc import Iterator

from cases.data import DataFormat, DataType
from cases.errors import Problem
from cases.expressions.fields import BadField, reader_of
from cases.nearest import nearest
from cases.notation.declarations import Definition
from cases.values import shown_text

_THREAD_NAME = re.compile(r"thread\.[A-Za-z][A-Za-z0-9_-]{0,63}")
_GIVEN = ("thread.number", "thread.item")


class FieldChecks:
    """The checks of fields against the case data that a definition declares."""

    def __init__(self, definition: Definition, *, threads: bool = False) -> None:
        """Take the definition; with `threads` its net has threads of control that hold data."""
        self._data = definition.data
        self._threads = threads

    def field(self, where: str, field: str) -> Iterator[Problem]:
        """Yield what is wrong with a field that guards or actions read."""
        try:
            reader_of(field)
        except BadField as error:
            yield Problem(where, f"{shown_text(field)!r} {error}", _nearest_field(field))
            return
        if field.startswith("data."):
            yield from self.data_field(where, field)
        elif field.startswith("thread."):
            yield from self.thread_field(where)

    def data_field(self, where: str, field: str) -> Iterator[Problem]:
        """Yield what is wrong with a field that starts with `data.`: its first name is declared."""
        name = field.split(".")[1]
        if name not in self._data:
            yield self.missing(where, name, "data.")

    def thread_field(self, where: str) -> Iterator[Problem]:
        """Yield what is wrong with a field that starts with `thread.`."""
        if not self._threads:
            message = "a case of states has one thread only: use data.NAME, or write it with tasks"
            yield Problem(where, message)

    def settable_in_thread(self, where: str, field: str) -> Iterator[Problem]:
        """Yield what is wrong with a `thread.NAME` that is to be set."""
        if not self._threads:
            yield from self.thread_field(where)
        elif _THREAD_NAME.fullmatch(field) is None:
            yield Problem(where, "must be thread.NAME, a name of letters, digits, _ and -")
        elif field in _GIVEN:
            yield Problem(where, "is given to each thread when it begins: set another name")

    def list_field(self, where: str, field: str) -> Iterator[Problem]:
        """Yield what is wrong with a field that is to hold a list."""
        yield from self.field(where, field)
        yield from self._of_type(where, field, DataType.ARRAY, "a list: declare it {type: array}")

    def number_field(self, where: str, field: str) -> Iterator[Problem]:
        """Yield what is wrong with a field that is to hold a whole number."""
        yield from self.field(where, field)
        message = "a whole number: declare it {type: integer}"
        yield from self._of_type(where, field, DataType.INTEGER, message)

    def _of_type(self, where: str, field: str, type_: DataType, needed: str) -> Iterator[Problem]:
        """Yield that a field of the case data is declared as something else than is needed."""
        root, _, name = field.partition(".")
        schema = self._data.get(name) if root == "data" else None
        if schema is not None and schema.type not in (None, type_):
            yield Problem(where, f"the field {name} must be {needed}")

    def moment(self, where: str, at: str) -> Iterator[Problem]:
        """Yield what is wrong with a field that is to hold a time."""
        root, _, name = at.partition(".")
        schema = self._data.get(name)
        if root != "data" or not name:
            yield Problem(where, "must be a field of the case data, as data.FIELD")
        elif schema is None:
            yield self.missing(where, name, "data.")
        elif schema.type is not DataType.STRING or schema.format is not DataFormat.DATE_TIME:
            message = f"the field {name} must be declared {{type: string, format: date-time}}"
            yield Problem(where, message)

    def missing(self, where: str, name: str, prefix: str = "") -> Problem:
        """Return the problem that a field is not declared; `prefix` goes before the nearest one."""
        near = nearest(name, self._data)
        message = f"there is no field {shown_text(name)} under data"
        return Problem(where, message, near and prefix + near)


def _nearest_field(field: str) -> str | None:
    """Return the field that a wrong one was meant to be: a fixed one, or one with a better root."""
    root, _, rest = field.partition(".")
    near = nearest(root, ("event", "data", "thread"))
    if near is not None and all(rest.split(".")):
        return f"{near}.{shown_text(rest)}"
    return nearest(field, ("label", "confidence", "event.type"))
