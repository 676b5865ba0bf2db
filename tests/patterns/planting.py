"""How a fault is planted: in a function of the engine, wherever it is used, or in the nets."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cases.compiling.compile import compile_net
from cases.net import Lock, Net, Task, make_net
from cases.notation.declarations import Definition
from tests.patterns import running

Plant = Callable[[pytest.MonkeyPatch], None]
# Any: functions of all shapes are replaced.
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that can be planted, and the patterns whose checks have to find it."""

    name: str
    sentence: str
    patterns: tuple[int, ...]
    plant: Plant

    def __str__(self) -> str:
        """Return the fault as the tests name it."""
        return self.name


FAULTS: list[Fault] = []


def fault(sentence: str, *patterns: int) -> Callable[[Plant], Plant]:
    """Add a fault to the list, under the name of the function that plants it."""

    def add(plant: Plant) -> Plant:
        name = plant.__name__.strip("_").replace("_", " ")
        FAULTS.append(Fault(name, sentence, patterns, plant))
        return plant

    return add


def swap(patch: pytest.MonkeyPatch, real: Function, wrong: Function) -> None:
    """Put a function in the place of another one in every module of the core that has it."""
    places = [
        (module, name)
        for id_, module in list(sys.modules.items())
        if id_.partition(".")[0] == "cases"
        for name, value in vars(module).items()
        if value is real
    ]
    assert places, f"nothing in the core uses {real}"
    for module, name in places:
        patch.setattr(module, name, wrong)


def change_tasks(patch: pytest.MonkeyPatch, change: Callable[[Task], Task]) -> None:
    """Change the tasks of every net."""
    change_nets(patch, lambda net: remade(net, [change(entry.task) for entry in net.tasks]))


def change_nets(patch: pytest.MonkeyPatch, change: Callable[[Net], Net]) -> None:
    """Change every net before it is run."""

    def changed(definition: Definition, name: str | None = None) -> Net:
        return change(compile_net(definition, name))

    patch.setattr(running, "compile_net", changed)


def remade(net: Net, tasks: list[Task], locks: tuple[Lock, ...] | None = None) -> Net:
    """Return a net with other tasks, or other locks."""
    return make_net(
        list(net.places.values()),
        tasks,
        net.start,
        labels=net.labels,
        fields=net.fields,
        defaults=net.defaults,
        ends_when_empty=net.ends_when_empty,
        locks=net.locks if locks is None else locks,
        max_depth=net.max_depth,
    )


def ending_when_empty(net: Net, *, empty: bool) -> Net:
    """Return a net with implicit termination, or without."""
    return replace(net, ends_when_empty=empty)
