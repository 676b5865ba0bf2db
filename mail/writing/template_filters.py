"""What the filters and loops of mail templates do, and what they may cost."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2.runtime import Context, Undefined
from jinja2.utils import pass_context
from markupsafe import Markup, escape

STEPS_MAX = 50_000
BUDGET = "_budget"
"""The variable that holds the Budget of a rendering; templates cannot name it."""

_JOIN_MAX_CHARS = 400_000


class TemplateFailed(Exception):
    """A template that cannot be filled in with these variables; the text says why."""


class Budget:
    """The steps that one rendering may still take."""

    def __init__(self) -> None:
        self._left = STEPS_MAX

    def take(self, steps: int) -> None:
        """Use up steps; raises TemplateFailed when none are left."""
        self._left -= steps
        if self._left < 0:
            raise TemplateFailed("the template takes too many steps: its loops are too long")


@pass_context
def bounded(context: Context, value: Any, cost: int) -> Iterator[Any]:  # Any: JSON values
    """Yield the items of a list and charge each one; every loop of a template is wrapped so."""
    if not isinstance(value, list | tuple | Undefined):
        raise TemplateFailed("a loop needs a list")
    for item in value:
        context[BUDGET].take(cost)
        yield item


def printable(value: Any) -> Any:  # Any: JSON values
    """Return what an output prints: nothing for null, and an error for what has no one text."""
    if value is None:
        return ""
    if isinstance(value, Mapping | list | tuple):
        raise TemplateFailed("an output needs one value: name a field, or use a loop or join")
    return value


def _charged(function: Callable[..., Any]) -> Callable[..., Any]:  # Any: JSON values
    """Return a filter that pays for the length of what it works on."""

    @pass_context
    def charged(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, Undefined) and function is not _default:
            str(value)  # raises, and names what is missing
        size = len(value) if isinstance(value, str | list | tuple | Mapping) else 1
        context[BUDGET].take(1 + size // 1_000)
        return function(value, *args, **kwargs)

    return charged


def _default(value: Any, fallback: Any = "", boolean: bool = False) -> Any:  # Any: JSON values
    absent = isinstance(value, Undefined) or value is None or (boolean and not value)
    return fallback if absent else value


def _join(value: Any, separator: str = ", ") -> str:  # Any: JSON values
    if not isinstance(value, list | tuple):
        raise TemplateFailed("join needs a list")
    separator = str(separator)
    size = sum(len(str(item)) + len(separator) for item in value)
    if size > _JOIN_MAX_CHARS:
        raise TemplateFailed(f"join gives more than {_JOIN_MAX_CHARS} characters")
    return separator.join(str(item) for item in value)


def _truncate(value: Any, length: int = 255, end: str = "…") -> Any:  # Any: JSON values
    text = str(value)
    return text if len(text) <= length else text[: max(length - len(end), 0)] + end


def _text_filter(method: Callable[[str], str]) -> Callable[[Any], str]:  # Any: JSON values
    return lambda value: method(value if isinstance(value, str) else str(value))


def _rounded(value: Any, digits: int = 0) -> float:  # Any: JSON values
    return round(float(value), min(max(digits, 0), 20))


_PLAIN_FILTERS: dict[str, Callable[..., Any]] = {  # Any: JSON values
    "capitalize": _text_filter(lambda text: text.capitalize()),
    "d": _default,
    "default": _default,
    "e": escape,
    "escape": escape,
    "first": lambda value: value[0] if value else "",
    "float": float,
    "int": int,
    "join": _join,
    "last": lambda value: value[-1] if value else "",
    "length": len,
    "lower": _text_filter(lambda text: text.lower()),
    "nl2br": lambda value: escape(value).replace("\n", Markup("<br>\n")),
    "round": _rounded,
    "title": _text_filter(lambda text: text.title()),
    "trim": _text_filter(lambda text: text.strip()),
    "truncate": _truncate,
    "upper": _text_filter(lambda text: text.upper()),
}
FILTERS = {name: _charged(function) for name, function in _PLAIN_FILTERS.items()}
