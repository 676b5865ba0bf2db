"""What a kill test found, in numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.kill.deciders import Decision
from tests.kill.evidence import Evidence
from tests.kill.findings import deliveries_of, killed_thrice

SHOWN_PROBLEMS = 40


@dataclass(frozen=True, slots=True)
class Report:
    """The counts of one run, and every broken promise in words."""

    mails: int
    mail_kinds: Mapping[str, int]
    mail_ends: Mapping[str, int]
    killed_thrice: int
    cases: int
    follow_ups: int
    reopened: int
    answered_closed: int
    errands: int
    errand_repeats: int
    points_hit: Sequence[str]
    random_kills: Mapping[str, int]
    replies: int
    reply_ends: Mapping[str, int]
    notice_ends: Mapping[str, int]
    holds: Mapping[str, int]
    decisions: Mapping[str, int]
    decision_repeats: int
    told: Mapping[str, int]
    parked_share: float
    sent_again: int
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
            ("of these", _listed(self.mail_kinds)),
            ("which ended", _listed(self.mail_ends)),
            ("put aside after three kills", str(self.killed_thrice)),
            ("cases, follow-ups among them", f"{self.cases}, {self.follow_ups}"),
            ("closed cases reopened, answered", f"{self.reopened}, {self.answered_closed}"),
            ("errands by API, requests repeated", f"{self.errands}, {self.errand_repeats}"),
            ("named points hit", str(len(self.points_hit))),
            ("random kills", _listed(self.random_kills)),
            ("replies", f"{self.replies}: {_listed(self.reply_ends)}"),
            ("mails to teams", _listed(self.notice_ends)),
            ("replies held for a while", _listed(self.holds)),
            ("decisions about mails that wait", _listed(self.decisions)),
            ("of these requests repeated", str(self.decision_repeats)),
            ("told to cases", _listed(self.told)),
            ("share of replies unknown at first", f"{self.parked_share:.1%}"),
            ("mails sent again, after doubts", str(self.sent_again)),
            ("mails sent twice without", str(self.doubled)),
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
    decisions: Sequence[Decision]
    decision_repeats: int
    feeding_seconds: float
    settling_seconds: float


def report(evidence: Evidence, course: Course, problems: Sequence[str]) -> Report:
    """Return the numbers of a run."""
    replies = [row for row in evidence.outbox if row.kind == "reply"]
    parked = sum(any(noted["state"] == "unknown" for noted in row.resolutions) for row in replies)
    deliveries = Counter(mail.message_id for mail in evidence.sunk)
    doubled = {row.message_id for row in evidence.outbox if deliveries_of(row).stop <= 2}
    kinds = Counter(str(entry["kind"]) for _, entry in evidence.trace)
    letters = map(evidence.letter_of, evidence.mails().values())
    return Report(
        mails=len(evidence.mailbox),
        mail_kinds=Counter(letter.kind.value for letter in letters if letter),
        mail_ends=Counter(row.state for row in evidence.mails().values()),
        killed_thrice=sum(map(killed_thrice, evidence.intake)),
        cases=len(evidence.cases),
        follow_ups=sum(case.follows is not None for case in evidence.cases.values()),
        reopened=kinds["reopened"],
        answered_closed=kinds["answered"],
        errands=course.errands,
        errand_repeats=course.errand_repeats,
        points_hit=course.points_hit,
        random_kills=course.random_kills,
        replies=len(replies),
        reply_ends=Counter(row.state for row in replies),
        notice_ends=Counter(row.state for row in evidence.outbox if row.kind != "reply"),
        holds={kind: kinds[kind] for kind in ("released", "withdrawn")},
        decisions=Counter(
            f"{made.resolution} {'by link ' if made.by_link else ''}{made.heard}"
            for made in course.decisions
        ),
        decision_repeats=course.decision_repeats,
        told=Counter(row.state for row in evidence.intake if row.source == "outbox"),
        parked_share=parked / len(replies) if replies else 0.0,
        sent_again=sum(count - 1 for id_, count in deliveries.items() if id_ not in doubled),
        doubled=sum(count - 1 for id_, count in deliveries.items() if id_ in doubled),
        feeding_seconds=course.feeding_seconds,
        settling_seconds=course.settling_seconds,
        problems=problems,
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
