"""The customers' side: it delivers mails into Dovecot and answers the replies that arrive.

So do the mail servers between: some mails of ours come back.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from tests.kill import letters
from tests.kill.definitions import ONE_CASE, Line
from tests.kill.letters import ADDRESS, Kind, Letter
from tests.servers.dovecot import Dovecot
from tests.servers.smtp_sink import LogReader, SunkMail

USER = "support"
LINES = tuple(Line)
# One in so many: a robot, a case that closes at once, a mail that comes twice, one with the
# Message-ID of another customer's, a report on a mail that nobody knows.
ROBOT_EVERY = 9
SOLVED_EVERY = 7
TWIN_EVERY = 6
REUSED_EVERY = 11
LOST_EVERY = 16
# One in so many mails of ours that may come back does so.
RETURNED_EVERY = 3
# How many mails a customer writes at most, the first included.
LONGEST_EXCHANGE = 4
# In a reply that says goodbye: its case has closed.
GOODBYE = b"Good to hear."


def _hard(sent: SunkMail, to: str) -> Letter:
    return letters.bounce(sent.raw, to, sent.recipients[0], hard=True)


def _soft(sent: SunkMail, to: str) -> Letter:
    return letters.bounce(sent.raw, to, sent.recipients[0], hard=False)


def _to_mailbox(sent: SunkMail, _: str) -> Letter:
    return _hard(sent, ADDRESS)


def _delayed(sent: SunkMail, to: str) -> Letter:
    return letters.delay(sent.raw, to, sent.recipients[0])


def _stray(_: SunkMail, to: str) -> Letter:
    return letters.stray_bounce(to) if "+" in to else letters.lost_bounce()


_RETURNS: tuple[Callable[[SunkMail, str], Letter], ...] = (
    _hard,
    _soft,
    _to_mailbox,
    _delayed,
    _hard,
    _stray,
)


@dataclass
class Mailroom:
    """Delivers until `wanted` mails are in; more when asked for one more wave."""

    dovecot: Dovecot
    sink_log: Path
    wanted: int
    seed: int
    letters: dict[str, Letter] = field(default_factory=dict)
    delivered: int = 0
    _random: random.Random = field(init=False)
    _monsters: Iterator[Letter] = field(init=False)
    _sunk: LogReader = field(init=False)
    _returns: Iterator[Callable[[SunkMail, str], Letter]] = field(init=False)
    _numbers: dict[str, int] = field(default_factory=dict)
    _people: dict[tuple[str, str], Letter] = field(default_factory=dict)
    _exchanges: dict[int, int] = field(default_factory=dict)
    _answered: set[str] = field(default_factory=set)
    _twins: list[Letter] = field(default_factory=list)
    _afterthoughts: list[Letter] = field(default_factory=list)
    _newest: Letter | None = None
    _customers: int = 0
    _returnable: int = 0
    _echoes: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # the same mails again
        self._monsters = iter(letters.monsters())
        self._sunk = LogReader(self.sink_log)
        self._returns = cycle(_RETURNS)
        self.dovecot.deliver_many(USER, [])

    @property
    def is_done(self) -> bool:
        """Whether all mails that were wanted are delivered."""
        return self.delivered >= self.wanted

    def wave(self, size: int) -> None:
        """Deliver new mails of new customers, and what came twice some time ago."""
        twins, self._twins = self._twins, []
        for letter in twins:
            self.deliver(letter)
        for _ in range(size):
            self._deliver_first()
        monster = next(self._monsters, None)
        if monster is not None:
            self.deliver(monster)

    def answer_replies(self) -> None:
        """Let customers answer the replies that they got since the last time.

        Those who have thought of something more do not wait for a reply.
        """
        afterthoughts, self._afterthoughts = self._afterthoughts, []
        for letter in afterthoughts:
            self.deliver(letter)
        for sent in self._sunk.new():
            # Some arrive twice: it was not known that they had arrived.
            if sent.message_id not in self._answered:
                self._answered.add(sent.message_id)
                if not self.is_done and not self._comes_back(sent):
                    self._answer(sent)

    def deliver(self, letter: Letter) -> None:
        """Put a mail into the mailbox."""
        self.letters[letter.key] = letter
        self.delivered += 1
        if letter.kind is Kind.PERSON:
            self._people[letter.message_id, letter.customer] = letter
        self.dovecot.deliver(USER, letter.raw)

    def _deliver_first(self) -> None:
        self._customers += 1
        number = self._customers
        letter = self._first(number)
        self._numbers[letter.key] = number
        self._exchanges[number] = 1
        self.deliver(letter)
        if number % TWIN_EVERY == 1:
            self._twins.append(letter)
        elif number % TWIN_EVERY == 3:
            self.deliver(letter)
        if number % LOST_EVERY == 2:
            self.deliver(letters.lost_bounce())
        if letter.kind is Kind.PERSON:
            self._newest = letter
            if letter.line is Line.HOLD and number % 2:
                self._think_again(letter, number)

    def _first(self, number: int) -> Letter:
        line = LINES[number % len(LINES)]
        if number % ROBOT_EVERY == 0:
            return letters.robot(number, line)
        if number % SOLVED_EVERY == 0 or (line in ONE_CASE and number % 2):
            return letters.solved_at_once(number, line)
        if number % REUSED_EVERY == 0 and self._newest is not None:
            return letters.reusing(number, self._newest)
        return letters.question(number, line)

    def _think_again(self, letter: Letter, number: int) -> None:
        second = letters.afterthought(letter, number)
        self._numbers[second.key] = number
        self._exchanges[number] += 1
        self._afterthoughts.append(second)

    def _comes_back(self, sent: SunkMail) -> bool:
        """Return whether a mail is not delivered; acknowledgements have nobody to tell it to."""
        if not sent.sender:
            return False
        self._returnable += 1
        if self._returnable % RETURNED_EVERY:
            return False
        report = next(self._returns)(sent, sent.sender)
        self.deliver(report)
        if self._returnable % (3 * RETURNED_EVERY) == 0:
            self.deliver(report)
        return report.kind is Kind.BOUNCE

    def _answer(self, sent: SunkMail) -> None:
        """Write back, or not: some customers are content, some are away."""
        original = self._original(sent)
        if original is None:
            return
        number = self._numbers[original.key]
        if self._exchanges[number] >= LONGEST_EXCHANGE:
            return
        self._exchanges[number] += 1
        choice, by_token = self._random.random(), self._random.random() < 0.5
        if choice < 0.1:
            letter = letters.vacation_notice(sent.raw, original, number)
        elif choice < 0.5:
            letter = letters.another_question(sent.raw, original, number, by_token=by_token)
        elif choice < 0.8 or original.line in ONE_CASE:
            text = "It is solved, thank you."
            letter = letters.answer(sent.raw, original, number, text, by_token=by_token)
        elif self._echoes < 3:
            self._echoes += 1
            self.deliver(letters.echo(sent.raw))
            return
        else:
            return
        self._numbers[letter.key] = number
        self.deliver(letter)
        if original.line in ONE_CASE and GOODBYE in sent.raw and letter.kind is Kind.PERSON:
            self._think_again(letter, number)

    def _original(self, sent: SunkMail) -> Letter | None:
        """Return the customer's mail that a reply answers."""
        answered = letters.header(sent.raw, "In-Reply-To")
        return next(
            (
                self._people[answered, recipient]
                for recipient in sent.recipients
                if (answered, recipient) in self._people
            ),
            None,
        )
