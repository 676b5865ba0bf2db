"""What becomes of running tasks that are cancelled: they give up their tokens and sub-cases.

Mails that are on their way stay so. The end of an action that was asked for before comes too late,
and is ignored.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from cases.actions import Action, Subcase, Withdraw
from cases.game.working import Working
from cases.net import Net, Task
from cases.state import Firing


def cancel_region(work: Working, task: Task) -> None:
    """Empty the places, running tasks and rounds of joins that a task cancels (WCP-19, 25)."""
    if task.cancel_places:
        work.tell_withdrawn(_waiting_in(work, task.cancel_places))
        work.marking.empty(task.cancel_places)
    if task.cancel_tasks:
        withdraw_each(work, of_tasks(work, task.cancel_tasks))
        over = [key for key in work.rounds if key[0] in task.cancel_tasks]
        for key in over:
            del work.rounds[key]


def of_tasks(work: Working, tasks: Collection[str]) -> list[Firing]:
    """Return the running firings of some tasks, instances included."""
    return [firing for firing in work.running.values() if firing.task in tasks]


def withdraw(work: Working, firing: Firing) -> None:
    """End a running firing without filling its outputs, with its instances."""
    gone = [firing]
    if firing.group is not None:
        gone += [one for one in work.running.values() if one.parent == firing.number]
    withdraw_each(work, gone)


def withdraw_all(work: Working) -> None:
    """End all that is running: the case is over."""
    _tell(work, work.running.values())
    work.running = {}


def withdraw_each(work: Working, firings: Sequence[Firing]) -> None:
    """End running firings; what they still had to undo can be undone again."""
    for firing in firings:
        work.running.pop(firing.number, None)
        if len(firing.undoing) > 1:
            work.undoable = (*work.undoable, *reversed(firing.undoing[1:]))
    _tell(work, firings)


def awaited(net: Net, firing: Firing) -> Iterator[tuple[int, Action]]:
    """Yield the actions that a running firing has asked for and that have not ended."""
    actions = net.numbered[firing.task].task.actions
    if firing.undoing:
        actions = net.numbered[firing.undoing[0].task].task.actions[firing.undoing[0].index].undo
    indexes = firing.pending or (firing.position - 1,)
    for index in indexes:
        if 0 <= index < len(actions) and firing.awaits(index):
            yield index, actions[index].action


def _waiting_in(work: Working, places: Iterable[str]) -> list[str]:
    """Return the tokens that rest in some places, in words."""
    resting = [(place, len(work.marking.tokens.get(place, ()))) for place in places]
    names = [f"{count} tokens" if count > 1 else "the token" for _, count in resting]
    return [
        f"{name} in {place}" for name, (place, count) in zip(names, resting, strict=True) if count
    ]


def _tell(work: Working, firings: Collection[Firing]) -> None:
    """Note which running tasks are withdrawn, and ask for the end of their sub-cases."""
    work.tell_withdrawn([f"{firing.task} [{firing.number}]" for firing in firings])
    for firing in firings:
        for index, action in awaited(work.net, firing):
            if isinstance(action, Subcase):
                work.commands.append(Withdraw(firing.number, index))
