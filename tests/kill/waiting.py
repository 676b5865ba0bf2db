"""The promises about mails that wait for people: one decision ends each, and its case hears."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.kill.deciders import Decision, Heard
from tests.kill.evidence import Evidence, IntakeRow, OutboxRow, endings, resolved_name

WAITING = ("unknown", "held")


def problems(evidence: Evidence, decisions: Sequence[Decision]) -> Iterator[str]:
    """Yield every broken promise, in words."""
    yield from (f"outbox row {r.id} is {r.state}" for r in evidence.outbox if r.state in WAITING)
    yield from _each_decision_counts_once(evidence, decisions)
    yield from _each_case_hears_once(evidence)


def _each_decision_counts_once(evidence: Evidence, decisions: Sequence[Decision]) -> Iterator[str]:
    """Of two who decide at once one is heard; what was answered is done, and nothing else is."""
    asked: dict[int, list[Decision]] = {}
    for decision in decisions:
        asked.setdefault(decision.row_id, []).append(decision)
    for row in evidence.outbox:
        noted = Counter(_named(entry) for entry in row.resolutions)
        of_row = asked.pop(row.id, [])
        done = Counter(_key(made) for made in of_row if made.heard is Heard.DONE)
        perhaps = Counter(_key(made) for made in of_row if made.heard is Heard.PERHAPS)
        if done - noted:
            yield f"outbox row {row.id}: {dict(done)} was answered, {dict(noted)} is noted"
        if noted - (done + perhaps):
            yield f"outbox row {row.id}: {dict(noted)} is noted, {dict(done + perhaps)} was asked"
        if sum(entry["state"] == "held" for entry in row.resolutions) > 1:
            yield f"outbox row {row.id} was held twice"
    yield from (f"outbox row {id_} was decided about and is not there" for id_ in asked)


def _named(entry: Mapping[str, Any]) -> tuple[str, bool]:
    return entry["resolution"], entry.get("channel") == "link"


def _key(decision: Decision) -> tuple[str, bool]:
    return decision.resolution.value, decision.by_link


def _each_case_hears_once(evidence: Evidence) -> Iterator[str]:
    """Only the decision by which a mail came to its end is told; what is unknown again is not.

    An action that was still asking when it was decided may bring the mail to its end, and tells
    of that itself.
    """
    told = {row.external_id: row for row in evidence.intake if row.source == "outbox"}
    for row in evidence.outbox:
        if not row.resolutions or row.state in WAITING:
            continue
        name = resolved_name(row.id, len(row.resolutions))
        heard, ends = told.pop(name, None), _ends(evidence, row)
        if heard is not None and heard.state not in ("applied", "ignored"):
            yield f"{name} is {heard.state}: row {heard.id}"
        events = _events(evidence, heard)
        is_applied = heard is None or heard.state == "applied"
        if len(events) > 1 or len(ends) > 1 or (is_applied and not events and not ends):
            yield f"case {row.case_id} heard of {name} by {len(events)} events and {ends}"
    yield from (f"a case was told of {name}, which is no end" for name in told)


def _events(evidence: Evidence, told: IntakeRow | None) -> list[str]:
    return evidence.consumed().get(told.id, []) if told else []


def _ends(evidence: Evidence, row: OutboxRow) -> list[str]:
    """Return how the action ended, as the case's trace says."""
    return [
        note
        for case_id, entry in evidence.lines_of("ended")
        if (case_id, entry.get("firing")) == (row.case_id, row.firing)
        for note in endings(entry)
    ]
