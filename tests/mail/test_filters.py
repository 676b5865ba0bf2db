"""Filters: what each condition looks at, which rule decides, and what rules may hold."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.filter_conditions import When
from mail.filters import BadRules, Rule, explain, first_match, parse
from mail.message import Address, Attachment, Authentication, Kind, Message, Verdict

PDF = Attachment("Invoice.PDF", "application/pdf", 900, "", 1, declared_type="text/plain")
LOGO = Attachment("logo.png", "image/png", 100, "", 2, inline=True)
MAIL = Message(
    digest="d",
    size_bytes=5_000,
    message_id="m@test",
    sender=Address("Ann", "Ann@mail.Example.com"),
    to=(Address("", "support@everpost.test"),),
    cc=(Address("", "billing@everpost.test"),),
    delivered_to=("desk@everpost.test",),
    subject="Re: Rechnung Überfällig 4711",
    text="Dear team,\nplease REFUND me.\n> quoted words",
    attachments=(PDF, LOGO),
)


def holds(when: dict[str, Any], message: Message = MAIL) -> bool:  # Any: JSON
    [rule] = parse([{"name": "r", "when": when, "then": "ignore"}])
    return first_match([rule], message) is not None


def mistakes(*rules: object) -> dict[str, str]:
    with pytest.raises(BadRules) as caught:
        parse(list(rules))  # type: ignore[arg-type]  # whatever a caller sends
    return {problem.place: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    "when",
    [
        {"from": "ann@mail.example.com"},
        {"from": "ANN@MAIL.EXAMPLE.COM"},
        {"from": "mail.example.com"},
        {"from": ".example.com"},
        {"from": ".mail.example.com"},
        {"from": ["x@y.test", ".com"]},
        {"to": "billing@everpost.test"},
        {"to": "desk@everpost.test"},
        {"to": "everpost.test"},
        {"subject": "überfällig"},
        {"subject": ["nothing", "RECHNUNG"]},
        {"subject": {"matches": r"\b\d{4}$"}},
        {"body": "refund"},
        {"body": {"contains": "nothing", "matches": "(?i)^dear"}},
        {"has_attachment": True},
        {"attachment_type": "application/pdf"},
        {"attachment_type": "application/*"},
        {"attachment_type": "text/plain"},
        {"attachment_name": {"matches": r"(?i)\.pdf$"}},
        {"kind": "personal"},
        {"kind": ["bulk", "personal"]},
        {"authentication": {"dmarc": "none"}},
        {"size_bytes": {"at_least": 5000}},
        {"size_bytes": {"at_least": 1, "at_most": 5000}},
        {"missing": "date"},
        {"missing": ["subject", "date"]},
        {"not": {"from": "example.com"}},
        {"from": ".example.com", "subject": "rechnung"},
        {"all": [{"from": ".example.com"}, {"not": {"kind": "bulk"}}]},
        {"any": [{"from": "x@y.test"}, {"body": "refund"}]},
    ],
)
def test_a_condition_is_true_of_a_mail_that_is_so(when: dict[str, Any]) -> None:
    assert holds(when)


@pytest.mark.parametrize(
    "when",
    [
        {"from": "example.com"},
        {"from": ".ample.com"},
        {"from": "bann@mail.example.com"},
        {"from": "mail.example.com.evil.test"},
        {"to": "ann@mail.example.com"},
        {"subject": "refund"},
        {"has_attachment": False},
        {"attachment_type": "image/*"},
        {"attachment_name": "logo"},
        {"kind": ["bulk", "list"]},
        {"authentication": {"dmarc": "fail"}},
        {"authentication": {"dmarc": ["fail", "none"], "spf": "fail"}},
        {"size_bytes": {"at_least": 5001}},
        {"size_bytes": {"at_most": 4999}},
        {"missing": "subject"},
        {"from": ".example.com", "subject": "refund"},
        {"all": [{"from": ".example.com"}, {"kind": "bulk"}]},
        {"any": [{"from": "x@y.test"}, {"kind": "bulk"}]},
        {"not": {"body": "refund"}},
    ],
)
def test_a_condition_is_false_of_a_mail_that_is_not_so(when: dict[str, Any]) -> None:
    assert not holds(when)


def test_what_the_server_says_of_the_sender_is_looked_at() -> None:
    known = Authentication("mx.everpost.test", spf=Verdict.PASS, dmarc=Verdict.FAIL)
    message = dataclasses.replace(MAIL, authentication=known)
    assert holds({"authentication": {"dmarc": "fail"}}, message)
    assert not holds({"authentication": {"spf": "fail"}}, message)


def test_a_mail_without_a_sender_is_on_no_list() -> None:
    nobody = dataclasses.replace(MAIL, sender=None)
    assert not holds({"from": ".com"}, nobody)
    assert holds({"not": {"from": ".com"}}, nobody)
    assert holds({"missing": "sender"}, nobody)


def test_a_domain_is_the_same_in_letters_of_its_own_and_in_those_of_dns() -> None:
    dns = dataclasses.replace(MAIL, sender=Address("", "a@xn--mller-kva.test"))
    assert holds({"from": "MÜLLER.test"}, dns)
    own = dataclasses.replace(MAIL, sender=Address("", "a@müller.test"))
    assert holds({"from": "xn--mller-kva.test"}, own)


def test_the_first_rule_by_priority_and_then_by_order_decides() -> None:
    everything: dict[str, Any] = {"size_bytes": {"at_least": 0}}  # Any: JSON
    rules = parse(
        [
            {"name": "late", "priority": 200, "when": everything, "then": "ignore"},
            {"name": "first", "when": everything, "then": "quarantine"},
            {"name": "second", "when": everything, "then": "support"},
            {"name": "early but other", "priority": 1, "when": {"kind": "list"}, "then": "ignore"},
        ]
    )
    assert [rule.name for rule in rules] == ["early but other", "first", "second", "late"]
    met = first_match(rules, MAIL)
    assert met is not None
    assert (met.name, met.definition) == ("first", None)
    assert rules[2].definition == "support"
    assert first_match(rules[:1], MAIL) is None


def test_an_allow_list_shuts_out_everybody_else() -> None:
    [rule] = parse(
        [
            {
                "name": "known only",
                "when": {"not": {"from": ["ann@a.test", "b.test"]}},
                "then": "quarantine",
            }
        ]
    )
    known = dataclasses.replace(MAIL, sender=Address("", "x@b.test"))
    assert first_match([rule], known) is None
    assert first_match([rule], MAIL) is rule


def test_the_explanation_ends_with_the_rule_that_decides_and_says_what_was_found() -> None:
    rules = parse(
        [
            {"name": "bulk", "when": {"kind": "bulk"}, "then": "ignore"},
            {"name": "bills", "when": {"any": [{"subject": "rechnung"}]}, "then": "bills"},
            {"name": "rest", "when": {"has_attachment": True}, "then": "ignore"},
        ]
    )
    bulk, bills = explain(rules, MAIL)
    assert (bulk.holds, bulk.leaves[0].place, bulk.leaves[0].found) == (
        False,
        "when.kind",
        "personal",
    )
    assert (bills.holds, bills.leaves[0].place) == (True, "when.any[0].subject")
    assert bills.leaves[0].found == MAIL.subject


def test_rules_come_back_from_what_is_stored() -> None:
    written = [
        {"name": "a", "when": {"not": {"from": ["Ann@B.test"]}, "kind": "bulk"}, "then": "ignore"},
        {"name": "b", "priority": 3, "when": {"subject": {"matches": "^x"}}, "then": "support"},
    ]
    rules = parse(written)  # type: ignore[arg-type]  # JSON as mypy can't infer it
    assert parse([rule.to_json() for rule in rules]) == rules


@pytest.mark.parametrize(
    ("when", "place", "words"),
    [
        ({}, "", "needs a condition"),
        ({"frm": "a.test"}, ".frm", "Extra inputs"),
        ({"from": []}, ".from", "at least 1 item"),
        ({"from": ["a@b.test", "@b.test"]}, ".from[1]", ".example.com for all below"),
        ({"from": "Ann <a@b.test>"}, ".from[0]", "the address alone"),
        ({"from": "a@b..test"}, ".from[0]", "no mail address"),
        ({"from": ["a.test"] * 1001}, ".from", "at most 1000 items"),
        ({"subject": {"matches": "("}}, ".subject.matches[0]", "RE2"),
        ({"subject": {"matches": "(a)\\1"}}, ".subject.matches[0]", "RE2"),
        ({"subject": {"matches": "x" * 1001}}, ".subject.matches[0]", "at most 1000"),
        ({"subject": {}}, ".subject", "contains or matches"),
        ({"body": {"contains": ""}}, ".body.contains[0]", "at least 1 character"),
        ({"attachment_type": "pdf"}, ".attachment_type[0]", "application/pdf"),
        ({"kind": "spam"}, ".kind[0]", "personal"),
        ({"authentication": {}}, ".authentication", "spf, dkim or dmarc"),
        ({"size_bytes": {}}, ".size_bytes", "at_least or at_most"),
        ({"all": []}, "", "at least one condition"),
        ({"not": {"any": [{"kind": "x"}]}}, ".not.any[0].kind[0]", "personal"),
    ],
)
def test_a_mistake_is_named_with_its_place(when: object, place: str, words: str) -> None:
    found = mistakes({"name": "r", "when": when, "then": "ignore"})
    assert list(found) == [f"rules[0].when{place}"]
    assert words in found[f"rules[0].when{place}"]


def nested(depth: int) -> dict[str, Any]:  # Any: JSON
    when: dict[str, Any] = {"kind": "bulk"}
    for _ in range(depth - 1):
        when = {"not": when}
    return when


def test_nesting_is_bounded() -> None:
    assert holds(nested(8))
    for depth in (9, 200, 100_000):
        assert mistakes({"name": "r", "when": nested(depth), "then": "ignore"})


def test_rules_are_bounded_together() -> None:
    one = {"when": {"kind": "bulk"}, "then": "ignore"}
    assert "at most 100" in mistakes(*({"name": str(n)} | one for n in range(101)))["rules"]
    assert "two rules are named" in mistakes({"name": "a"} | one, {"name": "a"} | one)["rules"]
    long = {"when": {"from": [f"a{n}.test" for n in range(1_000)]}, "then": "ignore"}
    found = mistakes(*({"name": str(n)} | long for n in range(11)))
    assert "10,000 is the most" in found["rules"]
    patterns = {"when": {"subject": {"matches": [f"a{n}" for n in range(60)]}}, "then": "ignore"}
    found = mistakes({"name": "a"} | patterns, {"name": "b"} | patterns)
    assert "patterns together" in found["rules"]


TEXTS = st.text(max_size=40)
MAILS = st.builds(
    Message,
    digest=st.just("d"),
    size_bytes=st.integers(0, 10**9),
    sender=st.none() | st.builds(Address, TEXTS, TEXTS),
    to=st.lists(st.builds(Address, TEXTS, TEXTS), max_size=3).map(tuple),
    delivered_to=st.lists(TEXTS, max_size=2).map(tuple),
    subject=st.text(st.characters(exclude_categories=()), max_size=40),
    text=st.text(st.characters(exclude_categories=()), max_size=200),
    kind=st.sampled_from(Kind),
)
LEAVES = st.sampled_from(
    [
        {"from": ".example.com"},
        {"to": ["a@b.test", "c.test"]},
        {"subject": {"matches": "[a-z]+"}},
        {"body": {"contains": "a", "matches": "é"}},
        {"has_attachment": True},
        {"attachment_name": "x"},
        {"kind": "bulk"},
        {"authentication": {"spf": ["pass", "none"]}},
        {"size_bytes": {"at_most": 1000}},
        {"missing": ["sender", "recipients", "subject"]},
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
    ),
    max_leaves=6,
)


@given(tree=TREES, message=MAILS)
def test_any_condition_has_an_answer_for_any_mail_and_not_turns_it_round(
    tree: dict[str, Any], message: Message
) -> None:
    when = When.model_validate(tree)
    assert When.model_validate({"not": tree}).holds(message) is not when.holds(message)
    assert all(leaf.found is not None for leaf in when.leaves(message))


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["name", "when", "then", "from", "not", "any", "subject", "matches"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_sent_is_taken_or_refused_with_reasons(value: Any) -> None:
    try:
        rules = parse([value])
    except BadRules as error:
        places = [problem.place for problem in error.problems]
    else:
        places = ["rules" for rule in rules if isinstance(rule, Rule)]
    assert places
    assert all(place.startswith("rules") for place in places)
