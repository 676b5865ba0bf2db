"""The keyword classifier: deterministic, without a model, in microseconds."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from classifiers.result import UNCLASSIFIED, Classification, LabelSpec

NAME = "keyword"
_MAX_CHARS = 20_000
_SUBJECT_MAX_CHARS = 1_000
_SUBJECT_WEIGHT = 2
_TIE_CONFIDENCE = 0.5
_MAX_CONFIDENCE = 0.95

_NOT_A_WORD = re.compile(r"[^\w]+|_+")
# Scripts written without blanks between words: their keywords are found inside of runs.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003134f]"
)


@dataclass(frozen=True, slots=True)
class _Phrase:
    """One keyword as it is searched for; `weight` is the number of its words."""

    keyword: str
    needle: str
    weight: int


@dataclass(frozen=True, slots=True)
class _Score:
    label: str
    points: int
    longest: int
    found: tuple[str, ...]


def classify(labels: Mapping[str, LabelSpec], subject: str, text: str) -> Classification:
    """Return the label whose keywords say most about a mail.

    A phrase counts as many points as it has words, twice in the subject; repetitions count
    nothing, so that no mail can shout. Upper case and accents make no difference. Equal points
    go to the longer phrase, then to the label declared first, with a lower confidence.
    """
    compiled = _compiled(tuple((name, tuple(spec.keywords)) for name, spec in labels.items()))
    title = _normal(subject[:_SUBJECT_MAX_CHARS])
    body = _normal(text[:_MAX_CHARS])
    scores = [
        score for label, phrases in compiled if (score := _score(label, phrases, title, body))
    ]
    if not scores:
        return _result(UNCLASSIFIED, 0.0, "no keyword was found")
    scores.sort(key=lambda score: (-score.points, -score.longest))  # stable: declared order
    return _winner(scores)


def _winner(scores: list[_Score]) -> Classification:
    best = scores[0]
    words = ", ".join(f"'{keyword}'" for keyword in best.found[:5])
    others = scores[1:]
    tied = [s.label for s in others if (s.points, s.longest) == (best.points, best.longest)]
    if tied:
        reason = f"found {words}; as much speaks for {', '.join(tied)}"
        return _result(best.label, _TIE_CONFIDENCE, reason)
    # From 0.75 for one word that nothing speaks against, towards 0.95 for several.
    share = best.points / sum(score.points for score in scores)
    strength = _MAX_CONFIDENCE - 0.4 / (best.points + 1)
    confidence = _TIE_CONFIDENCE + (strength - _TIE_CONFIDENCE) * (2 * share - 1 if others else 1)
    return _result(best.label, round(max(confidence, _TIE_CONFIDENCE), 3), f"found {words}")


def _result(label: str, confidence: float, reason: str) -> Classification:
    return Classification(NAME, "", "", label, confidence, reason)


def _score(label: str, phrases: tuple[_Phrase, ...], title: str, body: str) -> _Score | None:
    points, longest, found = 0, 0, []
    for phrase in phrases:
        # str.find is linear in the worst case too (two-way search).
        if phrase.needle in title:
            points += phrase.weight * _SUBJECT_WEIGHT
        elif phrase.needle in body:
            points += phrase.weight
        else:
            continue
        longest = max(longest, len(phrase.needle))
        found.append(phrase.keyword)
    return _Score(label, points, longest, tuple(found)) if found else None


@lru_cache(maxsize=256)
def _compiled(
    labels: tuple[tuple[str, tuple[str, ...]], ...],
) -> tuple[tuple[str, tuple[_Phrase, ...]], ...]:
    return tuple((name, _phrases(keywords)) for name, keywords in labels)


def _phrases(keywords: tuple[str, ...]) -> tuple[_Phrase, ...]:
    phrases: dict[str, _Phrase] = {}
    for keyword in keywords:
        words = _normal(keyword).strip()
        if not words:
            continue  # punctuation alone is found in every mail
        # Blanks around a phrase make it match whole words.
        needle = words if _UNSPACED.search(words) else f" {words} "
        phrases.setdefault(needle, _Phrase(keyword, needle, len(words.split())))
    return tuple(phrases.values())


def _normal(text: str) -> str:
    """Return text as words with single blanks between and around, without case and accents."""
    folded = text.casefold()
    if not folded.isascii():
        decomposed = unicodedata.normalize("NFKD", folded)
        folded = "".join(char for char in decomposed if not unicodedata.combining(char))
        folded = folded.casefold()  # compatibility forms may unfold to capitals
    return f" {_NOT_A_WORD.sub(' ', folded).strip()} "
