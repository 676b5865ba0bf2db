"""What the check of a net says: a verdict, and findings with the way that leads to each."""

from dataclasses import dataclass
from enum import StrEnum


class Soundness(StrEnum):
    """The verdict; unknown means that the budget was spent, and is never to be shown as sound."""

    SOUND = "sound"
    UNSOUND = "unsound"
    POSSIBLE = "possible"  # unsound only if guards contradict each other, or threads part
    UNKNOWN = "unknown"


class FindingKind(StrEnum):
    """What is wrong."""

    NO_WAY_OUT = "no_way_out"
    DEADLOCK = "deadlock"
    IMPROPER_COMPLETION = "improper_completion"
    LIVELOCK = "livelock"
    DEAD_TASK = "dead_task"
    UNBOUNDEDNESS = "unboundedness"
    ENDLESS_RECURSION = "endless_recursion"
    REPLY_LOOP = "reply_loop"
    UNHANDLED_FAILURE = "unhandled_failure"
    READ_TOO_EARLY = "read_too_early"
    UNUSED_LABEL = "unused_label"
    DEADLINE_NEVER_FIRES = "deadline_never_fires"
    SHADOWED = "shadowed"


class Severity(StrEnum):
    """Whether a finding makes a definition unsound."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and what to do about it.

    `place` is the task or place that it is about; `witness` are the tasks that fire, in order,
    until it has come to that; with `possible` that takes guards which may exclude each other, or
    threads that part.
    """

    kind: FindingKind
    severity: Severity
    place: str
    message: str
    witness: tuple[str, ...] = ()
    possible: bool = False

    def told(self) -> str:
        """Return what is wrong and the way to it, without the place."""
        way = f" (after {', then '.join(self.witness)})" if self.witness else ""
        return f"{self.message}{way}"

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.place}: {self.told()}"


@dataclass(frozen=True, slots=True)
class Report:
    """What the check of a net or a definition says."""

    verdict: Soundness
    findings: tuple[Finding, ...]
    markings: int


def verdict_of(findings: tuple[Finding, ...], *, complete: bool) -> Soundness:
    """Return the verdict that findings make; `complete` is whether the whole net was looked at."""
    errors = [one for one in findings if one.severity is Severity.ERROR]
    if any(not one.possible for one in errors):
        return Soundness.UNSOUND
    if not complete:
        return Soundness.UNKNOWN
    return Soundness.POSSIBLE if errors else Soundness.SOUND
