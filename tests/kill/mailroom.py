"""The customers' side: it delivers mails into Dovecot and answers the replies that arrive."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.kill import letters
from tests.kill.letters import Kind, Letter
from tests.servers.dovecot import Dovecot
from tests.servers.smtp_sink import SunkMail, read_log

USER = "support"
# One in so many: a robot, a case that closes at once, a mail that comes twice.
ROBOT_EVERY = 9
SOLVED_EVERY = 7
TWIN_EVERY = 6
# How many mails a customer writes at most, the first included.
LONGEST_EXCHANGE = 4


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
    _numbers: dict[str, int] = field(default_factory=dict)
    _exchanges: dict[int, int] = field(default_factory=dict)
    _answered: set[str] = field(default_factory=set)
    _twins: list[Letter] = field(default_factory=list)
    _customers: int = 0
    _log_size: int = 0
    _echoes: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # the same mails again
        self._monsters = iter(letters.monsters())
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
        """Let customers answer the replies that they got since the last time."""
        size = self.sink_log.stat().st_size if self.sink_log.exists() else 0
        if size == self._log_size:
            return
        self._log_size = size
        for sent in read_log(self.sink_log):
            if sent.message_id not in self._answered:
                self._answered.add(sent.message_id)
                self._answer(sent)

    def _deliver_first(self) -> None:
        self._customers += 1
        number = self._customers
        if number % ROBOT_EVERY == 0:
            letter = letters.robot(number)
        elif number % SOLVED_EVERY == 0:
            letter = letters.solved_at_once(number)
        else:
            letter = letters.question(number)
        self._numbers[letter.message_id] = number
        self._exchanges[number] = 1
        self.deliver(letter)
        if number % TWIN_EVERY == 1:
            self._twins.append(letter)
        elif number % TWIN_EVERY == 3:
            self.deliver(letter)

    def deliver(self, letter: Letter) -> None:
        """Put a mail into the mailbox."""
        self.letters[letter.message_id] = letter
        self.delivered += 1
        self.dovecot.deliver(USER, letter.raw)

    def _answer(self, sent: SunkMail) -> None:
        """Write back, or not: some customers are content, some are away."""
        original = self._original(sent)
        if original is None or self.is_done:
            return
        number = self._numbers[original.message_id]
        if self._exchanges[number] >= LONGEST_EXCHANGE:
            return
        self._exchanges[number] += 1
        choice = self._random.random()
        if choice < 0.05:
            letter = letters.vacation_notice(sent.raw, original.message_id, number)
        elif choice < 0.75:
            text = "Another question, please." if choice < 0.45 else "It is solved, thank you."
            letter = letters.answer(
                sent.raw, original.message_id, number, text, by_token=self._random.random() < 0.5
            )
        elif self._echoes < 3:
            self._echoes += 1
            self.deliver(letters.echo(sent.raw))
            return
        else:
            return
        self._numbers[letter.message_id] = number
        self.deliver(letter)

    def _original(self, sent: SunkMail) -> Letter | None:
        """Return the customer's mail that a reply answers."""
        answered = letters.header(sent.raw, "In-Reply-To")
        letter = self.letters.get(answered)
        return letter if letter is not None and letter.kind is Kind.PERSON else None
