"""Whether the fields that a definition reads are there, and hold what they are read for."""

from collections.abc import Iterator

from cases.data import DataFormat, DataType
from cases.declarations import Definition
from cases.errors import Problem
from cases.fields import BadField, reader_of
from cases.nearest import nearest
from cases.values import shown_text


class FieldChecks:
    """The checks of fields against the case data that a definition declares."""

    def __init__(self, definition: Definition) -> None:
        self._data = definition.data

    def field(self, where: str, field: str) -> Iterator[Problem]:
        """Yield what is wrong with a field that guards or actions read."""
        try:
            reader_of(field)
        except BadField as error:
            yield Problem(where, f"{shown_text(field)!r} {error}", _nearest_field(field))
            return
        if field.startswith("data."):
            yield from self.data_field(where, field)

    def data_field(self, where: str, field: str) -> Iterator[Problem]:
        """Yield what is wrong with a field that starts with `data.`: its first name is declared."""
        name = field.split(".")[1]
        if name not in self._data:
            yield self.missing(where, name, "data.")

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
    near = nearest(root, ("event", "data"))
    if near is not None and all(rest.split(".")):
        return f"{near}.{shown_text(rest)}"
    return nearest(field, ("label", "confidence", "event.type"))
