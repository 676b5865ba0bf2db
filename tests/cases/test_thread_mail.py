"""Mails of instances and threads: what they read, and whom they go to."""

from typing import Any

import pytest

from cases.definitions import parse_definition
from cases.errors import DefinitionInvalid
from cases.trace import TraceKind
from tests.cases.driving import Case, reloaded, spec
from tests.cases.small_definitions import tasks_net, tasks_spec

# Any: parts of definitions, as they are written.
TO_EACH: dict[str, Any] = {"notify": {"to": "thread.item", "template": "thanks"}, "block": True}
FAILED: dict[str, Any] = {"failed": {"final": True}}
PEOPLE = ["first@example.com", "second@example.com"]


def _asks_each(**task: Any) -> Case:
    ask = {"instances": {"over": "data.orders"}, "to": ["end"], **task}
    return Case(tasks_net({"ask": ask}), {"orders": list(PEOPLE)})


def test_each_instance_writes_to_its_own_item() -> None:
    case = _asks_each(do=[TO_EACH])
    assert [one.action.to for one in case.performs] == [(one,) for one in PEOPLE]  # type: ignore[union-attr]
    assert [dict(one.thread) for one in case.performs] == [
        {"number": 1, "item": PEOPLE[0]},
        {"number": 2, "item": PEOPLE[1]},
    ]


def test_what_is_set_in_a_thread_and_what_it_has_of_its_parents_goes_with_its_mail() -> None:
    reply = {"reply": {"to": "thread.who", "template": "thanks"}, "block": True}
    do = [{"set": {"thread.who": {"from": "thread.item"}}}, reply]
    case = _asks_each(do=do)
    assert [str(one.action) for one in case.performs] == [
        f"reply thanks to {one}" for one in PEOPLE
    ]
    assert case.performs[1].thread["who"] == PEOPLE[1]


def test_a_thread_without_an_address_fails_the_mail_with_the_reason() -> None:
    case = Case(
        tasks_net({"ask": {"do": [TO_EACH], "on_error": ["failed"], "to": ["end"]}}, FAILED)
    )
    assert case.performs == []
    assert any("thread.item has no mail address" in note for note in case.trace[-1].notes)


def test_a_held_reply_keeps_what_its_thread_had() -> None:
    held = {"reply": {"to": "thread.item", "template": "thanks", "hold": "1 hour"}}
    net = tasks_net(
        {
            "ask": {"instances": {"over": "data.orders"}, "do": [held], "to": ["rest"]},
            "wait": {"trigger": "go", "to": ["end"]},
        },
        {"rest": {"to": ["wait"]}},
    )
    case = Case(net, {"orders": list(PEOPLE)})
    assert reloaded(net, case.state) == case.state
    case.wait(hours=1)
    assert len(case.traced(TraceKind.RELEASED)) == 2
    assert [one.thread["item"] for one in case.performs] == PEOPLE


@pytest.mark.parametrize("kind", ["reply", "notify"])
def test_states_have_no_threads_to_write_to(kind: str) -> None:
    action = {kind: {"to": "thread.item", "template": "thanks"}}
    with pytest.raises(DefinitionInvalid) as refused:
        parse_definition(spec({"open": {"enter": [action]}}))
    assert "one thread only" in str(refused.value)


def test_a_wrong_addressee_is_told_what_it_may_be() -> None:
    action = {"notify": {"to": "event.sender", "template": "thanks"}}
    with pytest.raises(DefinitionInvalid) as refused:
        parse_definition(tasks_spec({"ask": {"do": [action], "to": ["end"]}}))
    assert "data.FIELD or thread.NAME" in str(refused.value)
