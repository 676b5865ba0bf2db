"""Mails that reach a case while it closes are handled: by it, or by a case that follows it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledgers.crash_points import CrashPoint
from tests.kill import letters
from tests.kill.battle import Battle, Plan, battle
from tests.kill.letters import Letter, header
from tests.product.waiting import wait_until
from tests.servers.smtp_sink import read_log

QUIET = Plan(
    mails=0, wave=0, wave_seconds=0, kills=0, kill_seconds=0, victims=(), fault_share=0, points={}
)


@pytest.fixture(scope="module")
def desk() -> Iterator[Battle]:
    """A product that nobody kills."""
    with battle(QUIET) as quiet:
        yield quiet


def test_a_mail_that_signals_a_case_about_to_close_is_handled_by_a_follow_up(desk: Battle) -> None:
    first, reply = _opened(desk, 1)
    closing = letters.answer(reply, first, 1, "It is solved.", by_token=True)
    late = letters.answer(reply, first, 1, "Another question.", by_token=False)
    with _frozen(desk, "cases"):
        # One signal each, in this order, before the case sees the first.
        for letter in (closing, late):
            desk.mailroom.deliver(letter)
            _until(desk, letter, "delivered")
    _until(desk, closing, "applied")
    _until(desk, late, "applied")
    assert _case(desk, closing) == _case(desk, first)
    assert _followed(desk, _case(desk, late)) == _case(desk, first)
    _all_is_well(desk)


def test_a_mail_routed_to_a_case_that_closes_before_it_is_signalled_opens_a_follow_up(
    desk: Battle,
) -> None:
    first, reply = _opened(desk, 2)
    late = letters.answer(reply, first, 2, "Another question.", by_token=True)
    hit = desk.points.arm(CrashPoint.INTAKE_COMMITTED)
    desk.mailroom.deliver(late)
    wait_until(hit.exists, 20)
    assert _case(desk, late) == _case(desk, first)
    case_id = _case(desk, first)
    close = {"id": "close", "type": "close", "data": {}}
    desk.product.call("POST", f"/api/v1/cases/{case_id}/events", close)
    _until(desk, late, "applied")
    assert _followed(desk, _case(desk, late)) == case_id
    _all_is_well(desk)


def _opened(desk: Battle, number: int) -> tuple[Letter, bytes]:
    """Return a customer's first mail and the reply to it, when its case waits."""
    first = letters.question(number)
    desk.mailroom.deliver(first)
    _until(desk, first, "applied")
    replies = wait_until(
        lambda: [
            mail.raw
            for mail in read_log(desk.sink_log)
            if header(mail.raw, "In-Reply-To") == first.message_id
        ],
        20,
    )
    # A worker that is stopped in the middle of a transaction would hold everybody's lock: the
    # copy in Sent is the last that it writes for this mail.
    open_rows = "SELECT count(*) FROM outbox WHERE state <> 'filed'"
    wait_until(lambda: desk.product.rows(open_rows) == [(0,)], 20)
    return first, replies[0]


@contextmanager
def _frozen(desk: Battle, process: str) -> Iterator[None]:
    """Let a process stand still, so that nobody starts another one in its place."""
    pid = desk.product.children()[process]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _row(desk: Battle, letter: Letter) -> tuple[str, str] | None:
    found = desk.product.rows(
        "SELECT state, case_id FROM intake WHERE message_id = ?", letter.message_id
    )
    return (found[0][0], found[0][1]) if found else None


def _until(desk: Battle, letter: Letter, state: str) -> None:
    wait_until(lambda: (_row(desk, letter) or ("", ""))[0] == state, 60, desk.unsettled)


def _case(desk: Battle, letter: Letter) -> str:
    row = _row(desk, letter)
    assert row is not None
    return row[1]


def _followed(desk: Battle, case_id: str) -> str:
    ((follows,),) = desk.product.rows("SELECT follows FROM cases WHERE id = ?", case_id)
    return str(follows)


def _all_is_well(desk: Battle) -> None:
    report = desk.judge(0, desk.settle())
    assert not report.problems, report.table()
