"""Which classification counts when the model is unsure, wrong or away."""

import pytest

from classifiers.chain import LlmFailure, LlmTrouble, combine
from classifiers.result import UNCLASSIFIED, Classification

BY_MODEL = Classification("llm", "m", "1", "refund", 0.7, "asks for money", 100, 20)
BY_KEYWORD = Classification("keyword", "", "", "cancel", 0.8, "found 'solved'")
NOTHING = Classification("keyword", "", "", UNCLASSIFIED, 0.0, "no keyword was found")


@pytest.mark.parametrize("keyword", [BY_KEYWORD, NOTHING])
def test_a_sure_model_decides(keyword: Classification) -> None:
    assert combine(BY_MODEL, keyword, 0.7) == BY_MODEL


def test_an_unsure_model_leaves_it_to_keywords_and_the_reason_says_so() -> None:
    result = combine(BY_MODEL, BY_KEYWORD, 0.71)
    assert (result.classifier, result.label, result.confidence) == ("keyword", "cancel", 0.8)
    assert result.reason == (
        "the model said refund with confidence 0.70, below 0.71 (asks for money); "
        "by keywords: found 'solved'"
    )
    assert (result.tokens_in, result.tokens_out) == (100, 20)


@pytest.mark.parametrize("trouble", list(LlmTrouble))
def test_a_failed_model_leaves_it_to_keywords(trouble: LlmTrouble) -> None:
    failure = LlmFailure(trouble, "the endpoint answered 500", tokens_in=5)
    result = combine(failure, BY_KEYWORD, 0.7)
    assert result.label == "cancel"
    assert result.reason.startswith(f"{trouble}: the endpoint answered 500; by keywords")
    assert result.tokens_in == 5


def test_where_nothing_helps_a_person_looks() -> None:
    result = combine(LlmFailure(LlmTrouble.REFUSED), NOTHING, 0.7)
    assert (result.label, result.confidence) == (UNCLASSIFIED, 0.0)
    assert result.reason == ("the model refused; no keyword was found: for a person to look at")


def test_without_a_model_keywords_decide() -> None:
    assert combine(None, BY_KEYWORD, 0.9) == BY_KEYWORD
