"""Whole conversations of many customers at once: each mail finds its case, and no other one's."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.tables import Case, Intake, IntakeState, Message
from tests.ledgers.conversations import Stage, corpus, interleaved
from tests.ledgers.world import World

CORPUS = corpus()


@pytest.fixture
async def stage(world: World) -> Stage:
    """A world with two mailboxes, in which the whole corpus has run interleaved."""
    made = Stage(world)
    await made.open()
    for steps in interleaved(CORPUS):
        await made.play(steps)
    return made


async def test_every_mail_of_the_corpus_ends_where_it_belongs(stage: Stage) -> None:
    wrong = []
    for conversation in CORPUS:
        for step in conversation["steps"]:
            spec = step.get("mail") or step.get("report")
            if spec is None:
                continue
            expected = _expected(spec)
            found = await _found(stage, conversation["name"], spec)
            if found != expected:
                wrong.append((conversation["name"], spec["id"], found, expected))
    assert wrong == []


async def test_no_mail_of_the_corpus_joins_the_case_of_another_conversation(stage: Stage) -> None:
    conversation_of = {row: name for (name, _), row in stage.rows.items()}
    crossed = []
    for case in await stage.world.cases():
        home = conversation_of[case.opening_id]
        mails = await stage.world.rows(Message, case_id=case.id, direction="in")
        crossed += [mail.subject for mail in mails if conversation_of[mail.intake_id] != home]
    assert crossed == []


def _expected(spec: dict[str, Any]) -> dict[str, Any]:
    word, _, mail = spec["fate"].partition(" ")
    event = spec.get("event", "email") if word in ("opens", "joins", "follows", "wakes") else None
    return {"fate": word, "mail": mail or None, "event": event, "reason": True}


async def _found(stage: Stage, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return what became of a mail, in the corpus's words."""
    row = await stage.row_of(name, spec["id"])
    wanted = spec["fate"].partition(" ")[2] or None
    told = spec.get("reason", "") in (row.reason or "")
    fate, mail = await _fate(stage, name, row, wanted)
    return {"fate": fate, "mail": mail, "event": row.event_type, "reason": told}


async def _fate(stage: Stage, name: str, row: Any, wanted: str | None) -> tuple[str, str | None]:
    if row.state == IntakeState.DUPLICATE:
        known = wanted if row.duplicate_of == stage.rows.get((name, wanted or "")) else "other"
        return "duplicates", known
    if row.state == IntakeState.REVIEW:
        return "reviews", await _named(stage, name, row.suggested_case_id, wanted)
    if row.state != IntakeState.ROUTED:
        return str(row.state), None
    case = await stage.world.row(Case, id=row.case_id)
    if case.opening_id != row.id:
        return "joins", await _named(stage, name, case.id, wanted)
    if case.follows is None:
        return "opens", None
    return "follows", await _named(stage, name, case.follows, wanted)


async def _named(stage: Stage, name: str, case_id: str | None, wanted: str | None) -> str | None:
    if wanted is not None and case_id == await stage.case_of(name, wanted):
        return wanted
    return f"case {case_id}"


CUSTOMERS = st.integers(2, 4)
ADDRESSES = ("ann@a.test", "ben@b.test", "cat@c.test", "dot@d.test")
# What a gateway or a client does to a mail's header on its way.
DAMAGE = st.sets(st.sampled_from(["no_references", "foreign_id", "foreign_token", "same_id"]))


@st.composite
def threads(draw: st.DrawFn) -> list[tuple[int, frozenset[str], int]]:
    """Draw mails: whose, what was done to its header, and whose ids are mixed in."""
    count = draw(CUSTOMERS)
    customer = st.integers(0, count - 1)
    return draw(
        st.lists(st.tuples(customer, DAMAGE.map(frozenset), customer), min_size=4, max_size=12)
    )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mails=threads(), batch=st.integers(1, 6))
async def test_threads_with_damaged_headers_never_cross_customers(
    small_world: World, mails: list[tuple[int, frozenset[str], int]], batch: int
) -> None:
    stage = Stage(small_world)
    name = f"run {len(await small_world.rows(Intake))}"
    stage.attached["mailbox1"] = await small_world.attach()
    stage.uid = max((row.uid for row in await small_world.rows(Intake)), default=0)
    steps = _steps(mails, batch)
    for start in range(0, len(steps), batch):
        await stage.play([(name, step) for step in steps[start : start + batch]])
    senders: dict[str, set[str]] = {}
    for mail in await small_world.rows(Message):
        senders.setdefault(mail.case_id, set()).add(mail.sender)
    assert [found for found in senders.values() if len(found) > 1] == []


def _steps(mails: list[tuple[int, frozenset[str], int]], batch: int) -> list[dict[str, Any]]:
    """Return the mails as steps of one conversation; each answers its customer's last one."""
    last: dict[int, str] = {}
    # Tokens are of cases, and those of a batch are not open while it is written.
    cases: dict[int, str] = {}
    steps = []
    for number, (customer, damage, other) in enumerate(mails):
        if number % batch == 0:
            cases = dict(last)
        spec: dict[str, Any] = {"id": f"m{number}", "from": ADDRESSES[customer], "fate": ""}
        answers = [last[customer]] if customer in last and "no_references" not in damage else []
        if "foreign_id" in damage and other in last:
            answers.append(last[other])
        if answers:
            spec["answers"] = answers
        if "same_id" in damage and other in last:
            spec["reuses"] = last[other]
        if "foreign_token" in damage and other in cases:
            spec["token"] = cases[other]
        last[customer] = spec["id"]
        steps.append({"mail": spec})
    return steps
