"""The nets of the engine's benchmark, for our engine and for SpiffWorkflow."""

from datetime import UTC, datetime
from typing import Any

from SpiffWorkflow.operators import Attrib, LessThan  # type: ignore[import-untyped]  # untyped
from SpiffWorkflow.specs.ExclusiveChoice import (  # type: ignore[import-untyped]  # untyped
    ExclusiveChoice,
)
from SpiffWorkflow.specs.Join import Join as SpiffJoin  # type: ignore[import-untyped]  # untyped
from SpiffWorkflow.specs.Simple import Simple  # type: ignore[import-untyped]  # untyped
from SpiffWorkflow.specs.WorkflowSpec import (  # type: ignore[import-untyped]  # untyped
    WorkflowSpec,
)
from SpiffWorkflow.workflow import Workflow  # type: ignore[import-untyped]  # untyped

from cases.actions import Planned, SetData
from cases.data import DataSchema
from cases.expressions.conditions import Condition
from cases.expressions.fields import Facts
from cases.expressions.guards import guard_of
from cases.net import Arc, Branch, Net, Place, Split, Task, Trigger, make_net
from cases.values import JSON

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def loop(size: int) -> Net:
    """Return a loop of two tasks, one that counts and a choice, that ends after `size` firings."""
    more = Condition.model_validate({"field": "data.n", "op": "less_than", "value": size})
    counting = SetData("n", None, _counted, "data.n + 2")
    return make_net(
        [Place("work", "work"), Place("choice", "choice"), Place("end", "end", final=True)],
        [
            Task("work", (Arc("work"),), (Branch("choice"),), actions=(Planned(counting),)),
            Task(
                "choice",
                (Arc("choice"),),
                (Branch("work", guard=guard_of(more)), Branch("end")),
                split=Split.FIRST,
            ),
        ],
        "work",
        fields={"n": DataSchema.model_validate({"type": "integer"})},
        defaults={"n": 0},
    )


def blocks(count: int, width: int) -> Net:
    """Return blocks one after the other, each an AND split, `width` tasks, and an AND join."""
    places = [Place("0", "0")]
    tasks: list[Task] = []
    for block in range(count):
        begun = [f"{block}.{n}" for n in range(width)]
        done = [f"{place}.done" for place in begun]
        after = Place(f"{block + 1}", f"{block + 1}", final=block + 1 == count)
        places += [*(Place(one, one) for one in (*begun, *done)), after]
        tasks.append(Task(f"split {block}", (Arc(f"{block}"),), tuple(map(Branch, begun))))
        tasks += [
            Task(f"task {first}", (Arc(first),), (Branch(last),))
            for first, last in zip(begun, done, strict=True)
        ]
        tasks.append(Task(f"join {block}", tuple(map(Arc, done)), (Branch(after.id),)))
    return make_net(places, tasks, "0")


def chain(size: int) -> Net:
    """Return tasks one after the other."""
    places = [Place(f"{n}", f"{n}", final=n == size) for n in range(size + 1)]
    tasks = [Task(f"task {n}", (Arc(f"{n}"),), (Branch(f"{n + 1}"),)) for n in range(size)]
    return make_net(places, tasks, "0")


def ring(size: int) -> Net:
    """Return tasks in a ring, each of which takes an event."""
    names = [f"{n}" for n in range(size)]
    tasks = [
        Task(name, (Arc(name),), (Branch(following),), trigger=Trigger.EVENT, event_type="go")
        for name, following in zip(names, [*names[1:], names[0]], strict=True)
    ]
    return make_net([Place(name, name) for name in names], tasks, names[0])


def desks(width: int) -> Net:
    """Return a split to tasks that each wait for their own event, and the join of them all."""
    waiting, done = [f"in{n}" for n in range(width)], [f"out{n}" for n in range(width)]
    tasks = [
        Task("split", (Arc("start"),), tuple(Branch(place) for place in waiting)),
        *(
            Task(there, (Arc(here),), (Branch(there),), trigger=Trigger.EVENT, event_type=here)
            for here, there in zip(waiting, done, strict=True)
        ),
        Task("join", tuple(Arc(place) for place in done), (Branch("end"),)),
    ]
    places = [Place(name, name) for name in ("start", *waiting, *done)]
    return make_net([*places, Place("end", "end", final=True)], tasks, "start")


class _Work(Simple):  # type: ignore[misc]  # its base is untyped
    """A task that counts the firings in its data: this one, and the choice that follows."""

    def _run_hook(self, my_task: Any) -> bool:  # Any: SpiffWorkflow is untyped
        my_task.data["n"] += 2
        return True


def spiff_loop(size: int) -> Any:  # Any: SpiffWorkflow is untyped
    """Return the loop as a workflow of SpiffWorkflow."""
    spec = WorkflowSpec(name="loop", addstart=True)
    work, choice, end = _Work(spec, "work"), ExclusiveChoice(spec, "choice"), Simple(spec, "end")
    spec.start.connect(work)
    work.connect(choice)
    choice.connect_if(LessThan(Attrib("n"), size), work)
    choice.connect(end)
    workflow = Workflow(spec)
    # The start task exists by now and hands its data on to the tasks that follow.
    workflow.task_tree.data["n"] = 0
    return workflow


def spiff_blocks(count: int, width: int) -> Any:  # Any: SpiffWorkflow is untyped
    """Return the blocks as a workflow of SpiffWorkflow."""
    spec = WorkflowSpec(name="blocks", addstart=True)
    last = spec.start
    for block in range(count):
        split, join = Simple(spec, f"split {block}"), SpiffJoin(spec, f"join {block}")
        last.connect(split)
        for number in range(width):
            task = Simple(spec, f"task {block}.{number}")
            split.connect(task)
            task.connect(join)
        last = join
    last.connect(Simple(spec, "end"))
    return Workflow(spec)


def _counted(facts: Facts) -> JSON:
    """Return how many firings there will have been when the choice is over."""
    n = facts.data["n"]
    return n + 2 if isinstance(n, int) else None
