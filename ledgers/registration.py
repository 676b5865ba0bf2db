"""What a definition must be to be registered: sound by itself, and with templates that work."""

from collections.abc import Iterator

from cases.definitions import canonical_json, parse_definition
from cases.errors import DefinitionInvalid, Problem
from cases.states import Definition
from mail.templates import VARIABLES, TemplateSource, check_template

_DATA = "case.data"


def checked(spec: object) -> tuple[Definition, str]:
    """Return a definition and its canonical document.

    Raises DefinitionInvalid with every problem of the definition, or of its templates.
    """
    definition = parse_definition(spec)
    problems = list(_template_problems(definition))
    if problems:
        raise DefinitionInvalid(problems)
    return definition, canonical_json(definition)


def _template_problems(definition: Definition) -> Iterator[Problem]:
    # Of the case data only what is declared can ever have a value.
    readable = (VARIABLES - {_DATA}) | {f"{_DATA}.{field}" for field in definition.data}
    for name, template in definition.templates.items():
        source = TemplateSource(template.subject or "", template.text, template.html)
        for problem in check_template(source, readable):
            place = f"templates.{name}.{problem.part}"
            yield Problem(place, f"line {problem.line}: {problem.text}")
