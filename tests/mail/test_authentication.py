"""A mail's sender is who it names only where a trusted server, or a signature, says so."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from mail.message import Authentication, Verdict
from mail.reading import authentication
from mail.reading.authentication import (
    aligned,
    authentication_facts,
    dkim_names,
    from_domain,
    header_fields,
    trusted_results,
)
from tests.mail.samples import mail
from tests.mail.signed import NAME, SHORT_KEY, Key, ed25519_key, rsa_key, signed

PASS, FAIL, NONE, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.NONE, Verdict.ERROR


def dkim_verdict(raw: bytes, records: authentication.Records) -> Authentication:
    """Return the verdict as of now, which is when dkimpy looks too."""
    return authentication.dkim_verdict(raw, records, datetime.now(UTC))


@pytest.fixture(scope="module")
def key() -> Key:
    return rsa_key()


def results(*values: str) -> bytes:
    fields = (f"Authentication-Results: {value}".encode() for value in values)
    return b"".join(field + b"\r\n" for field in fields) + mail()


def said(*values: str, by: str = "mx.everpost.test") -> Authentication:
    found = trusted_results(results(*values), by)
    assert found is not None
    return found


def test_the_trusted_servers_word_is_read() -> None:
    assert said(
        "MX.everpost.test; spf=pass smtp.mailfrom=customer.test;\r\n"
        " dkim=pass header.d=customer.test header.s=s1; dmarc=pass header.from=customer.test"
    ) == Authentication("mx.everpost.test", PASS, PASS, PASS, "customer.test")


def test_gmails_form_is_read() -> None:
    found = said(
        "mx.google.test; dkim=pass header.i=@customer.test header.s=s1 header.b=Ab/1+cd=;\r\n"
        "\tspf=pass (mx.google.test: domain of a@customer.test designates 192.0.2.1 as permitted; "
        'sender) smtp.mailfrom="a;b@customer.test";\r\n'
        "\tdmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=customer.test",
        by="mx.google.test",
    )
    assert found == Authentication("mx.google.test", PASS, PASS, PASS, "customer.test")


def test_microsofts_words_outside_the_grammar_spoil_nothing() -> None:
    found = said(
        "mx.everpost.test 1; spf=softfail (sender IP is 192.0.2.1) smtp.mailfrom=x.test; "
        "dkim=none (message not signed) header.d=none;dmarc=fail action=quarantine "
        "header.from=x.test;compauth=fail reason=001"
    )
    assert found == Authentication("mx.everpost.test", FAIL, NONE, FAIL, None)


def test_others_words_do_not_count() -> None:
    raw = results("mx.evil.test; dkim=pass header.d=customer.test", "x; spf=pass")
    assert trusted_results(raw, "mx.everpost.test") is None


def test_a_forged_field_below_the_servers_own_does_not_count() -> None:
    found = said("mx.everpost.test; dkim=fail", "mx.everpost.test; dkim=pass header.d=bank.test")
    assert (found.dkim, found.dkim_domain) == (FAIL, None)


def test_nothing_hides_in_quotes_or_comments() -> None:
    found = said(
        'mx.everpost.test; spf=fail smtp.mailfrom="x; dmarc=pass header.from=b.test"@evil.test; '
        "dkim=none (a (nested; dkim=pass) one; dkim=pass header.d=bank.test)"
    )
    assert found == Authentication("mx.everpost.test", spf=FAIL)


def test_no_results_are_none() -> None:
    assert said("mx.everpost.test; none") == Authentication("mx.everpost.test")


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("pass", PASS),
        ("fail", FAIL),
        ("softfail", FAIL),
        ("policy", FAIL),
        ("neutral", NONE),
        ("none", NONE),
        ("temperror", ERROR),
        ("permerror", ERROR),
        ("splendid", NONE),
    ],
)
def test_each_word_has_its_verdict(word: str, verdict: Verdict) -> None:
    assert said(f"mx.everpost.test; spf={word} smtp.mailfrom=x.test").spf is verdict


def test_the_signature_of_the_authors_domain_is_named_first() -> None:
    found = said(
        "mx.everpost.test; dkim=fail header.d=a.test; dkim=pass header.d=mailer.test; "
        "dkim=pass header.d=news.customer.test"
    )
    assert (found.dkim, found.dkim_domain) == (PASS, "news.customer.test")


@pytest.mark.parametrize("value", ["", ";;;", "(((", '"', "mx.everpost.test", "\\", "a" * 50_000])
def test_malformed_results_are_no_results(value: str) -> None:
    found = trusted_results(results(value), "mx.everpost.test")
    assert found in (None, Authentication("mx.everpost.test"))


@pytest.mark.parametrize(
    ("domain", "author", "same"),
    [
        ("customer.test", "customer.test", True),
        ("mail.customer.co.uk", "news.customer.co.uk", True),
        ("co.uk", "customer.co.uk", False),
        ("other.co.uk", "customer.co.uk", False),
        ("customer.test.evil.test", "customer.test", False),
        ("CUSTOMER.test.", "customer.test", True),
    ],
)
def test_domains_of_one_organization_are_aligned(domain: str, author: str, same: bool) -> None:
    assert aligned(domain, author) is same


def test_several_authors_are_no_author() -> None:
    twice = b"From: a@bank.test\r\n" + mail()
    assert from_domain(header_fields(twice)) is None
    two = mail(head=b"From: a@bank.test, b@evil.test\r\n")
    assert from_domain(header_fields(two)) is None


@pytest.mark.parametrize("make", [rsa_key, ed25519_key])
def test_a_signature_passes_by_the_key_in_the_dns(make: type[Key]) -> None:
    fresh = make()  # type: ignore[call-arg]  # both makers take no argument
    raw = signed(mail(), fresh)
    assert dkim_names(raw) == (NAME,)
    assert dkim_verdict(raw, {NAME: [fresh.record]}) == Authentication(
        "everpost", dkim=PASS, dmarc=PASS, dkim_domain="customer.test"
    )


def test_a_foreign_domains_signature_passes_but_is_not_aligned(key: Key) -> None:
    raw = signed(mail(), key, domain="evil.test")
    found = dkim_verdict(raw, {"s1._domainkey.evil.test": [key.record]})
    assert found == Authentication("everpost", dkim=PASS, dkim_domain="evil.test")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello", b"Hallo"),
        (b"Subject: Refund", b"Subject: Payment"),
        (b"From: First", b"From: a@evil.test\r\nFrom: First"),
    ],
)
def test_a_changed_mail_fails(key: Key, old: bytes, new: bytes) -> None:
    raw = signed(mail(), key).replace(old, new)
    found = dkim_verdict(raw, {NAME: [key.record]})
    assert (found.dkim, found.dmarc) == (FAIL, NONE)


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        (None, ERROR),
        ([], FAIL),
        (["v=spf1 -all"], FAIL),
        (["v=DKIM1; p="], FAIL),
        (["v=DKIM1; p=!!!"], FAIL),
        (["v=DKIM1; k=rsa; p=" + "A" * 4_000], FAIL),
        (["é"], FAIL),
    ],
)
def test_a_key_that_is_missing_or_unusable_is_no_pass(
    key: Key, records: list[str] | None, verdict: Verdict
) -> None:
    assert dkim_verdict(signed(mail(), key), {NAME: records}).dkim is verdict


def test_another_key_fails(key: Key) -> None:
    assert dkim_verdict(signed(mail(), key), {NAME: [rsa_key().record]}).dkim is FAIL


def test_a_record_beside_the_key_does_not_matter(key: Key) -> None:
    assert dkim_verdict(signed(mail(), key), {NAME: ["v=spf1 -all", key.record]}).dkim is PASS


def test_sha1_and_limited_bodies_are_refused(key: Key) -> None:
    old = signed(mail(), key, algorithm=b"rsa-sha1")
    limited = signed(mail(), key, length=True) + b"Send money\r\n"
    for raw in (old, limited):
        assert dkim_verdict(raw, {NAME: [key.record]}).dkim is FAIL


def test_a_short_key_is_refused() -> None:
    raw = signed(mail(), SHORT_KEY)
    assert dkim_verdict(raw, {NAME: [SHORT_KEY.record]}).dkim is not PASS


def _with_tag(raw: bytes, tag: bytes) -> bytes:
    return raw.replace(b"DKIM-Signature: v=1;", b"DKIM-Signature: v=1; " + tag + b";", 1)


@pytest.mark.parametrize("tag", [b"x=1000000000", b"x=abc", b"x=-5"])
def test_an_expired_signature_is_refused(key: Key, tag: bytes) -> None:
    raw = _with_tag(signed(mail(), key), tag)
    assert dkim_verdict(raw, {NAME: [key.record]}).dkim is FAIL


def test_a_signature_is_good_until_it_expires(key: Key) -> None:
    now = datetime.now(UTC)
    expiry = str(int((now + timedelta(days=1)).timestamp())).encode()
    raw = _with_tag(signed(mail(), key), b"x=" + expiry)
    # The signature no longer fits its changed field: what counts is that the tag is looked at.
    assert authentication.dkim_names(raw) == (NAME,)
    assert authentication.dkim_verdict(raw, {NAME: None}, now).dkim is ERROR
    assert authentication.dkim_verdict(raw, {NAME: None}, now + timedelta(days=2)).dkim is FAIL


def test_a_signature_that_leaves_the_author_out_is_refused(key: Key) -> None:
    raw = signed(mail(), key)
    raw = re.sub(rb"(h=.*?)from : ", rb"\1to : ", raw, count=1, flags=re.DOTALL)
    assert dkim_verdict(raw, {NAME: [key.record]}).dkim is FAIL


def test_one_good_signature_of_several_is_enough(key: Key) -> None:
    raw = signed(mail(), key)
    broken = b"DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s1; h=from; bh=AAAA; b=AAAA\r\n"
    found = dkim_verdict(broken * 3 + raw, {NAME: [key.record], "s1._domainkey.x.test": []})
    assert (found.dkim, found.dkim_domain) == (PASS, "customer.test")


def test_the_sixth_signature_is_not_looked_at(key: Key) -> None:
    broken = b"DKIM-Signature: v=1; d=x.test; s=s1\r\n"
    raw = broken * 5 + signed(mail(), key)
    assert dkim_names(raw) == ("s1._domainkey.x.test",)
    assert dkim_verdict(raw, {NAME: [key.record]}).dkim is FAIL


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"v=1",
        b"v=1; d=; s=",
        b"d=x.test; s=../../etc",
        b"d=x y; s=a",
        b"d=x.test; s=" + b"a" * 300,
        b"a" * 100_000,
        b";" * 3_000,
        b"d=x.test; s=s; h=" + b"a:" * 1_900,
        b"\xff\xfe",
    ],
)
def test_a_malformed_signature_fails_without_an_error(value: bytes) -> None:
    raw = b"DKIM-Signature: " + value + b"\r\n" + mail()
    names = {name: ["v=DKIM1; p=AAAA"] for name in dkim_names(raw)}
    assert dkim_verdict(raw, names).dkim in (FAIL, ERROR)


def test_the_facts_for_guards_are_plain_words() -> None:
    found = Authentication("x", PASS, FAIL, ERROR, "customer.test")
    assert authentication_facts(found) == {
        "spf": "pass",
        "dkim": "fail",
        "dmarc": "error",
        "dkim_domain": "customer.test",
    }
    assert authentication_facts(None) is None
