"""The promises, each as a check that names every case in which it was broken."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from tests.kill.definitions import ANSWERED_STATES, ERRAND, SUPPORT
from tests.kill.errands import Errand
from tests.kill.evidence import Evidence, IntakeRow, OutboxRow, workflow_of
from tests.kill.letters import Kind

ENDS = frozenset({"applied", "duplicate", "quarantined", "ignored"})
# How often a mail in each state of the outbox may have reached the server.
DELIVERIES: dict[str, tuple[int, ...]] = {
    "sent": (1,),
    "filed": (1,),
    "partly_sent": (1,),
    "unknown": (0, 1),
    "refused": (0,),
    "suppressed": (0,),
    "held": (0,),
}
# What intake says of a mail that was being read whenever the worker was killed.
KILLED_THRICE = "reading it failed 3 times"


def problems(evidence: Evidence, errands: Sequence[Errand]) -> list[str]:
    """Return every broken promise, in words."""
    checks: tuple[Callable[[Evidence], Iterator[str]], ...] = (
        _ledger_equals_mailbox,
        _each_mail_has_its_end,
        _each_event_is_applied_once,
        _each_conversation_is_one_case,
        _nothing_is_sent_twice,
        _each_mail_is_answered_once,
        _each_asked_mail_is_in_the_outbox,
        _each_open_case_runs,
        _no_deadline_is_forgotten,
    )
    found = [problem for check in checks for problem in check(evidence)]
    return [*found, *_each_errand_is_done(evidence, errands)]


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
        if row.state not in ENDS:
            yield f"row {row.id} is {row.state}"
    for message_id, letter in evidence.letters.items():
        ends = Counter(
            "killed" if killed_thrice(rows[uid]) else rows[uid].state
            for uid, of in evidence.mailbox.items()
            if of == message_id and uid in rows
        )
        expected = {
            Kind.PERSON: {"applied", "duplicate", "killed"},
            Kind.ROBOT: {"applied", "duplicate", "killed"},
            Kind.MONSTER: {"quarantined", "killed"},
            Kind.ECHO: {"ignored", "killed"},
        }[letter.kind]
        if not ends or not ends.keys() <= expected or ends["applied"] > 1:
            yield f"a mail of a {letter.kind} ended as {dict(ends)}: {message_id}"


def _each_event_is_applied_once(evidence: Evidence) -> Iterator[str]:
    consumed = evidence.consumed()
    messages = Counter(evidence.messages)
    for row in evidence.intake:
        used = consumed.get(row.id, [])
        expected = [row.case_id] if row.state == "applied" else []
        # A case's cancellation and what a closed case ignores are used by no transition.
        if used != expected:
            yield f"row {row.id} ({row.source}, {row.state}) was used by {used}, not {expected}"
        stored = sum(count for (_, of), count in messages.items() if of == row.id)
        if row.source == "imap" and stored != len(expected):
            yield f"row {row.id} ({row.state}) is stored as {stored} messages"
        if expected and row.source == "imap" and not messages[(row.case_id or "", row.id)]:
            yield f"row {row.id} is not stored in its case {row.case_id}"


def _each_conversation_is_one_case(evidence: Evidence) -> Iterator[str]:
    openings = Counter(case.opening_id for case in evidence.cases.values())
    yield from (f"row {row} opened {n} cases" for row, n in openings.items() if n > 1)
    rows = evidence.mails()
    case_of = {
        evidence.mailbox[uid]: row.case_id for uid, row in rows.items() if row.state == "applied"
    }
    for message_id, case_id in case_of.items():
        letter = evidence.letters.get(message_id)
        if letter is None or case_id is None:
            continue
        if letter.answers is None:
            if evidence.cases[case_id].follows is not None:
                yield f"a first mail is in a follow-up: {message_id}"
        elif case_of.get(letter.answers) not in _followed(evidence, case_id):
            yield f"an answer is not in its conversation's case {case_id}: {message_id}"


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
    for row in evidence.outbox:
        count = deliveries[row.message_id]
        if count not in DELIVERIES.get(row.state, ()):
            yield f"outbox row {row.id} is {row.state} and reached the server {count} times"
    filed = Counter(evidence.filed)
    for row in evidence.outbox:
        if filed[row.message_id] != (row.state == "filed"):
            yield f"outbox row {row.id} is {row.state} and {filed[row.message_id]} times in Sent"


def _each_mail_is_answered_once(evidence: Evidence) -> Iterator[str]:
    replies: dict[str, list[OutboxRow]] = {}
    for row in evidence.outbox:
        if row.kind == "reply":
            replies.setdefault(row.answers, []).append(row)
    rows = evidence.mails()
    applied = {evidence.mailbox[uid]: row for uid, row in rows.items() if row.state == "applied"}
    for message_id, mail in applied.items():
        found = replies.pop(message_id, [])
        suppressed = [row.state == "suppressed" for row in found]
        if suppressed != [evidence.letters[message_id].kind is Kind.ROBOT]:
            states = [row.state for row in found]
            yield f"row {mail.id} has the replies {states}: {message_id}"
    yield from (f"a reply answers no applied mail: {message_id}" for message_id in replies)


def _each_asked_mail_is_in_the_outbox(evidence: Evidence) -> Iterator[str]:
    # Notices of the product itself have keys above those of real actions.
    written = Counter(row.case_id for row in evidence.outbox if row.action_index < 10_000)
    for case_id, asked in evidence.asked().items():
        if written[case_id] != asked:
            yield f"case {case_id} asked for {asked} mails, and wrote {written[case_id]}"


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
        if case.definition == SUPPORT and case.state not in ANSWERED_STATES:
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
