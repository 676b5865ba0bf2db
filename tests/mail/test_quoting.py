"""What is new in a reply, and that nothing new is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.quoting import new_part


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
        "a -- b\n-- \nsignature",
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
