"""Robots are never answered, and people are."""

import pytest

from mail.message import Markers, Message
from mail.reading.automatic import Robot, why_not_answer
from mail.reading.parse import parse_message
from tests.mail.samples import mail, message

OWN = ["support@everpost.test", "Billing@Everpost.test"]


def test_a_person_is_answered() -> None:
    assert why_not_answer(parse_message(mail()), OWN) is None


@pytest.mark.parametrize(
    "field", [b"Auto-Submitted: no", b"Auto-Submitted: No; x=y", b"Precedence: first-class"]
)
def test_fields_that_tell_nothing_stop_no_answer(field: bytes) -> None:
    assert why_not_answer(parse_message(mail(b"x", field)), OWN) is None


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (b"Auto-Submitted: auto-replied", Robot.AUTO_SUBMITTED),
        (b"Auto-Submitted: AUTO-GENERATED (x)", Robot.AUTO_SUBMITTED),
        (b"Auto-Submitted: something-new", Robot.AUTO_SUBMITTED),
        (b"Auto-Submitted:", Robot.AUTO_SUBMITTED),
        (b"X-Autoreply: yes", Robot.AUTO_SUBMITTED),
        (b"Return-Path: <>", Robot.NULL_RETURN_PATH),
        (b"Return-Path: < >", Robot.NULL_RETURN_PATH),
        (b"Precedence: bulk", Robot.PRECEDENCE),
        (b"Precedence: Junk", Robot.PRECEDENCE),
        (b"Precedence: list", Robot.PRECEDENCE),
        (b"List-Id: <x.y>", Robot.MAILING_LIST),
        (b"LIST-UNSUBSCRIBE: <mailto:x@y>", Robot.MAILING_LIST),
        (b"X-Auto-Response-Suppress: All", Robot.SUPPRESSED),
        (b"X-Auto-Response-Suppress: DR, OOF, AutoReply", Robot.SUPPRESSED),
        (b"Content-Type: multipart/report; boundary=b", Robot.BOUNCE),
    ],
)
def test_marked_mails_are_not_answered(field: bytes, reason: Robot) -> None:
    assert why_not_answer(parse_message(mail(b"x", field)), OWN) is reason


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        ("support@everpost.test", Robot.OURSELVES),
        ("Support+token@EVERPOST.test", Robot.OURSELVES),
        ("billing@everpost.test", Robot.OURSELVES),
        ("MAILER-DAEMON@mx.test", Robot.BOUNCE),
        ("postmaster@mx.test", Robot.BOUNCE),
        ("bounces+123-abc@mx.test", Robot.BOUNCE),
        ("noreply@shop.test", Robot.NO_REPLY),
        ("no-reply@shop.test", Robot.NO_REPLY),
        ("No_Reply+tag@shop.test", Robot.NO_REPLY),
        ("orders-noreply@shop.test", Robot.NO_REPLY),
        ("donotreply@shop.test", Robot.NO_REPLY),
        ("do-not-reply@shop.test", Robot.NO_REPLY),
        ("owner-list@lists.test", Robot.MAILING_LIST),
        ("list-request@lists.test", Robot.MAILING_LIST),
        (None, Robot.NO_SENDER),
    ],
)
def test_robots_are_known_by_their_addresses(sender: str | None, reason: Robot) -> None:
    assert why_not_answer(message(sender), OWN) is reason


@pytest.mark.parametrize(
    "local", ["eleanor.eply", "bouncer", "ownership", "noreplyton", "postmaster.jones", "request"]
)
def test_people_whose_names_resemble_robots_are_answered(local: str) -> None:
    assert why_not_answer(message(f"{local}@x.test"), OWN) is None


def test_a_bounce_is_known_without_a_null_return_path() -> None:
    report: Message = message(markers=Markers(content_type="multipart/report"))
    assert why_not_answer(report, OWN) is Robot.BOUNCE
