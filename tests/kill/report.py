"""What a kill test found, in numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.kill.evidence import Evidence
from tests.kill.findings import killed_thrice

SHOWN_PROBLEMS = 40


@dataclass(frozen=True, slots=True)
class Report:
    """The counts of one run, and every broken promise in words."""

    mails: int
    mail_ends: Mapping[str, int]
    killed_thrice: int
    cases: int
    follow_ups: int
    errands: int
    errand_repeats: int
    points_hit: Sequence[str]
    random_kills: Mapping[str, int]
    replies: int
    reply_ends: Mapping[str, int]
    notice_ends: Mapping[str, int]
    parked_share: float
    doubled: int
    feeding_seconds: float
    settling_seconds: float
    problems: Sequence[str]

    def as_dict(self) -> dict[str, Any]:  # Any: each field has its own type
        """Return it as JSON holds it."""
        return asdict(self)

    def lines(self) -> list[tuple[str, str]]:
        """Return what was measured and how much, for a table."""
        return [
            ("mails in the mailbox", str(self.mails)),
            ("of these", _listed(self.mail_ends)),
            ("put aside after three kills", str(self.killed_thrice)),
            ("cases, follow-ups among them", f"{self.cases}, {self.follow_ups}"),
            ("errands by API, requests repeated", f"{self.errands}, {self.errand_repeats}"),
            ("named points hit", str(len(self.points_hit))),
            ("random kills", _listed(self.random_kills)),
            ("replies", f"{self.replies}: {_listed(self.reply_ends)}"),
            ("mails to teams", _listed(self.notice_ends)),
            ("share of replies parked", f"{self.parked_share:.1%}"),
            ("mails sent twice", str(self.doubled)),
            ("seconds under fire, to settle", f"{self.feeding_seconds:.0f}, "
             f"{self.settling_seconds:.0f}"),
            ("broken promises", str(len(self.problems))),
        ]  # fmt: skip

    def table(self) -> str:
        """Return it as aligned text, with the broken promises below."""
        width = max(len(name) for name, _ in self.lines())
        rows = [f"{name.ljust(width)}  {value}" for name, value in self.lines()]
        shown = [f"- {problem}" for problem in self.problems[:SHOWN_PROBLEMS]]
        return "\n".join([*rows, *shown])


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went: who was killed when, and how long it took."""

    points_hit: Sequence[str]
    random_kills: Mapping[str, int]
    errands: int
    errand_repeats: int
    feeding_seconds: float
    settling_seconds: float


def report(evidence: Evidence, course: Course, problems: Sequence[str]) -> Report:
    """Return the numbers of a run."""
    replies = [row for row in evidence.outbox if row.kind == "reply"]
    parked = sum(row.state == "unknown" for row in replies)
    deliveries = Counter(mail.message_id for mail in evidence.sunk)
    return Report(
        mails=len(evidence.mailbox),
        mail_ends=Counter(row.state for row in evidence.mails().values()),
        killed_thrice=sum(map(killed_thrice, evidence.intake)),
        cases=len(evidence.cases),
        follow_ups=sum(case.follows is not None for case in evidence.cases.values()),
        errands=course.errands,
        errand_repeats=course.errand_repeats,
        points_hit=course.points_hit,
        random_kills=course.random_kills,
        replies=len(replies),
        reply_ends=Counter(row.state for row in replies),
        notice_ends=Counter(row.state for row in evidence.outbox if row.kind != "reply"),
        parked_share=parked / len(replies) if replies else 0.0,
        doubled=sum(count - 1 for count in deliveries.values()),
        feeding_seconds=course.feeding_seconds,
        settling_seconds=course.settling_seconds,
        problems=problems,
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
