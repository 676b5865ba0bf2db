"""Small nets of plain transitions drawn at random, and the engine's nets that they stand for."""

from collections import Counter
from collections.abc import Sequence
from random import Random

from cases.actions import Planned, SetData
from cases.expressions.conditions import Condition
from cases.expressions.guards import Guard, guard_of
from cases.net import Arc, Branch, Join, Net, Place, Split, Task, Trigger, make_net
from tests.cases.plain_petri import Transition

INNER = ("a", "b", "c")
FACTS = ("x", "y")


def drawn_transitions(random: Random, *, replayed: bool = False) -> list[Transition]:
    """Return a few transitions; those that are `replayed` leave the engine no choice of its own."""
    filled = ["start"]
    drawn: list[Transition] = []
    for number in range(random.randrange(1, 7)):
        # Mostly from where tokens come, so that most transitions can fire.
        sources = filled if random.random() < 0.9 else ["start", *INNER]
        drawn.append(_drawn(random, f"t{number}", sources, replayed))
        filled += [place for place in drawn[-1].gives if place != "end"]
    return drawn


def _drawn(random: Random, name: str, sources: list[str], replayed: bool) -> Transition:
    def rarely() -> bool:
        return random.random() < 0.12

    takes = random.choices(sources[-3:], k=random.choice((1, 1, 1, 1, 2, 2, 3)))
    gives = random.choices((*INNER, "end", "end"), k=random.choice((1, 1, 1, 2, 2, 3)))
    if replayed:  # two tokens into one place would be two threads, which the check takes for one
        gives = list(set(gives))
    splits = random.choice(("all", "all", "one", "some"))
    facts = not replayed and random.random() < 0.5
    return Transition(
        name,
        tuple(sorted(takes)),
        tuple(sorted(gives)),
        takes_any=rarely() and not replayed,
        gives_one=splits == "one",
        gives_some=splits == "some",
        reads=tuple(random.sample(INNER, rarely())),
        empties=tuple(random.sample(INNER, rarely())),
        waits=replayed or not rarely(),
        asks_first=random.choice(FACTS) if facts and rarely() else None,
        asks=random.choice(FACTS) if facts else None,
        sets=random.choice(FACTS) if facts and random.random() < 0.4 else None,
    )


def net_of(transitions: Sequence[Transition]) -> Net:
    """Return the net of some transitions, each started by an event of its name or by itself."""
    named = [
        place for one in transitions for place in (*one.takes, *one.gives, *one.reads, *one.empties)
    ]
    places = dict.fromkeys(["start", "end", *named])
    return make_net(
        [Place(name, name, final=name == "end") for name in places],
        [task_of(one) for one in transitions],
        "start",
    )


def task_of(one: Transition) -> Task:
    """Return a transition as a task; an event decides its choice, or the fact that it asks for."""
    gives = Counter(one.gives)
    sets = (Planned(SetData(one.sets, 1)),) if one.sets else ()
    return Task(
        id=one.name,
        inputs=tuple(Arc(place, weight) for place, weight in Counter(one.takes).items()),
        outputs=tuple(Branch(p, n, _choice_guard(one, p)) for p, n in gives.items()),
        trigger=Trigger.EVENT if one.waits else Trigger.NONE,
        event_type=one.name if one.waits else None,
        guard=_guard(f"data.{one.asks_first}") if one.asks_first else None,
        actions=sets,
        join=Join.ANY if one.takes_any else Join.ALL,
        split=Split.FIRST if one.gives_one else Split.EVERY if one.gives_some else Split.ALL,
        reads=one.reads,
        cancel_places=one.empties,
    )


def _choice_guard(one: Transition, place: str) -> Guard | None:
    if not one.chooses:
        return None
    return _guard(f"data.{one.asks}" if one.asks else f"event.{place}")


def _guard(field: str) -> Guard:
    return guard_of(Condition.model_validate({"field": field, "op": "exists"}))
