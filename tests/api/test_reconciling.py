"""Reconciling by hand, what came of it, and what the metrics say of mailboxes."""

from datetime import timedelta

from sqlalchemy import insert, update

from contracts.clock import utc_now
from store.tables import Mailbox, Reconciliation
from tests.api.conftest import Api, assert_problem
from tests.api.test_mailboxes import NEW, URL

REPORT = {
    "listed": 3,
    "known": 2,
    "missing": 1,
    "unlisted": 0,
    "stuck": 0,
    "older_uidvalidity": 0,
    "renumbered": False,
    "gaps": [{"uid": 3, "received_at": None, "what": "w", "done": "d"}],
}


async def attached(api: Api) -> str:
    """Attach a mailbox; return its id."""
    return str((await api.ask("POST", URL, NEW)).json()["id"])


async def test_a_comparison_is_started_for_ones_own_mailbox_alone(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    answer = await api.ask("POST", f"{URL}/{mailbox_id}/reconcile")
    assert (answer.status_code, answer.json()) == (202, {"mailbox_id": mailbox_id})
    assert_problem(
        await api.ask("POST", f"{URL}/{mailbox_id}/reconcile", tenant="other"),
        404,
        "mailbox-not-found",
    )
    assert api.temporal.reconciled == [("default", mailbox_id)]


async def test_a_comparison_that_cannot_be_started_says_so(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    api.temporal.answers = False
    answer = await api.ask("POST", f"{URL}/{mailbox_id}/reconcile")
    assert answer.status_code == 503


async def test_what_comparisons_found_is_listed_newest_first(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    times = [utc_now() - timedelta(hours=hours) for hours in (2, 1)]
    async with api.services.database.write() as connection:
        for at in times:
            await connection.execute(
                insert(Reconciliation).values(
                    tenant="default",
                    mailbox_id=mailbox_id,
                    at=at,
                    report=REPORT | {"at": at.isoformat()},
                )
            )
    address = f"{URL}/{mailbox_id}/reconciliations"
    items = (await api.ask("GET", address)).json()["items"]
    assert [item["at"] for item in items] == [
        at.isoformat().replace("+00:00", "Z") for at in reversed(times)
    ]
    assert items[0]["gaps"] == REPORT["gaps"]
    assert len((await api.ask("GET", f"{address}?limit=1")).json()["items"]) == 1
    assert_problem(await api.ask("GET", address, tenant="other"), 404, "mailbox-not-found")


async def test_the_metrics_tell_each_kind_of_trouble_of_a_mailbox(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    now = utc_now()
    async with api.services.database.write() as connection:
        await connection.execute(
            update(Mailbox).values(
                connected=True,
                checked_at=now - timedelta(hours=1),
                read_until=now - timedelta(hours=1),
                gaps=7,
            )
        )
    lines = (await api.client.get("/metrics")).text.splitlines()
    named = f'mailbox="{mailbox_id}",tenant="default"'
    alarm = f'mailbox="{mailbox_id}",tenant="default"'
    assert f"everpost_mailbox_gaps{{{named}}} 7.0" in lines
    assert f"everpost_mailbox_red{{{named}}} 1.0" in lines
    assert f"everpost_mailbox_connected{{{named}}} 1.0" in lines
    for kind in ("unread", "gaps"):
        assert f'everpost_mailbox_alarm{{kind="{kind}",{alarm}}} 1.0' in lines
    [lag] = [line for line in lines if line.startswith("everpost_mailbox_read_until_seconds{")]
    assert float(lag.rpartition(" ")[2]) >= timedelta(hours=1).total_seconds()


async def test_a_paused_mailbox_has_to_be_resumed_before_it_is_compared(
    api: Api, question: str
) -> None:
    mailbox_id = await attached(api)
    await api.ask("POST", f"{URL}/{mailbox_id}/pause")
    answer = await api.ask("POST", f"{URL}/{mailbox_id}/reconcile")
    assert_problem(answer, 409, "mailbox-paused")
    assert f"POST {URL}/{mailbox_id}/resume" in answer.json()["detail"]
    assert api.temporal.reconciled == []
    await api.ask("POST", f"{URL}/{mailbox_id}/resume")
    assert (await api.ask("POST", f"{URL}/{mailbox_id}/reconcile")).status_code == 202
