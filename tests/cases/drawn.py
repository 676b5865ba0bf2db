"""Nets drawn by hand for the tests, in a few words: a chain of tasks through named places."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cases.actions import Planned, Reply, SetData
from cases.data import DataSchema
from cases.expressions.fields import reader_of
from cases.net import Arc, Branch, Net, Place, Task, Trigger, make_net
from cases.state import CaseState, Firing

ANY = DataSchema()


def task(name: str, inputs: str = "", outputs: str = "", /, **more: Any) -> Task:
    """Return a task from places to places, each a list of names with a space in between."""
    return replace(
        Task(
            name,
            tuple(Arc(place) for place in inputs.split()),
            tuple(Branch(place) for place in outputs.split()),
        ),
        **more,
    )


def on(event: str, name: str, inputs: str, outputs: str = "", /, **more: Any) -> Task:
    """Return a task that an event starts."""
    return task(name, inputs, outputs, trigger=Trigger.EVENT, event_type=event, **more)


def drawn(
    tasks: Sequence[Task],
    *,
    start: str = "start",
    final: str = "end",
    fields: Sequence[str] = (),
    **more: Any,
) -> Net:
    """Return the net of some tasks; the places are those that they name."""
    named = dict.fromkeys([start, final])
    for one in tasks:
        named.update(dict.fromkeys(arc.place for arc in one.inputs))
        branches = (*one.outputs, *one.error_outputs)
        named.update(dict.fromkeys(branch.place for branch in branches))
    places = [Place(name, name, final=name == final) for name in named]
    schemas = dict.fromkeys(fields, ANY)
    return make_net(places, tasks, start, fields=schemas, **more)


def holding(template: str, **more: Any) -> Planned:
    """Return a reply that holds its task."""
    return Planned(Reply(template), blocking=True, **more)


def setting(field: str, value: Any, **more: Any) -> Planned:
    """Return an action that sets a field, to what another one holds if `value` names one."""
    if isinstance(value, str) and value.startswith(("data.", "event.", "thread.")):
        return Planned(SetData(field, None, reader_of(value), value), **more)
    return Planned(SetData(field, value), **more)


def running(state: CaseState, name: str) -> list[Firing]:
    """Return the running firings of a task that are no groups, the oldest first."""
    found = [one for one in state.running.values() if one.task == name and one.group is None]
    return sorted(found, key=lambda one: one.number)
