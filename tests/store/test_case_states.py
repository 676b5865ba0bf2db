"""Cases are found by each state in which they stand, and listed with why they have stopped."""

from typing import Any

import pytest
from sqlalchemy import insert

from contracts.clock import utc_now
from contracts.steps import Snapshot, StepRecord
from ledgers.casework import record
from ledgers.casework.case_rows import case_row
from store import cases
from store.cases import CaseFilter
from store.database import Database
from store.tables import MAX_STATE_CHARS, Case

LONG = [f"{number}-{'x' * 60}" for number in range(6)]


async def stands(database: Database, case_id: str, states: list[str], **more: Any) -> None:
    """Write a case that has made a step, and stands in some states."""
    row = case_row(
        tenant="default",
        case_id=case_id,
        definition="small",
        version=1,
        hash_="-",
        mailbox_id=None,
        customer=None,
        subject="",
        opening_id=1,
        opened_at=utc_now(),
        now=utc_now(),
    )
    snapshot = Snapshot(revision=1, status="open", states=states, **more)
    async with database.write() as connection:
        await connection.execute(insert(Case).values(row))
        await record.write(
            connection, StepRecord(tenant="default", case_id=case_id, snapshot=snapshot)
        )


async def found(database: Database, state: str) -> list[str]:
    """Return the cases that stand in a state."""
    async with database.read() as connection:
        page = await cases.find(connection, "default", CaseFilter(state=state), limit=10)
    return sorted(case.id for case in page.items)


@pytest.mark.parametrize(
    ("state", "ids"),
    [
        ("pay", ["c1"]),
        ("ship", ["c1", "c2"]),
        ("shi", []),
        ("SHIP", []),
        ("sh%", []),
        ("s_ip", []),
        ("ship' OR '1'='1", []),
        ('ship", "pay', []),
        ("", []),
    ],
)
async def test_a_case_is_found_by_each_state_in_which_it_stands_and_by_no_part_of_one(
    database: Database, state: str, ids: list[str]
) -> None:
    await stands(database, "c1", ["pay", "ship"])
    await stands(database, "c2", ["ship"])
    assert await found(database, state) == ids


async def test_a_case_in_more_states_than_the_column_holds_is_found_by_each(
    database: Database,
) -> None:
    await stands(database, "c1", LONG)
    assert [await found(database, state) for state in LONG] == [["c1"]] * len(LONG)
    cut_off = ", ".join(LONG)[:MAX_STATE_CHARS].rpartition(", ")[2]
    assert await found(database, cut_off) == []


async def test_a_list_says_of_a_parked_case_why_it_has_stopped(database: Database) -> None:
    await stands(database, "c1", ["pay"], parked="it runs in circles")
    await stands(database, "c2", ["pay"])
    async with database.read() as connection:
        page = await cases.find(connection, "default", CaseFilter(), limit=10)
    assert {case.id: case.parked for case in page.items} == {"c1": "it runs in circles", "c2": None}
