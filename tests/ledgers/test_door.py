"""The way in for programs: once is once, whatever is asked again, and when."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

import ledgers.casework.door
from contracts.errors import (
    CaseClosed,
    CaseDataInvalid,
    CaseNotFound,
    DefinitionNotFound,
    EventReused,
    EventTypeReserved,
    KeyReused,
    MailboxNotFound,
    StartRefused,
)
from ledgers.casework.delivery import Delivery
from ledgers.casework.door import Door
from store.tables import Case, Intake, IntakeState
from tests.ledgers.definitions import SUPPORT
from tests.ledgers.deliveries import delivery_to_nobody
from tests.ledgers.interleaving import together
from tests.ledgers.world import TENANT, World


@dataclass(slots=True)
class Resting(Door):
    """A door whose deliveries are left to the delivery watch."""

    def deliver_soon(self, tenant: str, row_id: int) -> None:
        """Do nothing: what counts here is the ledger."""


@pytest.fixture
async def delivery(world: World) -> Delivery:
    """A delivery while Temporal is down."""
    return await delivery_to_nobody(world)


@pytest.fixture
async def door(delivery: Delivery) -> AsyncIterator[Door]:
    """A door; Temporal is down."""
    made = Resting(delivery)
    yield made
    await made.settle()


async def open_case(door: Door, key: str = "key") -> str:
    """Start a case."""
    return (await door.start(TENANT, "support", {}, key=key, to="a@b.test")).case_id


async def test_a_case_is_started_and_safe_while_temporal_is_down(world: World, door: Door) -> None:
    started = await door.start(TENANT, "support", {"count": 2}, to="A@b.test", subject="Two")
    case, row = await world.row(Case), await world.row(Intake)
    assert started.created
    assert (case.id, case.customer, case.subject, case.mailbox_id, case.initial_data) == (
        started.case_id,
        "a@b.test",
        "Two",
        "mailbox1",
        {"count": 2},
    )
    assert (row.source, row.state, row.event_type, row.event) == (
        "api",
        IntakeState.ROUTED,
        "opened",
        {"count": 2},
    )
    assert case.opening_id == row.id
    assert await world.participants(case.id) == {"a@b.test"}


async def test_a_delivery_that_fails_does_not_fail_the_request(
    world: World, delivery: Delivery
) -> None:
    door = Door(delivery)
    await door.start(TENANT, "support", {}, to="a@b.test")
    for task in door._deliveries:
        task.cancel()  # it would wait for Temporal for ten seconds
    await door.settle()
    assert (await world.row(Intake)).state == IntakeState.ROUTED


async def test_the_same_key_is_the_same_case(world: World, door: Door) -> None:
    first = await door.start(TENANT, "support", {"count": 1}, key="k", to="a@b.test")
    again = await door.start(TENANT, "support", {"count": 1}, key="k", to="a@b.test")
    assert (again.case_id, again.created) == (first.case_id, False)
    assert len(await world.rows(Intake)) == 1


async def test_the_same_key_many_times_at_once_is_one_case(
    world: World, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ledgers.casework.door, "_insert_event", together(ledgers.casework.door._insert_event)
    )
    results = await asyncio.gather(*(open_case(door) for _ in range(3)))
    assert len(set(results)) == 1
    assert len(await world.rows(Case)) == len(await world.rows(Intake)) == 1


async def test_the_same_key_with_another_request_is_refused(world: World, door: Door) -> None:
    await open_case(door)
    with pytest.raises(KeyReused):
        await door.start(TENANT, "support", {"count": 9}, key="key", to="a@b.test")
    assert len(await world.rows(Case)) == 1


async def test_keys_of_two_tenants_are_apart(world: World, door: Door) -> None:
    await world.register(tenant="other")
    await world.mailbox("mailbox2", tenant="other")
    mine = await open_case(door)
    theirs = await door.start("other", "support", {}, key="key", to="a@b.test")
    assert theirs.created
    assert theirs.case_id != mine


async def test_a_start_that_cannot_work_leaves_nothing(world: World, door: Door) -> None:
    with pytest.raises(DefinitionNotFound):
        await door.start(TENANT, "nothing", {})
    with pytest.raises(CaseDataInvalid):
        await door.start(TENANT, "support", {"count": "many"}, to="a@b.test")
    with pytest.raises(MailboxNotFound):
        await door.start(TENANT, "support", {}, to="a@b.test", mailbox_id="nothing")
    await world.register({**_mail_only(), "id": "letters"})
    with pytest.raises(StartRefused):
        await door.start(TENANT, "letters", {}, to="a@b.test")
    assert await world.rows(Intake) == await world.rows(Case) == []


def _mail_only() -> dict[str, object]:
    return {**SUPPORT, "starts": ["mail"]}


async def test_an_event_is_safe_while_temporal_is_down(world: World, door: Door) -> None:
    case_id = await open_case(door)
    accepted = await door.accept(TENANT, case_id, "e1", "paid", {"amount": 5})
    row = await world.row(Intake, external_id="e1")
    assert (row.id, row.case_id, row.event_type, row.event, row.state) == (
        accepted.event_id,
        case_id,
        "paid",
        {"amount": 5},
        IntakeState.ROUTED,
    )
    assert not accepted.duplicate


async def test_the_same_event_many_times_at_once_is_one_event(
    world: World, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await open_case(door)
    monkeypatch.setattr(
        ledgers.casework.door, "_insert_event", together(ledgers.casework.door._insert_event)
    )
    results = await asyncio.gather(
        *(door.accept(TENANT, case_id, "e1", "paid", {"amount": 5}) for _ in range(3))
    )
    assert len({result.event_id for result in results}) == 1
    assert sorted(result.duplicate for result in results) == [False, True, True]
    assert len(await world.rows(Intake, external_id="e1")) == 1


async def test_the_same_id_with_another_event_is_refused(world: World, door: Door) -> None:
    case_id = await open_case(door)
    await door.accept(TENANT, case_id, "e1", "paid", {"amount": 5})
    with pytest.raises(EventReused):
        await door.accept(TENANT, case_id, "e1", "paid", {"amount": 6})
    with pytest.raises(EventReused):
        await door.accept(TENANT, case_id, "e1", "refunded", {"amount": 5})
    assert len(await world.rows(Intake, external_id="e1")) == 1


async def test_the_same_event_id_in_two_cases_is_two_events(world: World, door: Door) -> None:
    for key in ("one", "two"):
        await door.accept(TENANT, await open_case(door, key), "e1", "paid", {})
    assert len(await world.rows(Intake, external_id="e1")) == 2


async def test_a_closed_case_takes_no_new_event_and_still_knows_an_old_one(
    world: World, door: Door
) -> None:
    case_id = await open_case(door)
    accepted = await door.accept(TENANT, case_id, "e1", "paid", {})
    await world.close(case_id)
    with pytest.raises(CaseClosed):
        await door.accept(TENANT, case_id, "e2", "paid", {})
    again = await door.accept(TENANT, case_id, "e1", "paid", {})
    assert (again.event_id, again.duplicate) == (accepted.event_id, True)


async def test_a_case_of_another_tenant_is_not_there(world: World, door: Door) -> None:
    case_id = await open_case(door)
    with pytest.raises(CaseNotFound):
        await door.accept("other", case_id, "e1", "paid", {})
    with pytest.raises(CaseNotFound):
        await door.cancel("other", case_id, "admin")


@pytest.mark.parametrize("type_", ["email", "opened", "everpost.cancel", "everpost.anything"])
async def test_events_of_the_product_itself_cannot_be_sent(
    world: World, door: Door, type_: str
) -> None:
    case_id = await open_case(door)
    with pytest.raises(EventTypeReserved):
        await door.accept(TENANT, case_id, "e1", type_, {})


async def test_a_cancel_is_taken_once(world: World, door: Door) -> None:
    case_id = await open_case(door)
    first = await door.cancel(TENANT, case_id, "admin")
    again = await door.cancel(TENANT, case_id, "somebody else")
    assert (again.event_id, again.duplicate) == (first.event_id, True)
    row = await world.row(Intake, id=first.event_id)
    assert (row.event_type, row.event) == ("everpost.cancel", {"by": "admin"})


async def test_no_event_of_a_program_can_stand_in_the_way_of_a_cancel(
    world: World, door: Door
) -> None:
    case_id = await open_case(door)
    with pytest.raises(EventReused):
        await door.accept(TENANT, case_id, "everpost.cancel", "paid", {})
    assert not (await door.cancel(TENANT, case_id, "admin")).duplicate


@pytest.mark.parametrize("value", ["\x00", "\ud800", "x" * 60_000, [[[]]], 1e308])
async def test_hostile_data_is_kept_as_it_is(world: World, door: Door, value: object) -> None:
    case_id = await open_case(door)
    await door.accept(TENANT, case_id, "e1", "paid", {"value": value})  # type: ignore[dict-item]
    assert (await world.row(Intake, external_id="e1")).event == {"value": value}


async def test_an_event_for_a_case_that_closes_meanwhile_is_ignored_with_the_reason(
    world: World, door: Door, delivery: Delivery
) -> None:
    case_id = await open_case(door)
    accepted = await door.accept(TENANT, case_id, "e1", "paid", {})
    await world.close(case_id)
    await delivery.deliver(TENANT, [accepted.event_id])
    row = await world.row(Intake, id=accepted.event_id)
    assert (row.state, row.reason, row.due_at) == (
        IntakeState.IGNORED,
        "the case closed before it could be used",
        None,
    )
