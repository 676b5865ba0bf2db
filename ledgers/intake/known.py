"""What is known about a batch of mails while it is routed, and what each mail adds to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledgers.intake.bounces import Sent
from ledgers.intake.mails import Arrived, KnownCase, PinnedVersion
from mail.filters import Rule
from mail.message import Message as Mail
from mail.threading import clues

ADDRESS_LIMIT = 320


@dataclass(frozen=True, slots=True)
class MailboxFacts:
    """What routing needs of a mailbox, and of the tenant's others."""

    tenant: str
    mailbox_id: str
    address: str
    definition: PinnedVersion
    # The addresses of all the tenant's mailboxes: what they write is our own.
    own_addresses: frozenset[str]
    # This mailbox, and those with which it shares mails: the first one's copy counts.
    copies_among: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A case that holds a mail of some Message-ID."""

    case_id: str
    # Whether we sent the mail; whoever writes to us may choose any id, that of another's too.
    sent: bool
    # Whether the case is of the mailbox that is asked for.
    here: bool
    # Whom an incoming mail went to, where somebody asks.
    named: frozenset[str] = frozenset()


@dataclass(slots=True)
class Lookup:
    """What the store knows about a batch of mails; `learn` adds what the batch itself shows."""

    twins: dict[tuple[str | None, str], int] = field(default_factory=dict)
    token_cases: dict[str, str] = field(default_factory=dict)
    # By Message-ID, the oldest mail's case first.
    references: dict[str, list[Reference]] = field(default_factory=dict)
    participants: dict[str, frozenset[str]] = field(default_factory=dict)
    cases: dict[str, KnownCase] = field(default_factory=dict)
    # The subjects of mails of ours, by Message-ID or by that of their provider.
    sent_subjects: dict[str, str] = field(default_factory=dict)
    # Of each closed case the end of its chain of follow-ups, which may be itself.
    ends: dict[str, str] = field(default_factory=dict)
    # By row, the rule that a mail meets first.
    rules: Mapping[int, Rule] = field(default_factory=dict)
    # The newest version of definitions by name, where one is needed.
    newest: dict[str, PinnedVersion] = field(default_factory=dict)
    # Mails of ours that the batch's delivery reports may be about, the newest first.
    sent: list[Sent] = field(default_factory=list)

    def twin(self, mail: Arrived) -> int | None:
        """Return the row of the same mail that came before: same Message-ID, same content."""
        row_id = self.twins.get(_identity(mail.message))
        return None if row_id == mail.row_id else row_id

    def reference_cases(self, mail: Mail) -> dict[str, str]:
        """Return the case that each known id among a mail's references stands for.

        A mail that we sent tells it for certain. Else a case in which the sender takes part goes
        before one whose mail only names the sender, then one of this mailbox, for a mail to two
        is in a case of each, and then the oldest: nobody diverts a thread by sending its ids
        once more.
        """
        sender = sender_key(mail)

        def rank(reference: Reference) -> tuple[bool, bool, bool, bool]:
            takes_part = sender in self.participants.get(reference.case_id, ())
            named = sender in reference.named
            return (not reference.sent, not takes_part, not named, not reference.here)

        return {
            message_id: min(self.references[message_id], key=rank).case_id
            for message_id in clues(mail).references
            if message_id in self.references
        }

    def named(self, mail: Mail) -> dict[str, frozenset[str]]:
        """Return, by case, the sender where the mail that is answered went to the sender too.

        An id that names the sender in several cases of this mailbox tells nothing: somebody has
        sent another's id once more.
        """
        sender = sender_key(mail)
        found: dict[str, frozenset[str]] = {}
        for message_id in clues(mail).references:
            naming = [r for r in self.references.get(message_id, ()) if sender in r.named]
            here = {r.case_id for r in naming if r.here} or {r.case_id for r in naming}
            if sender is not None and len(here) == 1:
                found[here.pop()] = frozenset({sender})
        return found

    def learn(self, mail: Arrived, case: KnownCase | None, *, takes_part: bool = True) -> None:
        """Let later mails of the batch find this one."""
        self.twins.setdefault(_identity(mail.message), mail.row_id)
        if case is None:
            return
        if mail.message.message_id:
            self.references.setdefault(mail.message.message_id, []).append(
                Reference(case.case_id, sent=False, here=True, named=_named_in(mail.message))
            )
        key = sender_key(mail.message)
        if key and takes_part:
            known = self.participants.get(case.case_id, frozenset())
            self.participants[case.case_id] = known | {key}


def sender_key(mail: Mail) -> str | None:
    """Return the sender's address; what is too long for one (RFC 5321, 4.5.3.1) is none."""
    if mail.sender is None or len(mail.sender.key) > ADDRESS_LIMIT:
        return None
    return mail.sender.key


def _identity(mail: Mail) -> tuple[str | None, str]:
    return (mail.message_id, mail.digest)


def _named_in(mail: Mail) -> frozenset[str]:
    return frozenset(address.key for address in (*mail.to, *mail.cc))
