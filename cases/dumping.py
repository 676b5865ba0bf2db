"""A case's state as plain JSON, and back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cases.actions import Reply
from cases.errors import StateInvalid
from cases.events import ActionEnded, Ending, Event
from cases.net import Net
from cases.state import (
    CORE_VERSION,
    Beside,
    CaseState,
    CaseStatus,
    Firing,
    Group,
    Held,
    Outcome,
    Retry,
    Thread,
    Token,
    Undoable,
)
from cases.values import JSON


def dump_state(state: CaseState) -> dict[str, JSON]:
    """Return the state as JSON; `load_state` gives back an equal one.

    A token is [id, place, since, event, cause, fired, thread], and an event stands where it is
    spoken of as its number in `events`: a mail that a hundred tokens go back to is written once.
    """
    written = _Written()
    dumped = {
        "core_version": state.core_version,
        "status": state.status.value,
        "reason": state.reason,
        "data": state.data,
        "label": state.label,
        "confidence": state.confidence,
        "tokens": [written.token(token) for tokens in state.tokens.values() for token in tokens],
        "running": [_firing_json(firing, written) for firing in state.running.values()],
        "beside": [_beside_json(beside, written) for beside in state.beside.values()],
        "holding": [_held_json(held, written) for held in state.holding.values()],
        "outcomes": [[_event_json(o.event), o.cause] for o in state.outcomes],
        "waiting": [_event_json(event) for event in state.waiting],
        "firings": state.firings,
        "tokens_made": state.tokens_made,
        **_of_whole_nets(state, written),
    }
    return {**dumped, "events": written.events} if written.events else dumped


def _of_whole_nets(state: CaseState, written: "_Written") -> dict[str, JSON]:
    """Return what few cases have: threads, rounds, undoing, sub-cases, ends that wait."""
    dumped: dict[str, JSON] = {
        "threads": [[one.id, one.data, one.parent] for one in state.threads.values()],
        "threads_made": state.threads_made,
        "rounds": [[task, thread, list(used)] for (task, thread), used in state.rounds.items()],
        "undoable": [_undoable_json(one, written) for one in state.undoable],
        "depth": state.depth,
        "unheard": [[e.firing, e.index, e.outcome.value, e.event_data] for e in state.unheard],
    }
    return {key: value for key, value in dumped.items() if value}


def load_state(net: Net, dumped: Mapping[str, Any]) -> CaseState:
    """Return the state that `dump_state` gave, or raise StateInvalid if it is not one of this net.

    Any, since the parts of a JSON mapping are looked at one by one.
    """
    version = dumped.get("core_version")
    if version not in range(1, CORE_VERSION + 1):
        raise StateInvalid(f"the state is of core version {version}, this core is {CORE_VERSION}")
    try:
        state = _loaded(dumped)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise StateInvalid(f"the state is damaged: {type(error).__name__} {error}") from error
    _check_names(net, state)
    return state


def _loaded(dumped: Mapping[str, Any]) -> CaseState:
    read = _Read(dumped)
    tokens: dict[str, tuple[Token, ...]] = {}
    for token in map(read.token, dumped["tokens"]):
        tokens[token.place] = (*tokens.get(token.place, ()), token)
    beside = [_beside(fields, read) for fields in dumped["beside"]]
    running = [_firing(fields, read) for fields in dumped["running"]]
    holding = [_held(fields, read) for fields in dumped.get("holding", ())]
    return CaseState(
        tokens=tokens,
        running={firing.number: firing for firing in running},
        beside={(entry.firing, entry.index): entry for entry in beside},
        holding={(held.firing, held.index): held for held in holding},
        outcomes=tuple(Outcome(_event(event), cause) for event, cause in dumped["outcomes"]),
        waiting=tuple(_event(event) for event in dumped["waiting"]),
        data=dumped["data"],
        label=dumped["label"],
        confidence=dumped["confidence"],
        status=CaseStatus(dumped["status"]),
        reason=dumped["reason"],
        firings=dumped["firings"],
        tokens_made=dumped["tokens_made"],
        core_version=dumped["core_version"],
        threads={id_: Thread(id_, data, parent) for id_, data, parent in dumped.get("threads", ())},
        threads_made=dumped.get("threads_made", 0),
        rounds={(task, thread): tuple(used) for task, thread, used in dumped.get("rounds", ())},
        undoable=tuple(_undoable(one, read) for one in dumped.get("undoable", ())),
        depth=dumped.get("depth", 0),
        unheard=tuple(
            ActionEnded(firing, index, Ending(outcome), data)
            for firing, index, outcome, data in dumped.get("unheard", ())
        ),
    )


def _check_names(net: Net, state: CaseState) -> None:
    """Refuse a state that speaks of places, tasks or threads which it or the net does not have."""
    for firing in state.running.values():
        _check_task(net, firing.task, "runs")
        for undoable in firing.undoing:
            _check_undoable(net, undoable)
        if firing.parent is not None and firing.parent not in state.running:
            raise StateInvalid(f"firing {firing.number} is an instance of one that does not run")
    held = [token for firing in state.running.values() for token in firing.tokens]
    for place in (*state.tokens, *(token.place for token in held)):
        if place not in net.places:
            raise StateInvalid(f"the state has a token in {place}, which this net has not")
    for (task, _), places in state.rounds.items():
        _check_task(net, task, "is in a round of")
        if not set(places) <= {arc.place for arc in net.numbered[task].task.inputs}:
            raise StateInvalid(f"the round of {task} has used places that are no inputs of it")
    beside = (one.undoable for one in state.beside.values())
    replies = (one.undoable for one in state.holding.values())
    for one in (*state.undoable, *beside, *replies):
        if one is not None:
            _check_undoable(net, one)
    _check_threads(state, held)


def _check_task(net: Net, task: str, does: str) -> None:
    if task not in net.numbered:
        raise StateInvalid(f"the state {does} the task {task}, which this net has not")


def _check_undoable(net: Net, undoable: Undoable) -> None:
    _check_task(net, undoable.task, "can undo an action of")
    actions = net.numbered[undoable.task].task.actions
    if not (0 <= undoable.index < len(actions) and actions[undoable.index].undo):
        raise StateInvalid(f"action {undoable.index} of {undoable.task} can't be undone")


def _check_threads(state: CaseState, held: Sequence[Token]) -> None:
    """Refuse a state in which something belongs to a thread that is not there."""
    resting = (token.thread for tokens in state.tokens.values() for token in tokens)
    inside = (token.thread for token in held)
    running = (firing.thread for firing in state.running.values())
    parents = (thread.parent for thread in state.threads.values())
    for thread in (*resting, *inside, *running, *parents):
        if thread is not None and thread not in state.threads:
            raise StateInvalid(f"the state speaks of thread {thread}, which it has not")
    for one in state.threads.values():
        # Each comes from an older one, so that following them up ends.
        if one.parent is not None and one.parent >= one.id:
            raise StateInvalid(f"thread {one.id} comes from thread {one.parent}, which is younger")


def _event_json(event: Event) -> dict[str, JSON]:
    return {
        "id": event.id,
        "type": event.type,
        "at": event.at.isoformat(),
        "data": event.data,
    }


def _event(dumped: Mapping[str, Any]) -> Event:
    at = datetime.fromisoformat(dumped["at"])
    return Event(dumped["id"], dumped["type"], at, dumped["data"])


class _Written:
    """What a dump has written once and speaks of again: events by number, times as text."""

    def __init__(self) -> None:
        self.events: list[JSON] = []
        self._numbers: dict[int, int] = {}
        self._times: dict[datetime, str] = {}

    def event(self, event: Event | None) -> int | None:
        """Return an event's number."""
        if event is None:
            return None
        number = self._numbers.get(id(event))  # the state holds it, so its id stays its own
        if number is None:
            number = self._numbers[id(event)] = len(self.events)
            self.events.append(_event_json(event))
        return number

    def token(self, token: Token) -> list[JSON]:
        """Return a token, its event by its number."""
        since = self._times.get(token.since)
        if since is None:
            since = self._times[token.since] = token.since.isoformat()
        event, fired = self.event(token.event), list(token.fired)
        return [token.id, token.place, since, event, token.cause, fired, token.thread]


class _Read:
    """What a dump has written once, for what speaks of it."""

    # Any: the parts of a JSON mapping are looked at one by one.
    def __init__(self, dumped: Mapping[str, Any]) -> None:
        self._events = tuple(map(_event, dumped.get("events", ())))

    def event(self, dumped: Any) -> Event | None:
        """Return an event; before core version 3 it was written out wherever it was spoken of."""
        if dumped is None:
            return None
        return self._events[dumped] if isinstance(dumped, int) else _event(dumped)

    def token(self, dumped: Any) -> Token:
        """Return a token; before core version 3 it was a mapping."""
        if not isinstance(dumped, Mapping):
            id_, place, since, event, cause, fired, thread = dumped
            since = datetime.fromisoformat(since)
            return Token(id_, place, since, self.event(event), cause, tuple(fired), thread)
        return Token(
            id=dumped["id"],
            place=dumped["place"],
            since=datetime.fromisoformat(dumped["since"]),
            event=self.event(dumped["event"]),
            cause=dumped["cause"],
            fired=tuple(dumped["fired"]),
        )


def _firing_json(firing: Firing, written: _Written) -> dict[str, JSON]:
    return {
        "number": firing.number,
        "task": firing.task,
        "tokens": [written.token(token) for token in firing.tokens],
        "event": written.event(firing.event),
        "cause": firing.cause,
        "position": firing.position,
        "basis": None if firing.basis is None else firing.basis.isoformat(),
        **_life_json(firing, written),
    }


def _life_json(firing: Firing, written: _Written) -> dict[str, JSON]:
    """Return what a firing holds beyond its one action, what is empty left out."""
    retry, group = firing.retry, firing.group
    dumped: dict[str, JSON] = {
        "since": None if firing.since is None else firing.since.isoformat(),
        "fired": list(firing.fired),
        "thread": firing.thread,
        "pending": list(firing.pending),
        "retry": None if retry is None else _retry_json(retry),
        "undoing": [_undoable_json(one, written) for one in firing.undoing],
        "group": None if group is None else _group_json(group),
        "parent": firing.parent,
        "failed": firing.failed,
        "failure": written.event(firing.failure),
    }
    return {
        key: value
        for key, value in dumped.items()
        if value is not None and value is not False and value != []
    }


def _retry_json(retry: Retry) -> list[JSON]:
    due = None if retry.due is None else retry.due.isoformat()
    return [list(retry.indexes), retry.tries, due]


def _retry(dumped: Sequence[Any]) -> Retry:
    indexes, tries, due = dumped
    return Retry(tuple(indexes), tries, _moment(due))


def _beside_json(beside: Beside, written: _Written) -> list[JSON]:
    dumped: list[JSON] = [beside.firing, beside.index, beside.action, beside.cause]
    return (
        dumped if beside.undoable is None else [*dumped, _undoable_json(beside.undoable, written)]
    )


def _beside(dumped: Sequence[Any], read: _Read) -> Beside:
    firing, index, action, cause, *undoable = dumped
    return Beside(firing, index, action, cause, _undoable(undoable[0], read) if undoable else None)


def _group_json(group: Group) -> dict[str, JSON]:
    return {
        "items": list(group.items),
        "made": group.made,
        "started": group.started,
        "done": group.done,
        "passed": group.passed,
        "failed": group.failed,
    }


def _undoable_json(one: Undoable, written: _Written) -> list[JSON]:
    return [one.firing, one.index, one.task, written.event(one.event), one.cause, one.thread]


def _undoable(dumped: Sequence[Any], read: _Read) -> Undoable:
    firing, index, task, event, cause, thread = dumped
    return Undoable(firing, index, task, read.event(event), cause, thread)


def _firing(dumped: Mapping[str, Any], read: _Read) -> Firing:
    retry, group = dumped.get("retry"), dumped.get("group")
    return Firing(
        number=dumped["number"],
        task=dumped["task"],
        tokens=tuple(map(read.token, dumped["tokens"])),
        event=read.event(dumped["event"]),
        cause=dumped["cause"],
        position=dumped["position"],
        basis=_moment(dumped.get("basis")),
        since=_moment(dumped.get("since")),
        fired=tuple(dumped.get("fired", ())),
        thread=dumped.get("thread"),
        pending=tuple(dumped.get("pending", ())),
        retry=None if retry is None else _retry(retry),
        undoing=tuple(_undoable(one, read) for one in dumped.get("undoing", ())),
        group=None if group is None else Group(**{**group, "items": tuple(group["items"])}),
        parent=dumped.get("parent"),
        failed=dumped.get("failed", False),
        failure=read.event(dumped.get("failure")),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _held_json(held: Held, written: _Written) -> dict[str, JSON]:
    return {
        "firing": held.firing,
        "index": held.index,
        "task": held.task,
        "action": {
            "template": held.action.template,
            "to": held.action.to,
            "approve": held.action.approve,
            "approvers": list(held.action.approvers),
            "attach": list(held.action.attach),
        },
        "event": written.event(held.event),
        "cause": held.cause,
        "due": held.due.isoformat(),
        "states": list(held.states),
        **({} if held.undoable is None else {"undoable": _undoable_json(held.undoable, written)}),
        **({} if held.thread is None else {"thread": held.thread}),
        **({"own": held.own} if held.own else {}),
    }


def _held(dumped: Mapping[str, Any], read: _Read) -> Held:
    action = dumped["action"]
    return Held(
        firing=dumped["firing"],
        index=dumped["index"],
        task=dumped["task"],
        action=Reply(
            action["template"],
            action["to"],
            action["approve"],
            tuple(action["approvers"]),
            tuple(action["attach"]),
        ),
        event=read.event(dumped["event"]),
        cause=dumped["cause"],
        due=datetime.fromisoformat(dumped["due"]),
        states=tuple(dumped["states"]),
        undoable=_undoable(dumped["undoable"], read) if "undoable" in dumped else None,
        thread=dumped.get("thread"),
        own=dumped.get("own", {}),
    )
