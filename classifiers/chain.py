"""The fallback: the model where it is sure, else keywords, else a person."""

from dataclasses import dataclass, replace
from enum import StrEnum

from classifiers.result import UNCLASSIFIED, Classification


class LlmTrouble(StrEnum):
    """Why the model gave no classification."""

    UNREACHABLE = "the model was unreachable"
    REFUSED = "the model refused"
    MALFORMED = "the model's answer was malformed"


@dataclass(frozen=True, slots=True)
class LlmFailure:
    """A question to the model that came to nothing, and what it cost."""

    trouble: LlmTrouble
    detail: str = ""
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


def combine(
    llm: Classification | LlmFailure | None, keyword: Classification, threshold: float
) -> Classification:
    """Return the classification that counts; `reason` keeps why the model's did not.

    `llm` is None where no model was asked. Where neither is good enough the label is
    `unclassified`, with confidence 0. Tokens spent on the model stay in the result.
    """
    if isinstance(llm, Classification) and llm.confidence >= threshold:
        return llm
    if llm is None:
        return keyword
    why = _why(llm, threshold)
    return replace(
        keyword,
        reason=f"{why}; {_keyword_reason(keyword)}",
        tokens_in=llm.tokens_in,
        tokens_out=llm.tokens_out,
    )


def _why(llm: Classification | LlmFailure, threshold: float) -> str:
    if isinstance(llm, LlmFailure):
        return f"{llm.trouble}: {llm.detail}" if llm.detail else str(llm.trouble)
    return (
        f"the model said {llm.label} with confidence {llm.confidence:.2f}, "
        f"below {threshold:.2f} ({llm.reason})"
    )


def _keyword_reason(keyword: Classification) -> str:
    if keyword.label == UNCLASSIFIED:
        return f"{keyword.reason}: for a person to look at"
    return f"by keywords: {keyword.reason}"
