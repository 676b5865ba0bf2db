"""The classification: what a mail is about, who said so, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

UNCLASSIFIED = "unclassified"
"""The label of a mail that no classifier could place; a person looks at it."""


class LabelSpec(Protocol):
    """What a definition declares of a label."""

    @property
    def about(self) -> str:
        """Return what mails with the label are about, in a sentence for people and models."""
        ...

    @property
    def keywords(self) -> Sequence[str]:
        """Return the words and phrases that speak for the label."""
        ...


@dataclass(frozen=True, slots=True)
class Classification:
    """One label for one mail; `confidence` is from 0 to 1.

    `model` and `prompt_version` are empty for classifiers without a model.
    """

    classifier: str
    model: str
    prompt_version: str
    label: str
    confidence: float
    reason: str
    tokens_in: int = 0
    tokens_out: int = 0
