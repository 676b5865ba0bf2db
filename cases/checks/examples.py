"""What the example of a definition must satisfy: data that the definition declares."""

from collections.abc import Iterator
from dataclasses import replace

from cases.data import data_problems
from cases.errors import Problem
from cases.notation.declarations import Definition


def problems_of_example(definition: Definition) -> Iterator[Problem]:
    """Yield what keeps a case from being opened with the data of the definition's example."""
    if definition.example is None:
        return
    for problem in data_problems(definition.data, definition.example.data):
        yield replace(problem, place=f"example.{problem.place}")
