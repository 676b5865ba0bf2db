"""Routing: what each mail becomes, decided and written in one transaction.

Duplicate, own mail, a case's next event, a new case, or something for a person to look at.
The id of a new case is minted here, at random; nothing that a sender controls becomes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from classifiers import keyword
from contracts.ids import new_case_id
from contracts.model import Json
from ledgers import routing_store
from ledgers.intake import Attached, hold_epoch
from ledgers.mails import Arrived, Fate, KnownCase
from ledgers.routing_store import Lookup, MailboxFacts
from mail.automatic import Robot, why_not_answer
from mail.message import Message
from mail.threading import Join, Review, TokenKeys, decide
from store.database import Database
from store.tables import IntakeState

log = structlog.get_logger()

# A mail is not held for its age when it is only a little older than what is known: servers
# deliver out of order, and clocks differ.
OLD_MAIL_TOLERANCE = timedelta(days=1)
FACT_LIMIT = 500


@dataclass(slots=True)
class Router:
    """Routes a batch of mails of one mailbox; later mails see what earlier ones became."""

    mailbox: MailboxFacts
    keys: TokenKeys
    attached: Attached
    lookup: Lookup
    now: datetime
    fates: list[Fate] = field(default_factory=list)

    def route(self, mail: Arrived) -> None:
        """Decide what a mail becomes."""
        fate = self._ends_here(mail) or self._threaded(mail)
        self.fates.append(fate)
        self.lookup.learn(mail, fate.case)

    def _ends_here(self, mail: Arrived) -> Fate | None:
        twin = self.lookup.twin(mail)
        if twin is not None:
            return Fate(mail, IntakeState.DUPLICATE, duplicate_of=twin)
        if self._is_own(mail.message):
            return Fate(mail, IntakeState.IGNORED, "sent by Everpost itself")
        return self._too_old(mail)

    def _is_own(self, message: Message) -> bool:
        return message.message_id is not None and message.message_id in self.lookup.sent_ids

    def _too_old(self, mail: Arrived) -> Fate | None:
        if not self.attached.renumbered:
            return None
        # Servers tell the arrival in whole seconds.
        attached_at = self.attached.attached_at.replace(microsecond=0)
        if mail.received_at < attached_at - OLD_MAIL_TOLERANCE:
            return Fate(mail, IntakeState.IGNORED, "before start")
        newest = self.attached.newest_known
        if mail.received_at < attached_at or (
            newest is not None and mail.received_at < newest - OLD_MAIL_TOLERANCE
        ):
            return Fate(
                mail,
                IntakeState.REVIEW,
                "an old mail that is new since UIDs were given anew",
                event=_shown(mail.message),
            )
        return None

    def _threaded(self, mail: Arrived) -> Fate:
        decision = decide(
            mail.message,
            token_cases=self.lookup.token_cases,
            reference_cases=self.lookup.reference_cases(mail.message),
            participants=self.lookup.participants,
            mailbox_addresses=frozenset({self.mailbox.address}),
        )
        if isinstance(decision, Review):
            return Fate(
                mail,
                IntakeState.REVIEW,
                decision.why,
                suggested_case_id=decision.case_id,
                event=_shown(mail.message),
            )
        if isinstance(decision, Join):
            return self._joined(mail, self.lookup.cases[decision.case_id])
        return self._opened(mail, follows=None)

    def _joined(self, mail: Arrived, case: KnownCase) -> Fate:
        if not case.is_open:
            follow_up = self.lookup.follow_ups.get(case.case_id)
            if follow_up is None:
                fate = self._opened(mail, follows=case.case_id)
                self.lookup.follow_ups[case.case_id] = fate.case.case_id if fate.case else ""
                return fate
            case = self.lookup.cases[follow_up]
        return self._fate(mail, case, opens_case=False)

    def _opened(self, mail: Arrived, follows: str | None) -> Fate:
        definition = self.mailbox.definition
        case = KnownCase(new_case_id(), definition, is_open=True, follows=follows)
        self.lookup.cases[case.case_id] = case
        return self._fate(mail, case, opens_case=True)

    def _fate(self, mail: Arrived, case: KnownCase, *, opens_case: bool) -> Fate:
        robot = why_not_answer(mail.message, {self.mailbox.address})
        return Fate(
            mail,
            IntakeState.ROUTED,
            case=case,
            opens_case=opens_case,
            event=facts_of(mail.message, case, robot, opens_case=opens_case),
            robot=robot,
        )


def facts_of(
    message: Message, case: KnownCase, robot: Robot | None, *, opens_case: bool
) -> dict[str, Json]:
    """Return what guards may ask of a mail, with the keyword classifier's verdict.

    The subject of an answer is that of the first mail, so only the new words count there. The
    body stays in the store: an event is a payload of a signal, kept in its history.
    """
    subject = message.subject if opens_case else ""
    verdict = keyword.classify(case.definition.labels, subject, message.new_text or message.text)
    sender = message.sender
    return {
        "from": sender.address if sender else None,
        "from_name": sender.name[:FACT_LIMIT] if sender and sender.name else None,
        "subject": message.subject[:FACT_LIMIT],
        "attachments": len(message.attachments),
        "robot": robot.value if robot else None,
        "label": verdict.label,
        "confidence": verdict.confidence,
        "classifier": verdict.classifier,
        "reason": verdict.reason,
    }


def _shown(message: Message) -> dict[str, Json]:
    """Return what a person who reviews a mail sees of it in a list."""
    return {
        "from": message.sender.address if message.sender else None,
        "subject": message.subject[:FACT_LIMIT],
    }


async def accept(
    database: Database,
    attached: Attached,
    keys: TokenKeys,
    mails: Sequence[Arrived],
    now: datetime,
) -> list[int]:
    """Route mails in one transaction and return the rows that are to be delivered, in order."""
    watcher = attached.watcher
    async with database.write() as connection:
        await hold_epoch(connection, watcher)
        router = await _router(connection, attached, keys, mails, now)
        for mail in mails:
            router.route(mail)
        await routing_store.write(connection, watcher, router.fates, now)
    for fate in router.fates:
        log.info(
            f"mail.{fate.state}",
            tenant=watcher.tenant,
            mailbox=watcher.mailbox_id,
            case_id=fate.case.case_id if fate.case else None,
            message_id=fate.mail.message.message_id,
            row=fate.mail.row_id,
            correlation_id=fate.correlation_id,
            reason=fate.reason,
        )
    return [fate.mail.row_id for fate in router.fates if fate.state is IntakeState.ROUTED]


async def _router(
    connection: AsyncConnection,
    attached: Attached,
    keys: TokenKeys,
    mails: Sequence[Arrived],
    now: datetime,
) -> Router:
    watcher = attached.watcher
    mailbox = await routing_store.mailbox_facts(connection, watcher.tenant, watcher.mailbox_id)
    lookup = await routing_store.look_up(connection, mailbox, keys, mails)
    return Router(mailbox, keys, attached, lookup, now)
