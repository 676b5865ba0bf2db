"""What keywords say of a mail."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.keyword import classify
from classifiers.result import UNCLASSIFIED


@dataclass(frozen=True)
class Label:
    """What a definition says of a label."""

    about: str = ""
    keywords: tuple[str, ...] = ()


LABELS: Mapping[str, Label] = {
    "refund": Label(keywords=("refund", "money back", "charged twice", "Rückerstattung")),
    "cancel": Label(keywords=("never mind", "solved")),
    "delivery": Label(keywords=("parcel", "не пришла посылка", "没有收到", "荷物")),
    "other": Label(),
}


@pytest.mark.parametrize(
    ("subject", "text", "label"),
    [
        ("Refund", "", "refund"),
        ("", "I want my MONEY\n  back!", "refund"),
        ("", "bitte um ruckerstattung", "refund"),
        ("", "RÜCKERSTATTUNG", "refund"),
        ("", "Never mind, all is well.", "cancel"),
        ("", "Здравствуйте, не ПРИШЛА посылка.", "delivery"),
        ("", "我没有收到我的订单", "delivery"),
        ("", "荷物が届きません", "delivery"),
        ("", "\uff52\uff45\uff46\uff55\uff4e\uff44 in full width", "refund"),
    ],
)
def test_keywords_are_found_in_any_case_accent_and_script(
    subject: str, text: str, label: str
) -> None:
    result = classify(LABELS, subject, text)
    assert result.label == label
    assert result.classifier == "keyword"
    assert result.confidence >= 0.7
    assert "found" in result.reason


@pytest.mark.parametrize("text", ["refunds", "prefund", "moneyback", "money, back", "unsolved"])
def test_only_whole_words_and_whole_phrases_count(text: str) -> None:
    expected = "refund" if text == "money, back" else UNCLASSIFIED
    assert classify(LABELS, "", text).label == expected


def test_a_mail_without_keywords_is_unclassified() -> None:
    result = classify(LABELS, "Hello", "nothing of note")
    assert (result.label, result.confidence) == (UNCLASSIFIED, 0.0)


def test_more_matches_win() -> None:
    assert classify(LABELS, "", "solved? no: charged twice, refund me").label == "refund"


def test_the_longer_phrase_wins() -> None:
    labels = {"a": Label(keywords=("back",)), "b": Label(keywords=("money back",))}
    assert classify(labels, "", "money back").label == "b"


def test_the_subject_counts_more_than_the_text() -> None:
    assert classify(LABELS, "solved", "refund").label == "cancel"


def test_a_tie_goes_to_the_label_declared_first_with_less_confidence() -> None:
    labels = {"b": Label(keywords=("tea",)), "a": Label(keywords=("mug",))}
    result = classify(labels, "", "tea mug")
    assert (result.label, result.confidence) == ("b", 0.5)
    assert "as much speaks for a" in result.reason


def test_repeating_a_keyword_changes_nothing() -> None:
    assert classify(LABELS, "", "refund " * 500) == classify(LABELS, "", "refund")


def test_confidence_grows_with_what_is_found_and_shrinks_with_what_speaks_against() -> None:
    one = classify(LABELS, "", "refund").confidence
    two = classify(LABELS, "", "refund, charged twice").confidence
    mixed = classify(LABELS, "", "refund, charged twice, solved").confidence
    assert 0.5 < mixed < one < two < 1


def test_keywords_of_punctuation_alone_are_never_found() -> None:
    assert classify({"a": Label(keywords=("!", "", " "))}, "!", "! !").label == UNCLASSIFIED


def test_text_beyond_the_cap_is_not_read() -> None:
    assert classify(LABELS, "", "x " * 50_000 + "refund").label == UNCLASSIFIED


@given(st.text(max_size=300), st.text(max_size=300))
def test_every_mail_gets_a_declared_label_or_none_at_all(subject: str, text: str) -> None:
    result = classify(LABELS, subject, text)
    assert result.label in {*LABELS, UNCLASSIFIED}
    assert 0 <= result.confidence < 1
    assert classify(LABELS, subject, text) == result


@given(st.text(max_size=30))
def test_any_keyword_is_found_in_itself(keyword: str) -> None:
    labels = {"a": Label(keywords=(keyword,))}
    found = classify(labels, "", f"see {keyword} there").label == "a"
    assert found or not any(char.isalnum() for char in keyword)
