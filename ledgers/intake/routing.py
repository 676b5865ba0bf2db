"""Routing: what each mail becomes, decided and written in one transaction.

Duplicate, own mail, filtered by a rule, a bounce of ours, a case's next event, a new case, or
something for a person to look at. The id of a new case is minted here, at random; nothing that
a sender controls becomes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from cases.events import AUTO_REPLY, BOUNCE, EMAIL
from cases.notation.declarations import Start
from contracts.ids import new_case_id
from ledgers.casework.follow_ups import AUTOMATIC_TO_CLOSED, BOUNCE_OF_CLOSED
from ledgers.intake import bounces, routing_store
from ledgers.intake.filtering import rules_met
from ledgers.intake.known import Lookup, MailboxFacts, sender_key
from ledgers.intake.lookup import look_up, mailbox_facts
from ledgers.intake.mail_facts import facts_of, label_facts
from ledgers.intake.mails import Arrived, Fate, KnownCase, PinnedVersion
from ledgers.intake.rows import Attached, hold_epoch
from mail.filters import IGNORE, QUARANTINE, Rule
from mail.message import DeliveryReport, Kind, Message
from mail.reading.automatic import base_address, why_not_answer
from mail.threading import Carrier, Join, Review, TokenKeys, decide, tokens_in
from store.database import Database
from store.tables import IntakeState

log = structlog.get_logger()

# A mail is not held for its age when it is only a little older than what is known: servers
# deliver out of order, and clocks differ.
OLD_MAIL_TOLERANCE = timedelta(days=1)
REPORT_TYPE = "multipart/report"  # RFC 6522, 3
REPORTED_BEFORE = "a delivery report that says what was reported before"
ANSWERS_NOTHING = "an automatic answer to no mail of ours"
# What a program answers for a person: no `email`, for nobody has read anything yet.
AUTOMATIC = frozenset({Kind.AUTO_REPLY, Kind.OUT_OF_OFFICE, Kind.READ_RECEIPT})
# Of those, what is never the beginning of anything. Web forms and shops mark what they send
# for a person as an automatic answer too, so such a mail opens a case.
NEVER_OPENS = frozenset({Kind.OUT_OF_OFFICE, Kind.READ_RECEIPT})


@dataclass(slots=True)
class Router:
    """Routes a batch of mails of one mailbox; later mails see what earlier ones became.

    `attached` is the watch that read them; without one a person asked, and age is no matter.
    """

    mailbox: MailboxFacts
    lookup: Lookup
    attached: Attached | None = None
    fates: list[Fate] = field(default_factory=list)

    def route(self, mail: Arrived) -> None:
        """Decide what a mail becomes."""
        fate = (
            self._ends_here(mail)
            or self._bounced(mail)
            or self._filtered(mail)
            or self._threaded(mail)
        )
        self.keep(fate)

    def keep(self, fate: Fate) -> None:
        """Add a mail's fate, and let later mails find it."""
        self.fates.append(fate)
        self.lookup.learn(fate.mail, fate.case, takes_part=fate.event_type != BOUNCE)

    def _ends_here(self, mail: Arrived) -> Fate | None:
        twin = self.lookup.twin(mail)
        if twin is not None:
            return Fate(mail, IntakeState.DUPLICATE, duplicate_of=twin)
        if self._is_own(mail.message):
            return _ignored(mail, "sent by Everpost itself")
        return self._too_old(mail)

    def _is_own(self, message: Message) -> bool:
        """Tell a mail of ours that came back, by its id and what else only ours has.

        The id alone does not: everybody to whom we wrote knows it.
        """
        if message.message_id is None:
            return False
        subject = self.lookup.sent_subjects.get(message.message_id)
        if subject is None:
            return False
        own = {base_address(address) for address in self.mailbox.own_addresses}
        sent_by_us = message.sender is not None and base_address(message.sender.address) in own
        # A list through which it went may have put its own sender, and a tag before the subject.
        return sent_by_us or (bool(subject) and message.subject.endswith(subject))

    def _too_old(self, mail: Arrived) -> Fate | None:
        if self.attached is None or not self.attached.renumbered or mail.released:
            return None
        # Servers tell the arrival in whole seconds.
        attached_at = self.attached.attached_at.replace(microsecond=0)
        if mail.received_at < attached_at - OLD_MAIL_TOLERANCE:
            return _ignored(mail, "before start")
        newest = self.attached.newest_known
        if mail.received_at < attached_at or (
            newest is not None and mail.received_at < newest - OLD_MAIL_TOLERANCE
        ):
            return Fate(
                mail,
                IntakeState.REVIEW,
                "an old mail that is new since UIDs were given anew",
                event=facts_of(mail),
            )
        return None

    def _bounced(self, mail: Arrived) -> Fate | None:
        """Return what becomes of a report on a mail of ours, or None if it is no such report."""
        report = mail.message.report
        sent = self._reported(mail.message, report) if report else None
        if report is None or sent is None or self._is_a_persons(mail.message, sent.case_id):
            return None
        first = bounces.worst(report)
        if first is None:
            actions = ", ".join(sorted({entry.action for entry in report.recipients}))
            return _ignored(mail, f"a delivery report without a failure: {actions}", sent.case_id)
        if not bounces.is_news(sent, report):
            return _ignored(mail, REPORTED_BEFORE, sent.case_id)
        bounces.note(sent, report, mail.row_id)
        case = self.lookup.cases[sent.case_id]
        if not case.is_open:
            if first.hard:
                log.warning(
                    "bounce.of_closed_case",
                    tenant=self.mailbox.tenant,
                    case_id=case.case_id,
                    outbox_id=sent.id,
                    status=first.status,
                )
            return _ignored(mail, BOUNCE_OF_CLOSED, case.case_id)
        robot = why_not_answer(mail.message, self.mailbox.own_addresses)
        return Fate(
            mail,
            IntakeState.ROUTED,
            case=case,
            event_type=BOUNCE,
            event=facts_of(mail, robot) | bounces.bounce_facts(report, first, sent),
            robot=robot,
        )

    def _is_a_persons(self, message: Message, case_id: str) -> bool:
        """Tell a mail that only reads like a report: one of the case's people wrote it.

        Such a mail is none of the case's bounces; it goes to review.
        """
        from_server = message.return_path == "" or message.markers.content_type == REPORT_TYPE
        takes_part = sender_key(message) in self.lookup.participants.get(case_id, ())
        return takes_part and not from_server

    def _reported(self, message: Message, report: DeliveryReport) -> bounces.Sent | None:
        known = self.lookup.references.get(report.message_id or "", ())
        case_of_id = next((reference.case_id for reference in known if reference.sent), None)
        cases = {
            self.lookup.token_cases[found.token]
            for found in tokens_in(message)
            if found.carrier is Carrier.PLUS_ADDRESS and found.token in self.lookup.token_cases
        }
        return bounces.reported_mail(report, self.lookup.sent, case_of_id, cases)

    def _filtered(self, mail: Arrived) -> Fate | None:
        rule = self.lookup.rules.get(mail.row_id)
        if rule is None or mail.released:
            return None
        if rule.then == IGNORE:
            return _ignored(mail, _by(rule))
        if rule.then == QUARANTINE:
            return Fate(mail, IntakeState.QUARANTINED, _by(rule), event=facts_of(mail))
        return None

    def _threaded(self, mail: Arrived) -> Fate:
        decision = decide(
            mail.message,
            token_cases=self.lookup.token_cases,
            reference_cases=self.lookup.reference_cases(mail.message),
            participants=self.lookup.participants,
            mailbox_addresses=self.mailbox.own_addresses,
            named=self.lookup.named(mail.message),
        )
        if isinstance(decision, Review):
            return Fate(
                mail,
                IntakeState.REVIEW,
                decision.why,
                suggested_case_id=decision.case_id,
                event=facts_of(mail),
            )
        if isinstance(decision, Join):
            return self.join(mail, self.lookup.cases[decision.case_id])
        return self._unthreaded(mail)

    def _unthreaded(self, mail: Arrived) -> Fate:
        rule = self.lookup.rules.get(mail.row_id)
        name = rule.definition if rule else None
        if rule is None or name is None:
            if mail.message.kind in NEVER_OPENS and not mail.released:
                return _ignored(mail, ANSWERS_NOTHING)
            return self.open(mail)
        version = self.lookup.newest.get(name)
        if version is None or Start.MAIL not in version.definition.starts:
            what = "is not registered" if version is None else "is not started by mail"
            return Fate(
                mail,
                IntakeState.QUARANTINED,
                f"{_by(rule)}: definition {name!r} {what}; register it so, or change the rule,"
                " then release this mail",
                event=facts_of(mail),
            )
        return self.open(mail, version, reason=_by(rule))

    def join(self, mail: Arrived, case: KnownCase, reason: str | None = None) -> Fate:
        """Return a mail as a case's event; of a closed one by what its definition says."""
        automatic = mail.message.kind in AUTOMATIC
        if not case.is_open:
            if automatic:
                return _ignored(mail, AUTOMATIC_TO_CLOSED, case.case_id)
            case = self.lookup.cases[self.lookup.ends[case.case_id]]
        if not case.is_open and not case.wakes:
            return self._follow_up(mail, case, reason)
        return self._routed(mail, case, reason, event_type=AUTO_REPLY if automatic else EMAIL)

    def _follow_up(self, mail: Arrived, closed: KnownCase, reason: str | None) -> Fate:
        version = self.lookup.newest.get(closed.definition.name, closed.definition)
        fate = self.open(mail, version, follows=closed.case_id, reason=reason)
        if fate.case is not None:
            for before, end in self.lookup.ends.items():
                if end == closed.case_id:
                    self.lookup.ends[before] = fate.case.case_id
            members = self.lookup.participants.get(closed.case_id, frozenset())
            self.lookup.participants[fate.case.case_id] = members
        return fate

    def open(
        self,
        mail: Arrived,
        version: PinnedVersion | None = None,
        *,
        follows: str | None = None,
        reason: str | None = None,
    ) -> Fate:
        """Return a mail as the opening of a new case, by the mailbox's definition or another."""
        version = version or self.mailbox.definition
        case = KnownCase(new_case_id(), version, is_open=True, follows=follows)
        self.lookup.cases[case.case_id] = case
        return self._routed(mail, case, reason, opens_case=True)

    def _routed(
        self,
        mail: Arrived,
        case: KnownCase,
        reason: str | None,
        *,
        opens_case: bool = False,
        event_type: str = EMAIL,
    ) -> Fate:
        robot = why_not_answer(mail.message, self.mailbox.own_addresses)
        verdict = label_facts(mail, case.definition, opens_case=opens_case)
        inherited = self.lookup.participants.get(case.follows or "", frozenset())
        return Fate(
            mail,
            IntakeState.ROUTED,
            reason,
            case=case,
            opens_case=opens_case,
            event_type=event_type,
            event=facts_of(mail, robot) | verdict,
            robot=robot,
            also_takes_part=inherited if opens_case else frozenset(),
        )


def _ignored(mail: Arrived, reason: str, case_id: str | None = None) -> Fate:
    return Fate(
        mail,
        IntakeState.IGNORED,
        reason,
        suggested_case_id=case_id,
        event=facts_of(mail),
    )


def _by(rule: Rule) -> str:
    return f"rule: {rule.name}"


async def accept(
    database: Database,
    attached: Attached,
    keys: TokenKeys,
    mails: Sequence[Arrived],
    now: datetime,
) -> list[int]:
    """Route mails in one transaction and return the rows that are to be delivered, in order."""
    watcher = attached.watcher
    rules = await rules_met(database, watcher.tenant, watcher.mailbox_id, mails)
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        mailbox = await mailbox_facts(connection, watcher.tenant, watcher.mailbox_id)
        lookup = await look_up(connection, mailbox, keys, mails, rules)
        router = Router(mailbox, lookup, attached)
        for mail in mails:
            router.route(mail)
        await write(connection, router, now)
        await routing_store.note_newest(
            connection, watcher.tenant, watcher.mailbox_id, router.fates
        )
    tell(router)
    return [fate.mail.row_id for fate in router.fates if fate.state is IntakeState.ROUTED]


async def write(connection: AsyncConnection, router: Router, now: datetime) -> None:
    """Write what a router decided."""
    mailbox = router.mailbox
    await routing_store.write(connection, mailbox.tenant, mailbox.mailbox_id, router.fates, now)
    await bounces.write_evidence(connection, mailbox.tenant, router.lookup.sent)


def tell(router: Router) -> None:
    """Log what a router decided, once it is committed."""
    for fate in router.fates:
        log.info(
            f"mail.{fate.state}",
            tenant=router.mailbox.tenant,
            mailbox=router.mailbox.mailbox_id,
            case_id=fate.case.case_id if fate.case else None,
            message_id=fate.mail.message.message_id,
            row=fate.mail.row_id,
            correlation_id=fate.correlation_id,
            reason=fate.reason,
        )
