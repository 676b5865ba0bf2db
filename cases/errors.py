"""The errors of the core, and the problems they carry."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input: where, what, and the nearest name that is right."""

    place: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        """Return the problem as one sentence, the way that a person reads it."""
        hint = f". Did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"{self.place}: {self.message}{hint}" if self.place else f"{self.message}{hint}"


class CaseError(Exception):
    """Whatever the core refuses; nothing has changed when it is raised."""


class _Problems(CaseError):
    """A refusal that names every problem at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)  # the arguments as given, so that it can be pickled

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class DefinitionInvalid(_Problems):
    """A case definition that cannot be registered."""


class DataInvalid(_Problems):
    """Case data that does not fit the definition's `data`."""


class IllegalEvent(CaseError):
    """An input that no case can take, such as an event without an aware time."""

    def __init__(self, event_id: str, reason: str) -> None:
        self.event_id = event_id
        self.reason = reason
        super().__init__(event_id, reason)

    def __str__(self) -> str:
        return f"event {self.event_id!r}: {self.reason}"


class StateInvalid(CaseError):
    """A dumped case state that this core or this net cannot go on from."""
