"""The promises, each as a check that names every case in which it was broken."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cases.events import AUTO_REPLY, BOUNCE
from ledgers.casework.follow_ups import AUTOMATIC_TO_CLOSED, BOUNCE_OF_CLOSED
from tests.kill import waiting
from tests.kill.deciders import Decision
from tests.kill.definitions import ANSWERED_STATES, ERRAND, ONE_CASE
from tests.kill.errands import Errand
from tests.kill.evidence import Evidence, IntakeRow, OutboxRow, workflow_of
from tests.kill.letters import Kind

# How the mails of each kind end; what comes twice besides, as a duplicate.
ENDS: Mapping[Kind, frozenset[str]] = {
    Kind.PERSON: frozenset({"applied"}),
    Kind.ROBOT: frozenset({"applied"}),
    Kind.AWAY: frozenset({"applied", "ignored"}),
    Kind.BOUNCE: frozenset({"applied", "ignored"}),
    Kind.DELAY: frozenset({"ignored"}),
    Kind.STRAY_BOUNCE: frozenset({"review"}),
    Kind.LOST_BOUNCE: frozenset({"applied"}),
    Kind.MONSTER: frozenset({"quarantined"}),
    Kind.ECHO: frozenset({"ignored"}),
}
# Why what programs say to a closed case is ignored, and as which event an open one hears it.
TOO_LATE: Mapping[Kind, str] = {
    Kind.AWAY: AUTOMATIC_TO_CLOSED,
    Kind.BOUNCE: BOUNCE_OF_CLOSED,
}
EVENT_TYPES: Mapping[Kind, str] = {Kind.AWAY: AUTO_REPLY, Kind.BOUNCE: BOUNCE}
# Whose mails get no reply row at all, and whose get one that is suppressed.
UNANSWERED = frozenset({Kind.AWAY, Kind.BOUNCE, Kind.DELAY, Kind.STRAY_BOUNCE})
SUPPRESSED = frozenset({Kind.ROBOT, Kind.LOST_BOUNCE})
# Ends after which a mail's content has been looked at.
_HEARD = ("applied", "ignored")
# What intake says of a mail that was being read whenever the worker was killed.
KILLED_THRICE = "reading it failed 3 times"


def problems(
    evidence: Evidence, errands: Sequence[Errand], decisions: Sequence[Decision]
) -> list[str]:
    """Return every broken promise, in words."""
    checks: tuple[Callable[[Evidence], Iterator[str]], ...] = (
        _ledger_equals_mailbox,
        _each_mail_has_its_end,
        _each_event_is_applied_once,
        _robots_move_nothing,
        _each_bounce_is_evidence_once,
        _each_conversation_is_one_case,
        _nobody_joins_anothers_case,
        _nothing_is_sent_twice,
        _each_mail_is_answered_once,
        _each_asked_mail_is_in_the_outbox,
        _each_hold_has_one_end,
        _each_open_case_runs,
        _no_deadline_is_forgotten,
    )
    found = [problem for check in checks for problem in check(evidence)]
    return [
        *found,
        *waiting.problems(evidence, decisions),
        *_each_errand_is_done(evidence, errands),
    ]


def killed_thrice(row: IntakeRow) -> bool:
    """Whether a mail was put aside because the worker died three times while reading it."""
    return row.state == "quarantined" and row.reason == KILLED_THRICE


def _ledger_equals_mailbox(evidence: Evidence) -> Iterator[str]:
    listed = {uid for uid in evidence.mailbox if uid >= evidence.start_uid}
    rows = Counter(row.uid for row in evidence.intake if row.uid is not None)
    yield from (f"UID {uid} has no row" for uid in listed - rows.keys())
    yield from (f"UID {uid} has a row, and no mail" for uid in rows.keys() - listed)
    yield from (f"UID {uid} has {count} rows" for uid, count in rows.items() if count > 1)


def _each_mail_has_its_end(evidence: Evidence) -> Iterator[str]:
    rows = evidence.mails()
    for row in evidence.intake:
        if row.state not in ("applied", "duplicate", "quarantined", "ignored", "review"):
            yield f"row {row.id} is {row.state}"
    for key, letter in evidence.letters.items():
        ends = Counter(
            "killed" if killed_thrice(rows[uid]) else rows[uid].state
            for uid, of in evidence.mailbox.items()
            if of == key and uid in rows
        )
        own = {
            state: count for state, count in ends.items() if state not in ("duplicate", "killed")
        }
        once = sum(own.values()) == 1 or (not own and ends["killed"] > 0)
        if not once or not own.keys() <= ENDS[letter.kind]:
            yield f"a mail of kind {letter.kind} ended as {dict(ends)}: {key}"


def _each_event_is_applied_once(evidence: Evidence) -> Iterator[str]:
    consumed = evidence.consumed()
    messages = Counter(evidence.messages)
    for row in evidence.intake:
        if row.source == "outbox":
            continue  # `waiting` looks at these: the end of an action is no event
        used = consumed.get(row.id, [])
        expected = [row.case_id] if row.state == "applied" else []
        # A case's cancellation and what a closed case ignores are used by no transition.
        if used != expected:
            yield f"row {row.id} ({row.source}, {row.state}) was used by {used}, not {expected}"
        stored = sum(count for (_, of), count in messages.items() if of == row.id)
        # What a program said to a case that closed meanwhile stays among that case's mails.
        overtaken = (
            row.reason in TOO_LATE.values() and stored == messages[row.case_id or "", row.id]
        )
        if row.source == "imap" and stored != len(expected) and not (overtaken and stored == 1):
            yield f"row {row.id} ({row.state}) is stored as {stored} messages"
        if expected and row.source == "imap" and not messages[(row.case_id or "", row.id)]:
            yield f"row {row.id} is not stored in its case {row.case_id}"


def _robots_move_nothing(evidence: Evidence) -> Iterator[str]:
    """What programs say is an event of its own type, which an open case lets pass."""
    moved = {int(e["event"]["id"]) for _, e in evidence.lines_of("fired") if _moves(e)}
    for row in evidence.mails().values():
        letter = evidence.letter_of(row)
        if letter is None or letter.kind not in EVENT_TYPES or killed_thrice(row):
            continue
        if row.state == "applied" and row.event_type != EVENT_TYPES[letter.kind]:
            yield f"row {row.id}, {letter.kind}, was applied as {row.event_type}"
        if row.state == "applied" and row.id in moved:
            yield f"row {row.id}, {letter.kind}, moved its case"
        if row.state == "ignored" and row.reason != TOO_LATE[letter.kind]:
            yield f"row {row.id}, {letter.kind}, was ignored: {row.reason}"


def _moves(entry: Mapping[str, Any]) -> bool:
    """Whether a mail has led from one state to another."""
    is_mail = str((entry.get("event") or {}).get("id")).isdigit()
    return is_mail and entry.get("from") != entry.get("to")


def _each_bounce_is_evidence_once(evidence: Evidence) -> Iterator[str]:
    noted: dict[int, list[str]] = {}
    for sent in evidence.outbox:
        for entry in sent.evidence.get("bounced", []):
            noted.setdefault(entry["row"], []).append(sent.message_id)
    for row in evidence.mails().values():
        letter, found = evidence.letter_of(row), noted.pop(row.id, [])
        came_back = letter is not None and letter.kind is Kind.BOUNCE
        expected = [letter.about] if letter and came_back and row.state in _HEARD else []
        if found != expected:
            yield f"row {row.id} ({row.state}) is evidence at {found}, not at {expected}"
        if expected and row.state == "applied" and row.event.get("message_id") != expected[0]:
            yield f"row {row.id} tells of the mail {row.event.get('message_id')}, not {expected[0]}"
    yield from (f"row {id_} is evidence and no mail" for id_ in noted)


def _each_conversation_is_one_case(evidence: Evidence) -> Iterator[str]:
    openings = Counter(case.opening_id for case in evidence.cases.values())
    yield from (f"row {row} opened {n} cases" for row, n in openings.items() if n > 1)
    rows = evidence.mails()
    case_of = {
        evidence.mailbox[uid]: row.case_id for uid, row in rows.items() if row.state == "applied"
    }
    for key, case_id in case_of.items():
        letter = evidence.letters.get(key)
        if letter is None or case_id is None:
            continue
        before = case_of.get(letter.answers) if letter.answers else None
        if letter.about is not None and letter.kind is Kind.BOUNCE:
            sent_by = [r.case_id for r in evidence.outbox if r.message_id == letter.about]
            if sent_by != [case_id]:
                yield f"a bounce of case {sent_by} is in case {case_id}: {key}"
        elif letter.answers is None:
            if evidence.cases[case_id].follows is not None:
                yield f"a first mail is in a follow-up: {key}"
            if evidence.cases[case_id].definition != letter.line:
                yield f"a mail of {letter.line} is in case {case_id}, of another: {key}"
        elif letter.line in ONE_CASE and before != case_id:
            yield f"an answer is in case {case_id} and not in {before}: {key}"
        elif before not in _followed(evidence, case_id):
            yield f"an answer is not in its conversation's case {case_id}: {key}"


def _nobody_joins_anothers_case(evidence: Evidence) -> Iterator[str]:
    customers: dict[str, set[str]] = {}
    for row in evidence.mails().values():
        letter = evidence.letter_of(row)
        if letter is not None and row.case_id is not None and letter.kind is not Kind.BOUNCE:
            for case_id in _followed(evidence, row.case_id):
                customers.setdefault(case_id, set()).add(letter.customer)
    for case_id, names in customers.items():
        if len(names) > 1:
            yield f"case {case_id} holds mails of {sorted(names)}"
    for reply in (row for row in evidence.outbox if row.kind == "reply"):
        expected = customers.get(reply.case_id, set())
        if set(reply.recipients) != expected:
            yield f"outbox row {reply.id} goes to {reply.recipients}, not to {sorted(expected)}"


def _followed(evidence: Evidence, case_id: str) -> list[str]:
    """Return a case and those that it follows, directly or not."""
    found = [case_id]
    while (before := evidence.cases[found[-1]].follows) is not None:
        found.append(before)
    return found


def _nothing_is_sent_twice(evidence: Evidence) -> Iterator[str]:
    deliveries = Counter(mail.message_id for mail in evidence.sunk)
    known = {row.message_id for row in evidence.outbox}
    yield from (f"{id_} was sent and is in no outbox" for id_ in deliveries.keys() - known)
    keys = Counter((row.case_id, row.firing, row.action_index) for row in evidence.outbox)
    yield from (f"the outbox has {n} rows for {key}" for key, n in keys.items() if n > 1)
    texts = {(mail.message_id, mail.raw) for mail in evidence.sunk}
    for id_, count in Counter(message_id for message_id, _ in texts).items():
        if count > 1:
            yield f"{id_} was sent with {count} contents"
    for row in evidence.outbox:
        count, allowed = deliveries[row.message_id], deliveries_of(row)
        if count not in allowed:
            yield (
                f"outbox row {row.id} is {row.state} and reached the server {count} times,"
                f" not {allowed.start} to {allowed.stop - 1}"
            )
    filed = Counter(evidence.filed)
    for row in evidence.outbox:
        if filed[row.message_id] != (row.state == "filed"):
            yield f"outbox row {row.id} is {row.state} and {filed[row.message_id]} times in Sent"


def deliveries_of(row: OutboxRow) -> range:
    """Return how often a mail may have reached the server.

    Once if it was sent, unless a person only said so; and once more for each attempt of which
    nobody knew how it had ended.
    """
    by_hand = bool(row.resolutions) and row.resolutions[-1]["resolution"] == "mark_sent"
    certain = int(row.state in ("sent", "filed", "partly_sent") and not by_hand)
    doubts = sum(noted["state"] == "unknown" for noted in row.resolutions)
    doubts += "resent_after" in row.evidence
    doubts += row.state == "unknown"
    return range(certain, certain + doubts + 1)


def _each_mail_is_answered_once(evidence: Evidence) -> Iterator[str]:
    replies: dict[str | None, list[OutboxRow]] = {}
    for reply in evidence.outbox:
        if reply.kind == "reply":
            answered = evidence.answered_by(reply)
            replies.setdefault(answered.key if answered else None, []).append(reply)
    withdrawn = Counter(str(entry.get("cause")) for _, entry in evidence.lines_of("withdrawn"))
    for row in evidence.mails().values():
        letter = evidence.letter_of(row)
        if letter is None or row.state != "applied":
            continue
        found = [sent.state == "suppressed" for sent in replies.pop(letter.key, [])]
        wanted = [] if letter.kind in UNANSWERED else [letter.kind in SUPPRESSED]
        # What is withdrawn was never asked for; the second mail's answer stands for it.
        if found != wanted[withdrawn[str(row.id)] :]:
            yield f"row {row.id}, {letter.kind}, has {len(found)} replies: {letter.key}"
    yield from (f"a reply answers no applied mail: {key}" for key in replies)


def _each_asked_mail_is_in_the_outbox(evidence: Evidence) -> Iterator[str]:
    # Notices of the product itself have keys above those of real actions.
    written = Counter(row.case_id for row in evidence.outbox if row.action_index < 10_000)
    for case_id, asked in evidence.asked().items():
        if written[case_id] != asked:
            yield f"case {case_id} asked for {asked} mails, and wrote {written[case_id]}"


def _each_hold_has_one_end(evidence: Evidence) -> Iterator[str]:
    """A reply that is held for a while goes out or is withdrawn: one of them, and once."""
    ends = Counter(
        (case_id, entry["firing"])
        for kind in ("released", "withdrawn")
        for case_id, entry in evidence.lines_of(kind)
    )
    held = Counter((case_id, firing) for case_id, firing, _ in evidence.held())
    for key in held.keys() | ends.keys():
        if (held[key], ends[key]) != (1, 1):
            yield f"the reply {key} was held {held[key]} times and ended {ends[key]} times"


def _each_open_case_runs(evidence: Evidence) -> Iterator[str]:
    for workflow_id, status in evidence.workflows.items():
        if status not in ("RUNNING", "COMPLETED"):
            yield f"workflow {workflow_id} is {status}"
    running = {id_ for id_, status in evidence.workflows.items() if status == "RUNNING"}
    open_ = {workflow_of(case.id) for case in evidence.cases.values() if case.status == "open"}
    yield from (f"{id_} is open, and does not run" for id_ in open_ - running)
    yield from (f"{id_} runs, and is not open" for id_ in running - open_)


def _no_deadline_is_forgotten(evidence: Evidence) -> Iterator[str]:
    for case in evidence.cases.values():
        if case.definition != ERRAND and case.state not in ANSWERED_STATES:
            yield f"case {case.id} still stands in {case.state}"


def _each_errand_is_done(evidence: Evidence, errands: Sequence[Errand]) -> Iterator[str]:
    cases = {case.id: case for case in evidence.cases.values() if case.definition == ERRAND}
    for errand in errands:
        case = cases.pop(errand.case_id, None)
        events = {row.external_id: row for row in evidence.intake if row.case_id == errand.case_id}
        taken = [name for name in errand.events if name in events]
        if case is None or taken != list(errand.events):
            yield f"{errand.key} has case {case} with the events {taken} of {errand.events}"
        elif (case.status == "closed") != errand.finished:
            yield f"{errand.key} is {case.status}"
    yield from (f"case {case_id} was started by no answered request" for case_id in cases)
