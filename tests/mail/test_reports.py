"""Delivery reports are read whatever server wrote them; nothing else is taken for one."""

import email
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mail.message import DeliveryReport, Kind, Message
from mail.reading.automatic import is_bounce, kind_of, why_not_answer
from mail.reading.parse import parse_message
from mail.reading.reports import delivery_report, failures
from tests.mail.bounce_samples import (
    BOUNCES,
    GONE,
    OURS,
    REPORTED_ID,
    RETURNED,
    Bounce,
    dsn,
    group,
    plain,
)
from tests.mail.robot_samples import SAMPLES, Sample


def read(raw: bytes) -> Message:
    """Return a parsed mail with its report and its kind."""
    message = parse_message(raw)
    root = email.message_from_bytes(raw)
    report = delivery_report(root, message.markers, message.sender, message.text)
    message = replace(message, report=report)
    return replace(message, kind=kind_of(message))


def report_of(raw: bytes) -> DeliveryReport:
    report = read(raw).report
    assert report is not None
    return report


@pytest.mark.parametrize("bounce", BOUNCES, ids=lambda bounce: bounce.name)
def test_a_bounce_tells_whom_it_is_about_and_whether_for_good(bounce: Bounce) -> None:
    message = read(bounce.raw)
    assert message.kind is Kind.DELIVERY_REPORT
    assert message.report is not None
    found = message.report.recipients
    assert tuple((entry.address, entry.hard) for entry in found) == bounce.recipients
    assert (found[0].action, found[0].status) == (bounce.action, bounce.status)
    assert message.report.message_id == bounce.message_id
    assert all(entry.reason for entry in found)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_mail_is_of_its_kind(sample: Sample) -> None:
    assert read(sample.raw).kind is sample.kind


def test_a_report_inside_a_forwarded_mail_is_not_the_forwarding_mails() -> None:
    inner = dsn(group("5.1.1")).decode()
    body = f"--out\n\nWhat is this?\n--out\nContent-Type: message/rfc822\n\n{inner}\n--out--\n"
    kind = 'Content-Type: multipart/mixed; boundary="out"'
    raw = plain(
        "Lena <lena@customer.test>", "Fwd: problem", body, kind, path="<lena@customer.test>"
    )
    message = read(raw)
    assert (message.report, message.kind) == (None, Kind.PERSONAL)


def test_a_report_below_a_gateways_footer_is_read() -> None:
    inner = dsn(group("5.1.1")).decode().partition("MIME-Version: 1.0\n")[2]
    body = f"--out\n{inner}\n--out\n\nScanned by the gateway.\n--out--\n"
    kind = 'Content-Type: multipart/mixed; boundary="out"'
    raw = plain("MAILER-DAEMON@mx.gone.test", "Undelivered Mail", body, kind)
    assert report_of(raw).recipients[0].status == "5.1.1"


def test_the_reason_is_the_servers_without_the_kind_of_code() -> None:
    report = report_of(dsn(group("5.1.1", "smtp; 550 5.1.1 no such person here")))
    assert report.recipients[0].reason == "550 5.1.1 no such person here"


def test_a_report_without_a_reason_tells_what_its_status_means() -> None:
    report = report_of(dsn(group("5.1.1")))
    assert report.recipients[0].reason == "the address does not exist"


def test_only_recipients_who_get_nothing_are_failures() -> None:
    report = report_of(
        dsn(
            group("5.1.1"),
            group("4.4.1", "", "delayed", "max@gone.test"),
            group("2.0.0", "", "delivered", "ann@gone.test"),
        )
    )
    assert [entry.address for entry in failures(report)] == [GONE]


def test_the_original_id_comes_from_the_returned_mail_rather_than_from_references() -> None:
    raw = dsn(group("5.1.1"), fields=["In-Reply-To: <other@x.test>"])
    assert report_of(raw).message_id == REPORTED_ID


@pytest.mark.parametrize(
    ("raw", "robot"),
    [
        (dsn(group("5.1.1")), "the mail is a delivery report"),
        (SAMPLES[0].raw, "the mail says that a program wrote it"),
        (SAMPLES[1].raw, "the mail is an out-of-office notice"),
    ],
)
def test_robots_known_by_their_kind_are_not_answered(raw: bytes, robot: str) -> None:
    assert why_not_answer(read(raw), [OURS]) == robot


def test_a_read_receipt_is_not_answered_and_is_no_bounce() -> None:
    receipts = [read(sample.raw) for sample in SAMPLES if sample.kind is Kind.READ_RECEIPT]
    assert len(receipts) == 3
    assert not any(is_bounce(message) for message in receipts)
    robots = {why_not_answer(message, [OURS]) for message in receipts}
    assert robots == {"the mail is a read receipt"}


def test_no_person_in_the_samples_is_taken_for_a_robot() -> None:
    persons = [read(sample.raw) for sample in SAMPLES if sample.kind is Kind.PERSONAL]
    assert len(persons) >= 10
    assert {why_not_answer(message, [OURS]) for message in persons} == {None}


def test_thousands_of_recipients_are_capped() -> None:
    groups = [group("5.1.1", address=f"u{n}@gone.test") for n in range(900)]
    assert len(report_of(dsn(*groups)).recipients) == 100


_HOSTILE = [
    "-" * 300_000,
    "<" * 200_000 + "@" * 200_000,
    "a" * 500_000 + "@",
    "Message-ID:\n" * 100_000,
    "> " * 500_000,
    "550 5.1.1 " * 100_000,
    "could not be delivered " * 50_000,
    "delivery to " * 100_000,
    (" " * 200 + "\n") * 5_000,
    "\n".join(f"<u{n}@gone.test>: 550 5.1.1 no" for n in range(20_000)),
    "\x00\xff\ufffd" * 100_000,
]


@pytest.mark.parametrize("body", _HOSTILE, ids=lambda body: ascii(body[:12]))
def test_a_hostile_report_of_megabytes_is_read_within_bounds(body: str) -> None:
    raws = [
        plain("MAILER-DAEMON@x.test", "Undelivered Mail Returned to Sender", body),
        dsn(f"Final-Recipient: rfc822; {body}\nAction: {body}\nStatus: {body}"),
        dsn(group("5.1.1"), returned=f"Content-Type: text/rfc822-headers\n\n{body}"),
    ]
    for raw in raws:
        message = parse_message(raw)
        root = email.message_from_bytes(raw)
        report = delivery_report(root, message.markers, message.sender, message.text)
        kind_of(replace(message, report=report, subject=body[:998], new_text=body))
        if report is not None:
            assert len(report.recipients) <= 100
            assert all(len(entry.reason) <= 500 for entry in report.recipients)


@pytest.mark.parametrize(
    "group_text",
    [
        "Final-Recipient:\nAction: failed",
        "Final-Recipient: rfc822;\nAction:",
        "Final-Recipient: x400; c=de\nAction: failed\nStatus: 5",
        "Action: failed\nStatus: 5.1.1",
        "Final-Recipient rfc822; nobody",
        "",
    ],
)
def test_broken_groups_do_not_stop_the_reading(group_text: str) -> None:
    report = report_of(dsn(group_text, group("5.1.1")))
    assert report.recipients[-1].address == GONE
    assert report.message_id == REPORTED_ID


def test_a_quoted_message_id_is_found_in_a_folded_and_quoted_header() -> None:
    quoted = RETURNED.replace("Message-ID: ", "Message-ID:\n ").replace("\n", "\n> ")
    text = f"Unable to deliver to\n{GONE}\n550 5.1.1 no\n\nOriginal message\n> {quoted}"
    assert report_of(plain("postmaster@x.test", "Undeliverable", text)).message_id == REPORTED_ID


@given(
    raw=st.sampled_from([bounce.raw for bounce in BOUNCES] + [sample.raw for sample in SAMPLES]),
    at=st.floats(0, 1),
    gone=st.integers(0, 60),
    new=st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"\n\n", b"--edge\n", b"Content-Transfer-Encoding: base64\n", b'"', b"<"]),
    ),
)
@settings(max_examples=150, deadline=None)
def test_no_damage_to_a_report_raises(raw: bytes, at: float, gone: int, new: bytes) -> None:
    start = int(at * len(raw))
    damaged = raw[:start] + new + raw[start + gone :]
    assume(damaged.strip())
    message = read(damaged)
    assert (message.report is None) or message.kind is Kind.DELIVERY_REPORT
