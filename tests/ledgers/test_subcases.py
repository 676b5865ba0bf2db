"""Sub-cases in the ledger: whose they are, how they end, and which mails are theirs."""

from email import message_from_bytes
from typing import Any

import pytest

from clients.temporal import Started
from contracts.ids import CASE_ID_LENGTH
from contracts.subcases import ParentAction, SubcaseOpened, SubcaseRequest, SubcaseStatus
from ledgers.casework import subcases
from store.tables import Case, CaseStatus, Intake, IntakeState
from tests.ledgers.letters import CUSTOMER, letter
from tests.ledgers.world import TENANT, World, written

FIRST = "<first@customer.test>"


async def _not_started(_tenant: str, _case_id: str) -> Started:
    return Started.NEW


async def _runs(_tenant: str, _case_id: str) -> Started:
    return Started.RUNNING


async def _over(_tenant: str, _case_id: str) -> Started:
    return Started.ENDED


async def _case(world: World) -> tuple[str, int]:
    """Let a customer's mail open a case; return its id and its row."""
    [row] = await world.take(await world.attach(), 1, letter("Help", message_id=FIRST))
    return str((await world.by_uid(1)).case_id), row


def _asked(parent: str, row: int, *, firing: int = 1, **changed: Any) -> SubcaseRequest:
    values: dict[str, Any] = {
        "tenant": TENANT,
        "parent": ParentAction(case_id=parent, firing=firing, index=0),
        "net": "check",
        "depth": 1,
        "data": {"order": "A1"},
        "event_id": row,
    }
    return SubcaseRequest(**values | changed)


async def _opened(world: World, request: SubcaseRequest) -> SubcaseOpened:
    return await subcases.open_subcase(world.database, request, _not_started)


async def test_a_sub_case_is_a_case_with_all_that_its_parent_has(world: World) -> None:
    parent_id, row = await _case(world)
    opened = await _opened(world, _asked(parent_id, row))
    child = await world.row(Case, id=opened.case_id)
    parent = await world.row(Case, id=parent_id)
    shared = ("definition", "definition_version", "definition_hash", "mailbox_id", "customer")
    assert [getattr(child, name) for name in shared] == [getattr(parent, name) for name in shared]
    assert (child.subject, child.opening_id) == (parent.subject, row)
    assert (child.parent, child.parent_firing, child.parent_index) == (parent_id, 1, 0)
    assert (child.root, child.net, child.depth) == (parent_id, "check", 1)
    assert child.initial_data == {"order": "A1"}
    assert len(child.id) == CASE_ID_LENGTH
    assert await world.participants(child.id) == {CUSTOMER}
    assert opened.opening is not None
    assert (opened.opening.id, opened.opening.type) == (row, "email")


async def test_a_sub_case_that_is_opened_again_is_the_same_one(world: World) -> None:
    parent_id, row = await _case(world)
    first = await _opened(world, _asked(parent_id, row))
    assert await _opened(world, _asked(parent_id, row)) == first
    other = await _opened(world, _asked(parent_id, row, firing=2))
    assert other.case_id != first.case_id
    assert len(await world.rows(Case, parent=parent_id)) == 2


async def test_a_sub_case_that_is_opened_again_is_known_to_run(world: World) -> None:
    parent_id, row = await _case(world)
    assert not (await _opened(world, _asked(parent_id, row))).runs
    again = await subcases.open_subcase(world.database, _asked(parent_id, row), _runs)
    assert (again.runs, again.ended) == (True, None)


async def test_a_sub_case_of_a_sub_case_belongs_to_the_case_at_the_top(world: World) -> None:
    parent_id, row = await _case(world)
    child = await _opened(world, _asked(parent_id, row))
    below = await _opened(world, _asked(child.case_id, row, depth=2))
    found = await world.row(Case, id=below.case_id)
    assert (found.parent, found.root, found.depth) == (child.case_id, parent_id, 2)


async def test_a_case_at_the_top_has_no_more_sub_cases_than_the_cap(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = small_world
    monkeypatch.setattr(subcases, "MAX_SUBCASES", 2)
    parent_id, row = await _case(world)
    child = await _opened(world, _asked(parent_id, row))
    await _opened(world, _asked(child.case_id, row, depth=2))
    refused = await _opened(world, _asked(parent_id, row, firing=2))
    assert refused.opening is None
    assert refused.ended is not None
    assert refused.ended.status is SubcaseStatus.REFUSED
    assert f"case {parent_id} has run 2 sub-cases" in (refused.ended.reason or "")
    assert len(await world.rows(Case)) == 3
    # One that is there already is found all the same.
    assert (await _opened(world, _asked(parent_id, row))).ended is None


async def test_what_a_sub_case_takes_does_not_mark_its_parents_mail(world: World) -> None:
    parent_id, row = await _case(world)
    child = await _opened(world, _asked(parent_id, row))
    await world.record(child.case_id, 1, applied=[row])
    assert (await world.by_uid(1)).state == IntakeState.ROUTED


async def test_the_end_of_a_sub_case_is_known_to_whoever_asks_for_it_again(world: World) -> None:
    parent_id, row = await _case(world)
    child = await _opened(world, _asked(parent_id, row))
    await world.record(child.case_id, 1, status="cancelled")
    again = await subcases.open_subcase(world.database, _asked(parent_id, row), _over)
    assert again.ended is not None
    assert (again.ended.status, again.ended.firing) == (SubcaseStatus.CANCELLED, 1)


async def test_a_sub_case_whose_workflow_was_ended_from_outside_is_marked_so(
    world: World,
) -> None:
    parent_id, row = await _case(world)
    child = await _opened(world, _asked(parent_id, row))
    again = await subcases.open_subcase(world.database, _asked(parent_id, row), _over)
    assert again.ended is not None
    assert again.ended.status is SubcaseStatus.TERMINATED
    assert (await world.row(Case, id=child.case_id)).status == CaseStatus.TERMINATED


async def test_a_reply_of_a_sub_case_answers_its_parents_mail(world: World) -> None:
    parent_id, row = await _case(world)
    child = await _opened(world, _asked(parent_id, row))
    mail = await written(world, world.send_request(child.case_id, event_id=row))
    headers = message_from_bytes(mail.raw)
    assert (headers["In-Reply-To"], mail.recipients[0]) == (FIRST, CUSTOMER)
    assert world.token_address(child.case_id) in headers["Reply-To"]
    without_event = await written(world, world.send_request(child.case_id))
    assert message_from_bytes(without_event.raw)["In-Reply-To"] == FIRST


async def test_a_mail_goes_to_the_sub_case_that_it_is_addressed_to_while_it_is_open(
    world: World,
) -> None:
    parent_id, row = await _case(world)
    child = await _opened(world, _asked(parent_id, row))
    attached = await world.attach()
    await world.take(attached, 2, letter("Re", to=world.token_address(child.case_id)))
    assert (await world.by_uid(2)).case_id == child.case_id
    await world.record(child.case_id, 1, status="closed")
    await world.take(attached, 3, letter("Re", to=world.token_address(child.case_id)))
    assert (await world.by_uid(3)).case_id == parent_id


async def test_a_mail_that_a_closing_sub_case_gives_back_goes_to_its_parent(world: World) -> None:
    parent_id, row = await _case(world)
    child = await _opened(world, _asked(parent_id, row))
    attached = await world.attach()
    [late] = await world.take(attached, 2, letter("Re", to=world.token_address(child.case_id)))
    await world.record(child.case_id, 2, status="closed", applied=[late], returned=[late])
    back = await world.row(Intake, id=late)
    assert (back.case_id, back.state) == (parent_id, IntakeState.ROUTED)
