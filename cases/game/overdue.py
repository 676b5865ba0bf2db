"""What time sets off in a running task: its deadlines, and the next try of what failed."""

from dataclasses import replace

from cases.game.acting import ask_again
from cases.game.budget import count_firing
from cases.game.cancelling import withdraw
from cases.game.firing import fire_watching
from cases.game.life import carry_on
from cases.game.timers import Timer, due_of_token
from cases.game.working import Working
from cases.state import Firing
from cases.trace import TraceKind


def renewed(work: Working, timer: Timer) -> bool:
    """Tell whether a timer is still there, with its token or firing as that is now."""
    if timer.token is not None:
        id_, fired = timer.token.id, timer.entry.task.id
        resting = work.marking.tokens.get(timer.token.place, ())
        timer.token = next((one for one in resting if one.id == id_), None)
        if timer.token is None or timer.entry.only_input is not None:
            return timer.token is not None and fired not in timer.token.fired
        due = due_of_token(work.marking, timer.entry, timer.token, work.data)
        timer.due = due or timer.due
        return due is not None
    known = None if timer.firing is None else work.running.get(timer.firing.number)
    if known is None or known.retry != (timer.firing and timer.firing.retry):
        return False
    timer.firing = known
    passed = known.group is not None and known.group.passed
    return timer.retry or not (passed or timer.entry.task.id in known.fired)


def pass_running(work: Working, timer: Timer) -> None:
    """Do what is due of a running firing: a deadline that fires or is missed, or a retry."""
    firing = timer.firing
    if firing is None:
        return
    if timer.retry:
        _try_again(work, firing)
    else:
        _pass_deadline(work, timer, firing)


def _try_again(work: Working, firing: Firing) -> None:
    """Ask again for what failed, under a new firing number: its rows of the outbox are final."""
    count_firing(work)
    del work.running[firing.number]
    work.firings += 1
    note = work.note(
        TraceKind.RETRIED,
        firing=work.firings,
        task=firing.task,
        event=firing.event,
        cause=firing.cause,
    )
    note.thread = firing.thread
    note.notes.append(f"goes on for firing {firing.number}")
    task = work.net.numbered[firing.task].task
    again, holds = ask_again(work, task, replace(firing, number=work.firings), note)
    if holds:
        work.run(again)
    else:
        carry_on(work, task, again, note)


def _pass_deadline(work: Working, timer: Timer, firing: Firing) -> None:
    """Fire a deadline of a running task, which may end it, unless its guard says no."""
    entry = timer.entry
    guard = entry.task.guard
    facts = work.facts(None, firing.thread)
    if guard is not None and not guard.holds(facts):
        work.run(replace(firing, fired=(*firing.fired, entry.task.id)))
        note = work.note(
            TraceKind.MISSED, firing=firing.number, task=entry.task.id, cause=firing.cause
        )
        note.due, note.thread = timer.due, firing.thread
        note.guards = ((entry.task.id, guard.explain(facts)),)
        return
    if entry.task.stops_watched:
        withdraw(work, firing)
    else:
        work.run(replace(firing, fired=(*firing.fired, entry.task.id)))
    fire_watching(work, entry, firing, timer.due, firing.thread)
