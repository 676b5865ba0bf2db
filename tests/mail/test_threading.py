"""Which case a mail continues, and that no stranger gets into one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.message import (
    Address,
    Authentication,
    DeliveryReport,
    Kind,
    Markers,
    Message,
    Verdict,
)
from mail.threading import (
    Carrier,
    Join,
    NewCase,
    Review,
    TokenFound,
    TokenKeys,
    WhyReview,
    clues,
    decide,
    mint_message_id,
    mint_token,
    plus_address,
    provider_id,
    read_token,
    subject_tag,
    tokens_in,
)
from tests.mail.samples import message

KEYS = TokenKeys("k2", {"k2": b"n" * 32, "k3": b"o" * 32})
BASE32 = string.ascii_lowercase + "234567"
CASE, OTHER = "abcdefgh234567ab", "zzzzzzzzzzzzzzzz"
TOKEN = mint_token(KEYS, "default", "mb1", CASE)
OTHER_TOKEN = mint_token(KEYS, "default", "mb1", OTHER)
OWN = ["support@everpost.test"]
PEOPLE = {CASE: {"First@customer.test"}, OTHER: {"second@customer.test"}}
REPORT = Markers(content_type="multipart/report")
TOKENS = {TOKEN: CASE, OTHER_TOKEN: OTHER}

case_ids = st.text(BASE32, min_size=16, max_size=16)


def test_a_token_is_34_lowercase_characters_that_survive_a_local_part() -> None:
    assert len(TOKEN) == 34
    assert set(TOKEN) <= set(BASE32)


@given(case_ids, st.text(max_size=20), st.text(max_size=20))
def test_a_token_gives_back_its_case_even_in_upper_case(
    case_id: str, tenant: str, mailbox: str
) -> None:
    token = mint_token(KEYS, tenant, mailbox, case_id)
    assert read_token(KEYS, tenant, mailbox, token.upper()) == case_id


@given(case_ids, st.integers(0, 33), st.sampled_from(BASE32))
def test_a_token_with_any_character_changed_is_refused(case_id: str, at: int, char: str) -> None:
    token = mint_token(KEYS, "t", "m", case_id)
    forged = token[:at] + char + token[at + 1 :]
    assert read_token(KEYS, "t", "m", forged) == (case_id if forged == token else None)


@given(st.text(max_size=60))
def test_no_text_is_read_as_a_token(text: str) -> None:
    assert read_token(KEYS, "t", "m", text) is None


@pytest.mark.parametrize(
    ("tenant", "mailbox"), [("other", "mb1"), ("default", "mb2"), ("defaultm", "b1")]
)
def test_a_token_of_another_tenant_or_mailbox_is_refused(tenant: str, mailbox: str) -> None:
    assert read_token(KEYS, tenant, mailbox, TOKEN) is None


def test_after_a_rotation_old_tokens_are_read_until_their_key_is_dropped() -> None:
    old = mint_token(TokenKeys("k3", KEYS.keys), "t", "m", CASE)
    assert read_token(KEYS, "t", "m", old) == CASE
    assert read_token(TokenKeys("k2", {"k2": KEYS.keys["k2"]}), "t", "m", old) is None


def test_keys_are_not_shown() -> None:
    assert "nnn" not in repr(KEYS)


@pytest.mark.parametrize(
    ("current", "keys"),
    [("k2", {}), ("k2", {"k2": b"short"}), ("K1", {"K1": b"n" * 32}), ("k", {"k": b"n" * 32})],
)
def test_unfit_keys_are_refused(current: str, keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        TokenKeys(current, keys)


def test_an_unfit_case_id_gets_no_token() -> None:
    with pytest.raises(ValueError, match="case id"):
        mint_token(KEYS, "t", "m", "UPPER")


def test_an_unfit_unique_part_gets_no_message_id() -> None:
    with pytest.raises(ValueError, match="unique"):
        mint_message_id(TOKEN, "everpost.test", "a>\r\nBcc: x")


def test_tokens_are_found_in_every_carrier_in_order() -> None:
    mid = mint_message_id(TOKEN, "everpost.test", "1")
    found = tokens_in(
        message(
            to=(Address("", plus_address("Support@everpost.test", OTHER_TOKEN).upper()),),
            references=("<x@y>", mid),
            subject=f"Re: hello {subject_tag(TOKEN)}",
        )
    )
    assert found == (
        TokenFound(OTHER_TOKEN, Carrier.PLUS_ADDRESS),
        TokenFound(TOKEN, Carrier.MESSAGE_ID),
        TokenFound(TOKEN, Carrier.SUBJECT),
    )


def test_references_are_looked_at_from_in_reply_to_backwards() -> None:
    found = clues(message(in_reply_to=("<c@x>",), references=("<a@x>", "<b@x>", "<c@x>")))
    assert found.references == ("<c@x>", "<b@x>", "<a@x>")


def decided(mail: Message, references: dict[str, str] | None = None) -> Join | Review | NewCase:
    return decide(mail, TOKENS, references or {}, PEOPLE, OWN)


@pytest.mark.parametrize(
    ("fields", "by"),
    [
        ({"delivered_to": (f"support+{TOKEN}@everpost.test",)}, Carrier.PLUS_ADDRESS),
        ({"in_reply_to": (f"<{TOKEN}.1@everpost.test>",)}, Carrier.MESSAGE_ID),
        ({"references": ("<known@x>",)}, Carrier.REFERENCE),
        ({"subject": f"x [#{TOKEN}]"}, Carrier.SUBJECT),
    ],
)
def test_a_participant_joins_and_a_stranger_waits_for_a_person(
    fields: dict[str, object], by: Carrier
) -> None:
    known = {"<known@x>": CASE}
    assert decided(message("FIRST@Customer.test", **fields), known) == Join(CASE, by)
    stranger = decided(message("stranger@x.test", **fields), known)
    assert stranger == Review(CASE, by, WhyReview.NOT_A_PARTICIPANT)


def test_a_subject_alone_opens_a_new_case() -> None:
    assert decided(message(subject="Re: Refund please")) == NewCase()


def test_a_forged_token_opens_a_new_case() -> None:
    forged = TOKEN[:-1] + ("a" if TOKEN[-1] != "a" else "b")
    assert decided(message(subject=f"[#{forged}]")) == NewCase()


def test_the_plus_address_comes_before_everything_else() -> None:
    mail = message(
        "both@x.test",
        to=(Address("", f"support+{OTHER_TOKEN}@everpost.test"),),
        in_reply_to=(f"<{TOKEN}.1@everpost.test>", "<known@x>"),
        subject=f"[#{TOKEN}]",
    )
    people = {CASE: {"both@x.test"}, OTHER: {"both@x.test"}}
    decision = decide(mail, TOKENS, {"<known@x>": CASE}, people, OWN)
    assert decision == Join(OTHER, Carrier.PLUS_ADDRESS)


def test_the_last_known_reference_wins() -> None:
    mail = message(references=("<a@x>", "<b@x>"))
    people = {CASE: {"first@customer.test"}, OTHER: {"first@customer.test"}}
    decision = decide(mail, {}, {"<a@x>": CASE, "<b@x>": OTHER}, people, OWN)
    assert decision == Join(OTHER, Carrier.REFERENCE)


def test_a_sender_joins_the_case_that_is_theirs_where_clues_differ() -> None:
    mail = message(
        to=(Address("", f"support+{OTHER_TOKEN}@everpost.test"),), references=("<known@x>",)
    )
    assert decided(mail, {"<known@x>": CASE}) == Join(CASE, Carrier.REFERENCE)


@pytest.mark.parametrize(
    ("sender", "fields", "why"),
    [
        (None, {}, WhyReview.NO_SENDER),
        ("support+x@everpost.test", {}, WhyReview.OWN_ADDRESS),
        ("mailer-daemon@mx.test", {}, WhyReview.BOUNCE),
        (
            "first@customer.test",
            {"markers": Markers(content_type="multipart/report")},
            WhyReview.BOUNCE,
        ),
    ],
)
def test_a_mail_that_nobody_wrote_joins_nothing(
    sender: str | None, fields: dict[str, object], why: WhyReview
) -> None:
    people = {CASE: {"support@everpost.test", "mailer-daemon@mx.test", "first@customer.test"}}
    mail = message(sender, subject=f"[#{TOKEN}]", **fields)
    assert decide(mail, TOKENS, {}, people, OWN) == Review(CASE, Carrier.SUBJECT, why)


addresses = st.sampled_from(["a@x.test", "b@x.test", "c@x.test", "support@everpost.test"])
ids = st.sampled_from(["<1@x>", "<2@x>", f"<{TOKEN}.1@y>", f"<{OTHER_TOKEN}.1@y>"])


@given(
    sender=st.none() | addresses,
    to=st.lists(st.sampled_from([f"s+{TOKEN}@y", f"s+{OTHER_TOKEN}@y", "s@y"]), max_size=3),
    in_reply_to=st.lists(ids, max_size=2),
    references=st.lists(ids, max_size=3),
    subject=st.sampled_from(["x", f"[#{TOKEN}]", f"[#{OTHER_TOKEN}]"]),
    reference_cases=st.dictionaries(ids, st.sampled_from([CASE, OTHER])),
    participants=st.dictionaries(st.sampled_from([CASE, OTHER]), st.frozensets(addresses)),
)
def test_nobody_joins_a_case_that_they_take_no_part_in(
    sender: str | None,
    to: list[str],
    in_reply_to: list[str],
    references: list[str],
    subject: str,
    reference_cases: dict[str, str],
    participants: dict[str, frozenset[str]],
) -> None:
    mail = message(
        sender,
        delivered_to=tuple(to),
        in_reply_to=tuple(in_reply_to),
        references=tuple(references),
        subject=subject,
    )
    decision = decide(mail, TOKENS, reference_cases, participants, OWN)
    if isinstance(decision, Join):
        assert sender in participants[decision.case_id]
        assert sender not in OWN


def test_somebody_named_in_the_mail_that_is_answered_joins_after_those_who_take_part() -> None:
    mail = message(sender="Copied@third.test", references=("<a@x>", "<b@x>"))
    references = {"<a@x>": CASE, "<b@x>": OTHER}
    named = {CASE: {"copied@third.test"}}
    decision = decide(mail, {}, references, PEOPLE, OWN, named)
    assert decision == Join(CASE, Carrier.REFERENCE)
    taking = PEOPLE | {OTHER: {"copied@third.test"}}
    assert decide(mail, {}, references, taking, OWN, named) == Join(OTHER, Carrier.REFERENCE)


@pytest.mark.parametrize(
    ("dmarc", "joins"), [(Verdict.PASS, True), (Verdict.NONE, True), (Verdict.FAIL, False)]
)
def test_a_participant_whose_domain_disowns_the_mail_waits_for_a_person(
    dmarc: Verdict, joins: bool
) -> None:
    mail = message(
        sender="first@customer.test",
        references=("<a@x>",),
        authentication=Authentication("mx.test", dmarc=dmarc),
    )
    decision = decide(mail, {}, {"<a@x>": CASE}, PEOPLE, OWN)
    forged = Review(CASE, Carrier.REFERENCE, WhyReview.FORGED)
    assert decision == (Join(CASE, Carrier.REFERENCE) if joins else forged)


@pytest.mark.parametrize(
    ("kind", "markers", "joins"),
    [
        (Kind.LIST, Markers(list_fields=("list-post",)), False),
        (Kind.BULK, Markers(list_fields=("list-unsubscribe",)), False),
        (Kind.BULK, Markers(precedence="bulk"), False),
        # A ticket system writes what a person wrote in it.
        (Kind.BULK, Markers(auto_submitted="auto-generated"), True),
        (Kind.OUT_OF_OFFICE, Markers(auto_submitted="auto-replied"), True),
        (Kind.READ_RECEIPT, REPORT, True),
        (Kind.DELIVERY_REPORT, Markers(), False),
    ],
)
def test_what_went_to_many_and_reports_join_nothing(
    kind: Kind, markers: Markers, joins: bool
) -> None:
    mail = message(
        sender="first@customer.test",
        references=("<a@x>",),
        kind=kind,
        markers=markers,
    )
    assert isinstance(decide(mail, {}, {"<a@x>": CASE}, PEOPLE, OWN), Join) is joins


def test_a_delivery_report_points_first_at_the_mail_that_it_is_about() -> None:
    report = DeliveryReport("<ours@x>", ())
    found = clues(message(report=report, in_reply_to=("<a@x>",)))
    assert found.references == ("<ours@x>", "<a@x>")


def test_a_providers_id_is_the_left_part_of_the_message_id_that_it_made() -> None:
    assert provider_id("<0102-ab@eu-west-1.amazonses.com>") == "0102-ab"
