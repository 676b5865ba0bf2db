"""Mail templates: a bounded part of Jinja2 in which nothing but data can be reached.

Three fences, each enough by itself for what it keeps out: a list of allowed syntax (no calls,
no arithmetic, no assignments, so nothing can grow), an environment in which a dot reads a key
of a mapping and never an attribute of an object, and a budget for loops and output.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import (
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    UndefinedError,
    nodes,
)
from jinja2.runtime import LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mail.reading.charsets import clean_line, clean_text
from mail.reading.html import text_of_html
from mail.writing.template_filters import (
    BUDGET,
    FILTERS,
    Budget,
    TemplateFailed,
    bounded,
    printable,
)
from mail.writing.template_places import unsafe_outputs
from mail.writing.template_syntax import TESTS, Problem, loop_names, nearest, parsed, paths_read
from mail.writing.text_to_html import html_of_text, marked, unmarked

__all__ = [
    "VARIABLES",
    "Problem",
    "Rendered",
    "TemplateFailed",
    "TemplateSource",
    "check_template",
    "render",
]

VARIABLES = frozenset(
    {
        "case.id",
        "case.data",
        "case.label",
        "message.subject",
        "message.from_name",
        "message.from_address",
        "message.text",
        "mailbox.address",
        "event",
        "thread",
    }
)
"""What templates may read: these and what lies under them."""
_TEXTS = VARIABLES - {"case.data", "event", "thread"}

_SUBJECT_MAX_CHARS = 10_000
_OUTPUT_MAX_CHARS = 400_000
_BOUNDED = "_bounded"
_HTML_MAX_TAGS = 20_000


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template as it is written; at least one of `text` and `html`."""

    subject: str
    text: str | None = None
    html: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template filled in; the subject is one line. Without html a mail is text alone."""

    subject: str
    text: str
    html: str | None


def check_template(
    source: TemplateSource, allowed_roots: Collection[str] = VARIABLES
) -> tuple[Problem, ...]:
    """Return what is wrong with a template; nothing where it is fit to register.

    `allowed_roots` are the dotted names that may be read, with everything under them.
    """
    problems: list[Problem] = []
    if source.text is None and source.html is None:
        problems.append(Problem("template", 1, "it needs a text or an html part"))
    for part, text in _parts(source):
        problems += _problems(part, text, frozenset(allowed_roots))
    return tuple(problems)


def render(source: TemplateSource, variables: Mapping[str, Any]) -> Rendered:  # Any: JSON values
    """Return a template filled in with JSON-like variables.

    Of text and html the one that is missing is derived from the other. Raises
    TemplateFailed, which names the variable that is missing or the bound that was exceeded.
    """
    subject = clean_line(_filled("subject", source.subject, variables, _SUBJECT_MAX_CHARS))
    if source.html is None:
        if source.text is None:
            raise TemplateFailed("the template has neither text nor html")
        marked = clean_text(_filled("text", source.text, variables, _OUTPUT_MAX_CHARS))
        return Rendered(subject, unmarked(marked), html_of_text(marked))
    html = clean_text(_filled("html", source.html, variables, _OUTPUT_MAX_CHARS))
    if source.text is None:
        return Rendered(subject, text_of_html(html, _HTML_MAX_TAGS)[0], html)
    text = clean_text(_filled("text", source.text, variables, _OUTPUT_MAX_CHARS))
    return Rendered(subject, unmarked(text), html)


def _parts(source: TemplateSource) -> Iterator[tuple[str, str]]:
    yield "subject", source.subject
    if source.text is not None:
        yield "text", source.text
    if source.html is not None:
        yield "html", source.html


class _MissingKeyError(UndefinedError):
    """A key that a value does not have; the key is the whole message."""


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2 in which a dot or a bracket reads JSON, and nothing else."""

    def __init__(self, autoescape: bool, finalize: Callable[[Any], Any]) -> None:
        super().__init__(
            autoescape=autoescape,
            undefined=StrictUndefined,
            finalize=finalize,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.globals.clear()
        self.filters = {**FILTERS, _BOUNDED: bounded}
        self.tests = {name: test for name, test in self.tests.items() if name in TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:  # Any: JSON values
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # Any: JSON values
        # A key named "items" or "copy" is a key; methods and attributes cannot be reached.
        if isinstance(obj, Undefined):
            return obj[argument]  # raises, and names what is missing
        is_index = isinstance(obj, list | tuple) and isinstance(argument, int)
        if is_index or (isinstance(obj, Mapping) and isinstance(argument, str | int)):
            try:
                return obj[argument]
            except (KeyError, IndexError):
                pass
        return self.undefined(hint=str(argument), exc=_MissingKeyError)


def _marked(value: Any) -> str:  # Any: JSON values
    """Return what a text's output prints, marked as data."""
    return marked(str(printable(value)))


_ENVIRONMENTS: Mapping[str, _Environment] = {
    "subject": _Environment(autoescape=False, finalize=printable),
    "text": _Environment(autoescape=False, finalize=_marked),
    "html": _Environment(autoescape=True, finalize=printable),
}
_SYNTAX = _ENVIRONMENTS["subject"]


@dataclass(frozen=True, slots=True)
class _Compiled:
    template: Template
    paths: tuple[tuple[str, ...], ...]


def _filled(part: str, source: str, variables: Mapping[str, Any], limit: int) -> str:
    pieces: list[str] = []
    size = 0
    try:
        compiled = _compiled(part, source)
    except TemplateFailed as error:
        raise TemplateFailed(f"{part}, {error}") from error
    try:
        for piece in compiled.template.generate({**variables, BUDGET: Budget()}):
            size += len(piece)
            if size > limit:
                raise TemplateFailed(f"the {part} is longer than {limit} characters")
            pieces.append(piece)
    except _MissingKeyError as error:
        name = _missing(compiled.paths, variables, error.message or "")
        raise TemplateFailed(f"the {part} needs {name}, which has no value in this case") from error
    except TemplateError as error:
        raise TemplateFailed(f"the {part} cannot be filled in: {error.message}") from error
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        # Filters and comparisons raise these for values of another type than they expect.
        raise TemplateFailed(f"the {part} cannot be filled in: {error}") from error
    return "".join(pieces)


def _missing(paths: tuple[tuple[str, ...], ...], variables: Mapping[str, Any], key: str) -> str:
    """Return the whole name of a variable that fails at `key`."""
    for path in paths:
        value: Any = variables
        for step in path:
            if isinstance(value, Mapping) and step in value:
                value = value[step]
                continue
            if step == key:
                return ".".join(path)
            break
    return key  # of an item of a loop


@lru_cache(maxsize=512)
def _compiled(part: str, source: str) -> _Compiled:
    environment = _ENVIRONMENTS[part]
    problems, tree = parsed(_SYNTAX, "", source)
    if tree is None or problems:
        raise TemplateFailed(f"line {problems[0].line}: {problems[0].text}")
    looped = loop_names(tree)
    names = {path: None for path, _ in paths_read(tree) if path[0] not in looped}
    for loop in list(tree.find_all(nodes.For)):
        cost = nodes.Const(1 + sum(1 for node in loop.body for _ in node.find_all(nodes.Node)))
        loop.iter = nodes.Filter(loop.iter, _BOUNDED, [cost], [], None, None, lineno=loop.lineno)
    try:
        code = environment.compile(tree)
    except TemplateSyntaxError as error:
        raise TemplateFailed(f"line {error.lineno}: {error.message}") from error
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise TemplateFailed("the template is nested too deeply") from error
    return _Compiled(Template.from_code(environment, code, {}), tuple(names))


def _problems(part: str, source: str, allowed: frozenset[str]) -> list[Problem]:
    problems, tree = parsed(_SYNTAX, part, source)
    if tree is None or problems:
        return problems
    looped = loop_names(tree)
    for path, line in paths_read(tree):
        if path[0] not in looped:
            problem = _path_problem(".".join(path), allowed)
            if problem:
                problems.append(Problem(part, line, problem))
    if part == "html":
        problems += [Problem(part, line, text) for line, text in unsafe_outputs(_SYNTAX, source)]
    if not problems:
        try:
            _compiled(part, source)
        except TemplateFailed as error:
            problems.append(Problem(part, 1, str(error)))
    return problems


def _path_problem(path: str, allowed: frozenset[str]) -> str | None:
    root = next((one for one in allowed if path == one or path.startswith(f"{one}.")), None)
    if root is not None:
        below = path != root and root in _TEXTS
        return f"{root!r} is a text, with nothing under it" if below else None
    fields = sorted(root for root in allowed if root.startswith(f"{path}."))
    if fields:
        return f"{path!r} is no value by itself: use one of {', '.join(fields)}"
    return f"there is no variable {path!r}{nearest(path, allowed, _TEXTS)}"
