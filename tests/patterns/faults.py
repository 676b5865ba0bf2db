"""The faults that are planted in the engine, each with the patterns whose checks must find it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from cases.game import (
    cancelling,
    completing,
    instances,
    listening,
    locks,
    or_join,
    performing,
    rounds,
    threads,
)
from cases.game.marking import Marking
from cases.game.working import Working
from cases.net import Arc, Branch, Join, Lock, Net, Rest, Split, Task, Trigger
from cases.state import Firing, Token
from tests.patterns.planting import (
    change_nets,
    change_tasks,
    ending_when_empty,
    fault,
    remade,
    swap,
)

Patch = pytest.MonkeyPatch

# Splits and joins


@fault("An AND-join starts with the first of its inputs.", 3, 17, 25, 33)
def _and_join_as_xor(patch: Patch) -> None:
    def wrong(task: Task) -> Task:
        several = task.join is Join.ALL and len(task.inputs) > 1
        return replace(task, join=Join.ANY) if several else task

    change_tasks(patch, wrong)


@fault("An XOR-join waits for all of its inputs.", 5, 8, 21, 38)
def _xor_join_as_and(patch: Patch) -> None:
    change_tasks(
        patch, lambda task: replace(task, join=Join.ALL) if task.join is Join.ANY else task
    )


@fault("An AND-split fills the first of its outputs alone.", 2, 3, 11, 43)
def _and_split_fills_one(patch: Patch) -> None:
    def wrong(task: Task) -> Task:
        return replace(task, outputs=task.outputs[:1]) if task.split is Split.ALL else task

    change_tasks(patch, wrong)


@fault("An XOR-split takes every branch whose condition holds.", 4, 5)
def _xor_split_as_or(patch: Patch) -> None:
    change_tasks(
        patch,
        lambda task: replace(task, split=Split.EVERY) if task.split is Split.FIRST else task,
    )


@fault("An OR-split takes the first branch alone.", 6, 7)
def _or_split_as_xor(patch: Patch) -> None:
    change_tasks(
        patch,
        lambda task: replace(task, split=Split.FIRST) if task.split is Split.EVERY else task,
    )


@fault("An OR-split takes every branch, whatever its condition.", 6, 7)
def _or_split_as_and(patch: Patch) -> None:
    change_tasks(
        patch,
        lambda task: replace(task, split=Split.ALL) if task.split is Split.EVERY else task,
    )


@fault("A choice takes its last branch, whatever holds.", 4, 5, 6, 21, 22, 37, 38)
def _choice_takes_the_last(patch: Patch) -> None:
    def wrong(task: Task) -> Task:
        return task if task.split is Split.ALL else replace(task, outputs=task.outputs[-1:])

    change_tasks(patch, wrong)


@fault("An OR-join does not wait.", 7, 37, 38)
def _or_join_as_xor(patch: Patch) -> None:
    swap(patch, or_join.awaits_nothing, lambda *_: True)


@fault("An OR-join waits for all of its inputs.", 7, 37)
def _or_join_as_and(patch: Patch) -> None:
    def wrong(work: Working, task: Task, anchor: Token | None = None) -> bool:
        return len(work.marking.filled(task)) == len(task.inputs)

    swap(patch, or_join.awaits_nothing, wrong)


@fault("An OR-join does not see tasks that are running.", 7, 37, 38)
def _or_join_blind_to_running(patch: Patch) -> None:
    patch.setattr(or_join, "ahead", lambda _work: iter(()))


@fault("A discriminator and a partial join start with one input.", 30, 31, 32)
def _partial_join_of_one(patch: Patch) -> None:
    change_tasks(patch, lambda task: replace(task, threshold=1))


@fault("A partial join counts tokens, not branches.", 31)
def _partial_join_counts_tokens(patch: Patch) -> None:
    def wrong(marking: Marking, task: Task) -> list[str]:
        return [arc.place for arc in task.inputs for _ in marking.tokens.get(arc.place, ())]

    patch.setattr(Marking, "filled", wrong)


@fault("A partial join has no rounds: it starts whenever it can.", 9, 28, 30, 31)
def _no_rounds(patch: Patch) -> None:
    swap(patch, rounds.begin_round, _nothing)
    swap(patch, rounds.is_in_round, lambda *_: False)


@fault("A round never ends.", 28, 31)
def _round_never_ends(patch: Patch) -> None:
    swap(patch, rounds.go_on_with_rounds, lambda _work: False)


@fault("A round ends when its join has fired, not when all have come.", 9, 28, 30, 31)
def _round_ends_at_once(patch: Patch) -> None:
    def wrong(work: Working) -> bool:
        ended = bool(work.rounds)
        work.rounds.clear()
        return ended

    swap(patch, rounds.go_on_with_rounds, wrong)


@fault("A token that comes late in a round is left where it is.", 9, 28, 30)
def _late_tokens_stay(patch: Patch) -> None:
    patch.setattr(rounds, "_late", lambda *_: {})


@fault("A round swallows more than one token of a branch.", 28, 31)
def _round_swallows_all(patch: Patch) -> None:
    real = rounds.go_on_with_rounds

    def wrong(work: Working) -> bool:
        for entry in work.wiring.partial:
            work.marking.empty(work.rounds.get((entry.task.id, None), ()))
        return real(work)

    swap(patch, real, wrong)


@fault("What a join leaves over is thrown away.", 31, 33)
def _surplus_is_lost(patch: Patch) -> None:
    real = Marking.take

    def wrong(marking: Marking, task: Task, token: Token | None) -> tuple[Token, ...]:
        taken = real(marking, task, token)
        if len(task.inputs) > 1:
            marking.empty([arc.place for arc in task.inputs])
        return taken

    patch.setattr(Marking, "take", wrong)


# Threads


@fault("A split into threads makes one token.", 41, 42)
def _thread_split_of_one(patch: Patch) -> None:
    real = threads.tokens_for

    def wrong(*given: Any) -> Sequence[int | None]:
        return real(*given)[:1]

    swap(patch, real, wrong)


@fault("A merge of threads takes one of them.", 41)
def _thread_merge_of_one(patch: Patch) -> None:
    def wrong(task: Task) -> Task:
        return replace(task, inputs=tuple(Arc(arc.place) for arc in task.inputs))

    change_tasks(patch, wrong)


@fault("What is merged goes on in the first of its threads.", 41)
def _merge_keeps_a_thread(patch: Patch) -> None:
    def wrong(_work: Working, tokens: Sequence[Token]) -> int | None:
        return tokens[0].thread if tokens else None

    swap(patch, threads.thread_of, wrong)


@fault("A split makes tokens without threads of their own.", 42)
def _tokens_without_threads(patch: Patch) -> None:
    real = threads.tokens_for

    def wrong(work: Working, branch: Branch, thread: int | None, event: Any) -> Sequence[Any]:
        return [thread for _ in real(work, branch, thread, event)]

    swap(patch, real, wrong)


@fault("A guard does not see the data of its thread or instance.", 14, 42)
def _guards_without_threads(patch: Patch) -> None:
    real = Working.facts

    def wrong(work: Working, event: Any, thread: int | None = None) -> Any:
        return real(work, event)

    patch.setattr(Working, "facts", wrong)


# Instances


@fault("A task runs once, however many instances are asked for.", 12, 13, 14, 26, 34, 35, 36)
def _one_instance(patch: Patch) -> None:
    real = instances._asked_for

    def wrong(*given: Any) -> Any:
        made, items = real(*given)
        return min(made, 1), items[:1]

    swap(patch, real, wrong)


@fault("No instance is added to those that run.", 15, 36)
def _nothing_added(patch: Patch) -> None:
    swap(patch, instances.may_add, lambda *_: False)


@fault("Instances are added without a limit.", 15)
def _added_without_limit(patch: Patch) -> None:
    def wrong(task: Task, firing: Firing) -> bool:
        return firing.group is not None and firing.group.done < firing.group.made

    swap(patch, instances.may_add, wrong)


@fault("An instance that was added is not waited for.", 15, 36)
def _added_not_waited_for(patch: Patch) -> None:
    real = instances._reached

    def wrong(asked: Any, group: Any) -> bool:
        return real(asked, group) or group.done >= (asked.count or group.made)

    swap(patch, real, wrong)


@fault("All instances are waited for, whatever the threshold.", 12, 34, 35)
def _threshold_ignored(patch: Patch) -> None:
    swap(patch, instances._reached, lambda _asked, group: group.done >= group.made)


@fault("The first instance that ends is enough.", 13, 14, 15, 34, 35, 36)
def _one_instance_is_enough(patch: Patch) -> None:
    swap(patch, instances._reached, lambda _asked, group: group.done >= min(1, group.made))


@fault("What follows comes again when the last instance has ended.", 12, 34, 36)
def _group_passes_again(patch: Patch) -> None:
    real = completing.pass_group

    def wrong(work: Working, task: Task, firing: Firing, note: Any) -> None:
        real(work, task, firing, note)
        still = work.running.get(firing.number)
        if still is None and firing.group is not None and firing.group.done < firing.group.made:
            return
        if still is None:
            real(work, task, firing, note)

    swap(patch, real, wrong)
    real_settle = instances.instance_ended

    def ended(work: Working, task: Task, done: Any, note: Any) -> None:
        parent = work.running.get(done.firing.parent or 0)
        passed = parent is not None and parent.group is not None and parent.group.passed
        real_settle(work, task, done, note)
        if passed and parent is not None and parent.number not in work.running:
            completing.complete(work, completing.completion_of(task, parent, note))

    swap(patch, real_settle, ended)


@fault("Instances that were not waited for are withdrawn, though they should end.", 34, 36)
def _rest_is_withdrawn(patch: Patch) -> None:
    _change_rest(patch, to_cancel=True)


@fault("Instances that should be withdrawn run on.", 35)
def _rest_runs_on(patch: Patch) -> None:
    _change_rest(patch, to_cancel=False)


@fault("Values of instances are not collected.", 14)
def _nothing_collected(patch: Patch) -> None:
    swap(patch, instances._put_collected, _nothing)


# Cancelling and completing


@fault("What is running is not cancelled.", 19, 25, 26, 29, 32)
def _running_is_not_cancelled(patch: Patch) -> None:
    change_tasks(patch, lambda task: replace(task, cancel_tasks=()))


@fault("Tokens that rest are not cancelled.", 19, 25)
def _tokens_are_not_cancelled(patch: Patch) -> None:
    change_tasks(patch, lambda task: replace(task, cancel_places=()))


@fault("A cancellation empties the whole net.", 25)
def _all_is_cancelled(patch: Patch) -> None:
    def wrong(work: Working, task: Task) -> None:
        if task.cancel_tasks:
            work.running = {}
            work.marking.empty(list(work.marking.tokens))

    swap(patch, cancelling.cancel_region, wrong)


@fault("A task is cancelled, and its instances are not.", 26)
def _instances_are_not_cancelled(patch: Patch) -> None:
    real = cancelling.of_tasks

    def wrong(work: Working, tasks: Any) -> list[Firing]:
        return [firing for firing in real(work, tasks) if firing.parent is None]

    swap(patch, real, wrong)


@fault("What is taken as done is withdrawn: nothing follows it.", 27)
def _completed_is_withdrawn(patch: Patch) -> None:
    real = completing._taken_as_done

    def wrong(work: Working, task: Task) -> list[Any]:
        real(work, task)
        return []

    swap(patch, real, wrong)


@fault("What should be taken as done runs on.", 27)
def _completed_runs_on(patch: Patch) -> None:
    change_tasks(patch, lambda task: replace(task, complete_tasks=()))


# Ends


@fault("What is running goes on after the end of the case.", 20, 43)
def _runs_on_after_the_end(patch: Patch) -> None:
    swap(patch, cancelling.withdraw_all, _nothing)


@fault("A final condition does not end the case.", 1, 16, 43)
def _final_does_not_end(patch: Patch) -> None:
    change_nets(patch, _without_final)


@fault("A final condition ends the case only when nothing else is left.", 43)
def _final_waits_for_the_rest(patch: Patch) -> None:
    real = completing.close_where_final

    def wrong(work: Working, places: Sequence[str]) -> None:
        if not work.running:
            real(work, places)

    swap(patch, real, wrong)


@fault("A case does not end when nothing is left to do.", 2, 8, 11)
def _empty_does_not_end(patch: Patch) -> None:
    change_nets(patch, lambda net: ending_when_empty(net, empty=False))


@fault("A condition that leads nowhere ends the case, though other branches go on.", 2, 8, 11)
def _any_end_ends(patch: Patch) -> None:
    change_nets(patch, _with_final_ends)


# Locks, milestones, choices


@fault("Locks keep nobody out.", 17, 39, 40)
def _locks_ignored(patch: Patch) -> None:
    swap(patch, locks.is_free, lambda *_: True)


@fault("A section is free while no task of it is running.", 39)
def _lock_between_tasks(patch: Patch) -> None:
    def wrong(work: Working, lock: Lock) -> bool:
        busy = [firing.task for firing in work.running.values()]
        return any(task in busy for tasks, _ in lock.sections for task in tasks)

    swap(patch, locks.is_taken, wrong)


@fault("A section keeps its lock beyond its last task.", 17)
def _lock_is_kept(patch: Patch) -> None:
    def wrong(net: Net) -> Net:
        filled = {e.task.id: [b.place for b in e.task.outputs] for e in net.tasks}
        kept = tuple(
            Lock(
                lock.id,
                tuple(
                    (tasks, (*places, *(out for task in tasks for out in filled[task])))
                    for tasks, places in lock.sections
                ),
            )
            for lock in net.locks
        )
        return remade(net, [entry.task for entry in net.tasks], kept)

    change_nets(patch, wrong)


@fault("A milestone is not asked for.", 18)
def _milestone_ignored(patch: Patch) -> None:
    change_tasks(patch, lambda task: replace(task, reads=()))


@fault("A milestone is used up by being asked for.", 18)
def _milestone_used_up(patch: Patch) -> None:
    def wrong(task: Task) -> Task:
        return replace(task, inputs=(*task.inputs, *map(Arc, task.reads)), reads=())

    change_tasks(patch, wrong)


@fault("An event starts its task and leaves the token for the others.", 10, 16, 40)
def _choice_leaves_its_token(patch: Patch) -> None:
    real = Marking.take

    def wrong(marking: Marking, task: Task, token: Token | None) -> tuple[Token, ...]:
        taken = real(marking, task, token)
        for one in taken if task.trigger is Trigger.EVENT else ():
            marking.put(one)
        return taken

    patch.setattr(Marking, "take", wrong)


# Events


@fault("A task does not wait for the event that ends it.", 1, 2, 3, 21, 38)
def _does_not_wait(patch: Patch) -> None:
    change_tasks(patch, lambda task: replace(task, until=None))


@fault("A running task takes any event of the type, whatever its condition says.", 14, 42)
def _hears_without_asking(patch: Patch) -> None:
    swap(patch, listening.takes, lambda *_: True)


@fault("An event that comes too early is kept for a transient trigger.", 23)
def _transient_is_kept(patch: Patch) -> None:
    change_tasks(patch, lambda task: replace(task, transient=False))


@fault("An event that comes too early is lost for a persistent trigger.", 24)
def _persistent_is_lost(patch: Patch) -> None:
    change_tasks(patch, lambda task: replace(task, transient=task.trigger is Trigger.EVENT))


# Sub-cases


@fault("A sub-case begins with the data of its case, not with what it is given.", 22)
def _subcase_with_all_data(patch: Patch) -> None:
    real = performing.with_data

    def wrong(work: Working, action: Any, firing: Firing) -> Any:
        return replace(real(work, action, firing), data=dict(work.data))

    swap(patch, real, wrong)


@fault("What a sub-case gives back is not taken.", 22)
def _nothing_returned(patch: Patch) -> None:
    swap(patch, performing.take_returned, _nothing)


def _nothing(*_given: Any, **_more: Any) -> None:
    """Do nothing where something was to be done."""


def _change_rest(patch: Patch, *, to_cancel: bool) -> None:
    def wrong(task: Task) -> Task:
        asked = task.instances
        rest = Rest.CANCEL if to_cancel else Rest.WAIT
        return task if asked is None else replace(task, instances=replace(asked, rest=rest))

    change_tasks(patch, wrong)


def _without_final(net: Net) -> Net:
    places = {id_: replace(place, final=False) for id_, place in net.places.items()}
    return replace(net, places=places)


def _with_final_ends(net: Net) -> Net:
    taken = {arc.place for entry in net.tasks for arc in entry.task.inputs}
    places = {
        id_: replace(place, final=place.final or id_ not in taken)
        for id_, place in net.places.items()
    }
    return replace(net, places=places)
