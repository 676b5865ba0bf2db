"""Whether what a definition declares beside its net is right in itself, in either notation."""

from collections.abc import Iterator

from cases.checks.examples import problems_of_example
from cases.data import DataSchema, problems_of_value
from cases.errors import Problem
from cases.nearest import nearest
from cases.notation.declarations import Definition
from cases.values import place_of, place_under, shown_text


def declaration_problems(definition: Definition) -> Iterator[Problem]:
    """Yield what is wrong with the schemas of the case data, the templates and the example."""
    for name, schema in definition.data.items():
        yield from _schema_problems(schema, place_of(("data", name)))
    for name, template in definition.templates.items():
        if template.text is None and template.html is None:
            yield Problem(place_of(("templates", name)), "needs a text, an html, or both")
    yield from problems_of_example(definition)


def _schema_problems(schema: DataSchema, where: str) -> Iterator[Problem]:
    """Yield what is wrong with the schema of a data field."""
    if schema.default is not None:
        yield from problems_of_value(schema, schema.default, f"{where}.default")
    if schema.items is not None:
        yield from _schema_problems(schema.items, f"{where}.items")
    for name, part in (schema.properties or {}).items():
        yield from _schema_problems(part, place_under(f"{where}.properties", name))
    for name in schema.required or ():
        if schema.properties is not None and name not in schema.properties:
            message = f"requires {shown_text(name)}, which is not among its properties"
            yield Problem(f"{where}.required", message, nearest(name, schema.properties))
