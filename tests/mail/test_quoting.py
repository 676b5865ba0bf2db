"""What is new in a reply, and that nothing new is lost."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.reading.parse import parse_message
from mail.reading.quoting import new_part, split
from tests.mail.quote_samples import ATTRIBUTIONS, BLOCKS, NEW, REPLIES, Reply
from tests.mail.samples import mail


def filled_lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.name)
def test_what_is_new_in_a_reply_is_told_from_quotation_and_signature(reply: Reply) -> None:
    kind = b"html" if reply.is_html else b"plain"
    field = b"Content-Type: text/" + kind + b"; charset=utf-8"
    message = parse_message(mail(reply.text.encode(), field))
    assert filled_lines(message.new_text) == filled_lines(reply.new)
    assert filled_lines(message.signature) == filled_lines(reply.signature)


def test_what_only_the_second_reader_knows_is_cut() -> None:
    original = f"Den förste november skrev {'lång ' * 3}Butiken:\n\nHej"
    assert new_part(f"{NEW}\n\n{original}") == NEW


def test_a_marker_that_a_sender_writes_marks_nothing() -> None:
    forged = "<p>a</p><p>\ue000" + "0" * 20 + "r\ue001</p><blockquote>old</blockquote><p>b</p>"
    message = parse_message(mail(forged.encode(), b"Content-Type: text/html; charset=utf-8"))
    assert filled_lines(message.new_text)[0] == "a"
    assert filled_lines(message.new_text)[-1] == "b"


FRAGMENTS = st.sampled_from(
    [*ATTRIBUTIONS.values(), *BLOCKS.values(), NEW, "> quoted", ">> older", "", "-- ", "--",
     "Lena", "Sent from my iPhone", "Best regards,", "On it!", "________________________________",
     "wrote:", "From: x", "a" * 500, " <@ <@"]
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(FRAGMENTS | st.text(max_size=30), max_size=15), st.data())
def test_every_line_is_in_exactly_one_part(pieces: list[str], data: st.DataObject) -> None:
    text = "\n".join(pieces)
    numbers = st.frozensets(st.integers(0, max(text.count("\n"), 0)), max_size=5)
    parts = split(text, data.draw(numbers), data.draw(numbers))
    together = "\n".join((parts.new_text, parts.quoted, parts.signature))
    assert Counter(filled_lines(together)) == Counter(filled_lines(text))
    assert bool(parts.new_text.strip()) == bool(text.strip())


@pytest.mark.parametrize(
    "original",
    [
        "On Fri, 21 Nov 2025 at 10:00, Support <s@x> wrote:\n> Hello\n>> older",
        "On Fri, 21 Nov 2025 at 10:00, A Rather Long Name\n<s@x> wrote:\n\n> Hello",
        "Am 21.11.2025 um 10:00 schrieb Support:\n> Hallo",
        "Am Fr., 21. Nov. 2025 um 10:00 Uhr Support <s@x> schrieb:\n\nHallo ohne Zeichen",
        "Le ven. 21 nov. 2025 à 10:00, Support <s@x> a écrit :\n> Bonjour",
        "-----Original Message-----\nFrom: Support\nSent: Friday\n\nHello",
        "________________________________\nFrom: Support <s@x>\nSent: Friday\nTo: a\n\nHello",
        "From: Support <s@x>\nSent: Friday\nTo: me\nSubject: x\n\nHello",
        "Von: Support\nGesendet: Freitag\nAn: ich\nBetreff: x\n\nHallo",
        "> Hello\n> there",
    ],
)
def test_the_original_below_a_reply_is_left_out(original: str) -> None:
    assert new_part(f"Never mind.\nIt works.\n\n{original}") == "Never mind.\nIt works."


def test_answers_between_quoted_lines_are_kept() -> None:
    text = "On Friday, S wrote:\n> Which order?\n42\n> Which colour?\nred"
    assert new_part(text) == "42\nred"


@pytest.mark.parametrize(
    "text",
    [
        "From: the beginning I was unhappy\nand so on",
        "On Monday I wrote to you.\nNobody answered.",
        "a -- b\n--",
        "2 > 1 and so on",
        "From: Berlin\nTo: Paris\nDate: 3 May\nPlease change my booking.",
        "On Monday you wrote:\nthe refund is on its way\nbut nothing came.",
    ],
)
def test_text_that_only_resembles_a_quotation_is_kept(text: str) -> None:
    assert new_part(text) == text


@pytest.mark.parametrize(
    "text", ["> all quoted\n> lines", "---- Forwarded message ----\nFrom: x\n\nbody"]
)
def test_a_mail_without_new_text_is_kept_whole(text: str) -> None:
    assert new_part(text) == text


@given(st.text())
def test_the_new_part_is_made_of_lines_of_the_text(text: str) -> None:
    lines = {line.strip() for line in text.split("\n")}
    assert {line.strip() for line in new_part(text).split("\n")} <= lines | {""}
