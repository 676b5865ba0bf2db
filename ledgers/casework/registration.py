"""What a definition must be to be registered: sound by itself, and with templates that work."""

import time
from collections.abc import Iterator
from datetime import timedelta

from cases.definitions import canonical_json, parse_definition
from cases.errors import DefinitionInvalid, Problem
from cases.notation.declarations import Definition
from cases.notation.tasks import TasksDefinition
from cases.soundness.findings import check_definition
from cases.soundness.verdict import Report, Severity, Soundness
from mail.writing.templates import VARIABLES, TemplateSource, check_template

_DATA, _THREAD = "case.data", "thread"

# A caller waits for the answer, and the check is exponential in the width of a net.
TIME_TO_CHECK = timedelta(seconds=2)


def checked(spec: object) -> tuple[Definition, str]:
    """Return a definition and its canonical document.

    Raises DefinitionInvalid with every problem of the definition, or of its templates.
    """
    definition = parse_definition(spec)
    problems = list(_template_problems(definition))
    if problems:
        raise DefinitionInvalid(problems)
    return definition, canonical_json(definition)


def judged(definition: Definition) -> Report:
    """Return what the check of a definition's nets says in the time that it has."""
    end = time.monotonic() + TIME_TO_CHECK.total_seconds()
    return check_definition(definition, still_time=lambda: time.monotonic() < end)


class DefinitionUnsound(DefinitionInvalid):
    """A definition that is well-formed, and whose cases may not come to their end."""


def refuse_unsound(report: Report) -> None:
    """Raise DefinitionUnsound, with the way to each fault, if a definition is unsound."""
    if report.verdict is Soundness.UNSOUND:
        raise DefinitionUnsound(
            [
                Problem(one.place, f"{one.kind}: {one.told()}")
                for one in report.findings
                if one.severity is Severity.ERROR
            ]
        )


def _template_problems(definition: Definition) -> Iterator[Problem]:
    for name, template in definition.templates.items():
        source = TemplateSource(template.subject or "", template.text, template.html)
        yield from template_problems(definition, source, f"templates.{name}")


def template_problems(
    definition: Definition, source: TemplateSource, place: str
) -> Iterator[Problem]:
    """Yield what is wrong with a template of a definition, each under its place."""
    # Of the case data only what is declared can ever have a value.
    readable = (VARIABLES - {_DATA}) | {f"{_DATA}.{field}" for field in definition.data}
    if not isinstance(definition, TasksDefinition):
        readable -= {_THREAD}  # a case of states has one thread only, whose data is the case's
    for problem in check_template(source, readable):
        yield Problem(f"{place}.{problem.part}", f"line {problem.line}: {problem.text}")
