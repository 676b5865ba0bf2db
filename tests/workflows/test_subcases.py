"""Sub-cases: cases of their own that a case runs, and whose end it hears, however it comes."""

from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from contracts.subcases import ParentAction, SubcaseRequest
from ledgers.casework.subcases import open_subcase
from store import cases
from tests.product.mails import customer_mail
from tests.workflows.definitions import FAMILY, RECURSION
from tests.workflows.office import ADDRESS, Office
from workflows import subcases

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUSTOMER = "first@customer.test"


async def _family(desk: Office, spec: dict[str, Any] = FAMILY) -> tuple[str, str]:
    """Return a case that runs a sub-case, and the sub-case."""
    await desk.register(spec)
    await desk.start_workers()
    parent = await desk.receive(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    [child] = await desk.until_children(parent, 1)
    return parent, child


async def test_a_case_goes_on_with_what_its_sub_case_returns(desk: Office) -> None:
    parent, child = await _family(desk)
    view = await desk.until_state(child, "asked")
    assert view.data == {"order": "A1"}
    await desk.door.accept(desk.tenant, child, "1", "told", {"what": "a hat"})
    checked = await desk.until_state(parent, "checked")
    assert checked.data == {"found": "a hat"}
    assert await desk.workflow(child).result() == "closed"
    assert await desk.status(child) == "closed"


async def test_a_sub_case_is_shown_with_what_runs_it(desk: Office) -> None:
    parent, child = await _family(desk)
    async with desk.parts.database.read() as connection:
        found = await cases.read(connection, desk.tenant, child)
        children = await cases.children(connection, desk.tenant, parent, limit=10)
    assert (found.summary.parent, found.root, found.summary.net, found.depth) == (
        parent,
        parent,
        "look",
        1,
    )
    assert [(one.id, one.net, one.status) for one in children] == [(child, "look", "open")]


async def test_a_net_that_runs_itself_returns_what_the_deepest_found(desk: Office) -> None:
    parent, child = await _family(desk, RECURSION)
    for depth in (1, 2):
        await desk.door.accept(desk.tenant, child, f"{depth}", "look", {"again": True})
        [child] = await desk.until_children(child, 1)
    await desk.door.accept(desk.tenant, child, "3", "look", {"what": "a hat"})
    assert (await desk.until_state(parent, "checked")).data == {"found": "a hat"}


async def test_a_net_that_runs_itself_too_deep_fails_with_the_reason(desk: Office) -> None:
    _, child = await _family(desk, {**RECURSION, "max_depth": 1})
    await desk.door.accept(desk.tenant, child, "1", "look", {"again": True})
    await desk.until_traced(child, "unhandled")
    assert await desk.until_children(child, 0) == []


async def test_a_case_that_has_continued_as_new_hears_of_its_sub_case(desk: Office) -> None:
    parent, child = await _family(desk)
    carried = await desk.continue_as_new(parent)
    assert [request.net for request in carried.subcases] == ["look"]
    await desk.door.accept(desk.tenant, child, "1", "told", {"what": "a hat"})
    assert (await desk.until_state(parent, "checked")).data["found"] == "a hat"


async def test_a_sub_case_that_has_continued_as_new_tells_its_parent(desk: Office) -> None:
    parent, child = await _family(desk)
    await desk.continue_as_new(child)
    await desk.door.accept(desk.tenant, child, "last", "told", {"what": "a hat"})
    await desk.until_state(parent, "checked")


async def test_a_sub_case_that_a_person_cancels_fails_its_action(desk: Office) -> None:
    parent, child = await _family(desk)
    await desk.door.cancel(desk.tenant, child, "admin")
    await desk.until_state(parent, "failed")
    assert await desk.status(child) == "cancelled"


async def test_a_sub_case_that_is_terminated_fails_its_action(desk: Office) -> None:
    parent, child = await _family(desk)
    await desk.workflow(child).terminate()
    await desk.until_state(parent, "failed")
    assert await desk.status(child) == "terminated"


async def test_a_later_run_notices_a_sub_case_that_was_terminated(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subcases, "FIRST_LOOK", timedelta(milliseconds=200))
    parent, child = await _family(desk)
    await desk.continue_as_new(parent)
    await desk.workflow(child).terminate()
    await desk.until_state(parent, "failed")


async def test_a_sub_case_that_is_withdrawn_ends_as_cancelled(desk: Office) -> None:
    parent, child = await _family(desk)
    await desk.door.accept(desk.tenant, parent, "1", "stop", {})
    await desk.until_state(parent, "stopped")
    await desk.until_status(child, "cancelled")
    assert await desk.workflow(child).result() == "cancelled"


async def test_a_sub_case_is_withdrawn_in_the_run_after_the_one_that_started_it(
    desk: Office,
) -> None:
    parent, child = await _family(desk)
    await desk.continue_as_new(parent)
    await desk.door.accept(desk.tenant, parent, "stop", "stop", {})
    await desk.until_status(child, "cancelled")


async def test_what_a_cancelled_case_runs_is_cancelled_with_it(desk: Office) -> None:
    parent, child = await _family(desk, RECURSION)
    await desk.door.accept(desk.tenant, child, "1", "look", {"again": True})
    [grandchild] = await desk.until_children(child, 1)
    await desk.door.cancel(desk.tenant, parent, "admin")
    await desk.until_status(grandchild, "cancelled")
    assert [await desk.status(one) for one in (parent, child)] == ["cancelled"] * 2


async def test_what_a_closing_case_runs_ends_with_it(desk: Office) -> None:
    close = {"trigger": "close", "to": ["done"]}
    tasks = {**FAMILY["tasks"], "stop": close}
    conditions = {**FAMILY["conditions"]}
    del tasks["close"], conditions["stopped"]
    conditions["checked"] = {"final": True}
    conditions["failed"] = {"final": True}
    parent, child = await _family(desk, {**FAMILY, "tasks": tasks, "conditions": conditions})
    await desk.door.accept(desk.tenant, parent, "1", "close", {})
    assert await desk.workflow(parent).result() == "closed"
    await desk.until_status(child, "cancelled")


async def test_a_sub_case_that_closes_after_its_parent_was_terminated_closes_all_the_same(
    desk: Office,
) -> None:
    parent, child = await _family(desk)
    await desk.workflow(parent).terminate()
    await desk.door.accept(desk.tenant, child, "1", "told", {"what": "a hat"})
    assert await desk.workflow(child).result() == "closed"


async def test_a_sub_case_answers_the_customer_and_hears_the_answer(desk: Office) -> None:
    nets = {
        "look": {
            "start": "ask",
            "tasks": {
                "ask": {"do": [{"reply": {"template": "asked"}}], "to": ["asked"]},
                "tell": {
                    "trigger": "email",
                    "do": [{"set": {"found": {"from": "event.subject"}}}],
                    "to": ["end"],
                },
            },
            "conditions": {"asked": {"to": ["tell"]}, "end": {"final": True}},
        }
    }
    templates = {"asked": {"text": "What is it, for case {{ case.id }}?"}}
    parent, child = await _family(desk, {**FAMILY, "nets": nets, "templates": templates})
    await desk.until_sent(child, 1)
    [row] = await desk.outbox(child)
    assert (row.recipients, row.kind) == ([CUSTOMER], "reply")
    sent = message_from_bytes(row.raw, policy=default)
    answer = customer_mail(CUSTOMER, ADDRESS, "a hat", "This one", answers=sent)
    assert await desk.receive(answer) == child
    assert (await desk.until_state(parent, "checked")).data["found"] == "a hat"


async def test_a_sub_case_that_an_events_delivery_has_started_tells_its_parent(
    desk: Office,
) -> None:
    # As if a worker had died when the sub-case had its row, but not its workflow.
    await desk.register(FAMILY)
    [row] = await desk.take(customer_mail(CUSTOMER, ADDRESS, "a question", "Hello"))
    parent = await desk.case_of(row)
    request = SubcaseRequest(
        tenant=desk.tenant,
        parent=ParentAction(case_id=parent, firing=2, index=0),
        net="look",
        depth=1,
        data={"order": "A1"},
        event_id=row,
    )
    child = await open_subcase(
        desk.parts.database, request, desk.parts.delivery.temporal.case_stands
    )
    await desk.door.accept(desk.tenant, child.case_id, "1", "told", {"what": "a hat"})
    await desk.door.settle()
    await desk.parts.delivery.deliver(desk.tenant, [row])
    await desk.start_workers()
    assert (await desk.until_state(parent, "checked")).data["found"] == "a hat"
    assert await desk.until_children(parent, 1) == [child.case_id]
