"""The SMTP pool against a server that fails on demand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from pydantic import SecretStr

from clients.smtp import (
    SmtpAccount,
    SmtpAuthFailed,
    SmtpInsecure,
    SmtpOutcomeUnknown,
    SmtpPool,
    SmtpRefused,
    SmtpTransaction,
    SmtpUnsent,
    SmtpUntrusted,
)
from tests.servers.certificate import write_certificate
from tests.servers.polling import until
from tests.servers.ports import free_port
from tests.servers.smtp_sink import HOST, Fault, SmtpSink, read_log, sink_process

SOON = timedelta(seconds=10)
BRIEFLY = timedelta(seconds=0.3)
SENDER = "support@everpost.test"
CUSTOMER = "first@customer.test"
OTHER = "second@customer.test"
MAIL = b"Message-ID: <1@everpost.test>\r\nSubject: hello\r\n\r\nhello\r\n"


@pytest.fixture
async def pool() -> AsyncIterator[SmtpPool]:
    opened = SmtpPool(command_answer=SOON, final_answer=SOON)
    yield opened
    await opened.close()


def account(sink: SmtpSink) -> SmtpAccount:
    return SmtpAccount(HOST, sink.port, "none")


async def send(
    pool: SmtpPool, sink: SmtpSink, *recipients: str, raw: bytes = MAIL
) -> SmtpTransaction:
    to = recipients or (CUSTOMER,)
    async with pool.transaction(account(sink), SENDER, to, len(raw)) as transaction:
        await transaction.data(raw)
    return transaction


async def test_a_mail_arrives_with_its_envelope(pool: SmtpPool, smtp_sink: SmtpSink) -> None:
    await send(pool, smtp_sink, CUSTOMER, OTHER)
    (mail,) = smtp_sink.mails
    assert (mail.message_id, mail.sender) == ("<1@everpost.test>", SENDER)
    assert mail.recipients == (CUSTOMER, OTHER)
    assert mail.raw == MAIL


@pytest.mark.parametrize(
    ("raw", "arrives"),
    [
        (b".\r\n..\r\n.a\r\n", b".\r\n..\r\n.a\r\n"),
        (b"a\n.\nb\rc", b"a\r\n.\r\nb\r\nc\r\n"),
        ("ä — 日本\r\n".encode(), "ä — 日本\r\n".encode()),
        (b"\r\n.\r\nQUIT\r\n", b"\r\n.\r\nQUIT\r\n"),
        (b"", b"\r\n"),
    ],
)
async def test_dots_line_ends_and_octets_above_127_survive(
    pool: SmtpPool, smtp_sink: SmtpSink, raw: bytes, arrives: bytes
) -> None:
    await send(pool, smtp_sink, raw=raw)
    assert [mail.raw for mail in smtp_sink.mails] == [arrives]


async def test_the_null_sender_stays_null(pool: SmtpPool, smtp_sink: SmtpSink) -> None:
    async with pool.transaction(account(smtp_sink), "", [CUSTOMER], 99) as transaction:
        await transaction.data(MAIL)
    assert smtp_sink.mails[0].sender == ""


async def test_addresses_beyond_ascii_are_sent_as_such(pool: SmtpPool, smtp_sink: SmtpSink) -> None:
    await send(pool, smtp_sink, "jürgen@müller.test")
    assert smtp_sink.mails[0].recipients == ("jürgen@müller.test",)


async def test_one_connection_carries_many_mails(pool: SmtpPool, smtp_sink: SmtpSink) -> None:
    for _ in range(5):
        await send(pool, smtp_sink)
    assert (len(smtp_sink.mails), smtp_sink.connections) == (5, 1)


async def test_a_connection_is_replaced_after_so_many_mails(smtp_sink: SmtpSink) -> None:
    pool = SmtpPool(mails_per_connection=2)
    for _ in range(5):
        await send(pool, smtp_sink)
    await pool.close()
    assert (len(smtp_sink.mails), smtp_sink.connections) == (5, 3)


async def test_many_at_once_share_few_connections(pool: SmtpPool, smtp_sink: SmtpSink) -> None:
    await asyncio.gather(*(send(pool, smtp_sink) for _ in range(34)))
    assert len(smtp_sink.mails) == 34
    assert smtp_sink.connections <= 4


async def test_a_server_that_hangs_gives_its_senders_back_and_holds_up_no_other(
    smtp_sink: SmtpSink,
) -> None:
    pool = SmtpPool(busy_for=BRIEFLY, final_answer=SOON)
    with SmtpSink() as healthy:
        smtp_sink.script.extend([Fault.SILENT_DELIVERED] * 4)
        hung = [asyncio.create_task(send(pool, smtp_sink)) for _ in range(4)]
        await until(lambda: len(smtp_sink.mails) == 4)
        waiting = [asyncio.create_task(send(pool, smtp_sink)) for _ in range(3)]
        await send(pool, healthy)
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, SmtpUnsent)
            assert result.reason == "all connections to this server are busy"
        assert (len(healthy.mails), [task.done() for task in hung]) == (1, [False] * 4)
        for task in hung:
            task.cancel()
        await asyncio.wait(hung)
        await send(pool, smtp_sink)
    await pool.close()


async def test_who_waits_at_a_server_that_answers_gets_a_turn(smtp_sink: SmtpSink) -> None:
    pool = SmtpPool(connections_per_account=1, busy_for=timedelta(seconds=0.5))
    smtp_sink.slow_seconds = 0.2
    smtp_sink.script.extend([Fault.SLOW] * 5)
    await asyncio.gather(*(send(pool, smtp_sink) for _ in range(5)))
    assert len(smtp_sink.mails) == 5
    await pool.close()


async def test_only_so_many_wait_for_a_connection(smtp_sink: SmtpSink) -> None:
    pool = SmtpPool(connections_per_account=1, waiting_per_account=1, busy_for=SOON)
    async with pool.transaction(account(smtp_sink), SENDER, [CUSTOMER], 99):
        waiting = asyncio.create_task(send(pool, smtp_sink))
        await asyncio.sleep(0)  # it has begun to wait
        with pytest.raises(SmtpUnsent, match="busy"):
            await send(pool, smtp_sink)
    await waiting
    assert len(smtp_sink.mails) == 1
    await pool.close()


async def test_idle_connections_are_closed_in_time(smtp_sink: SmtpSink) -> None:
    pool = SmtpPool(idle=timedelta(seconds=0.05))
    await send(pool, smtp_sink)
    await until(lambda: not smtp_sink._open)
    await send(pool, smtp_sink)
    await pool.close()
    assert smtp_sink.connections == 2


async def test_a_connection_that_went_stale_is_replaced_unnoticed(
    pool: SmtpPool, smtp_sink: SmtpSink
) -> None:
    await send(pool, smtp_sink)
    smtp_sink.drop_connections()
    await send(pool, smtp_sink)
    assert len(smtp_sink.mails) == 2


@pytest.mark.parametrize("fault", [Fault.MAIL_CLOSING, Fault.DROP_AT_RCPT])
async def test_a_reused_connection_that_ends_before_data_is_replaced_unnoticed(
    pool: SmtpPool, smtp_sink: SmtpSink, fault: Fault
) -> None:
    await send(pool, smtp_sink)
    smtp_sink.script.append(fault)
    await send(pool, smtp_sink)
    assert (len(smtp_sink.mails), smtp_sink.connections) == (2, 2)


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (Fault.MAIL_LATER, SmtpUnsent, 451),
        (Fault.MAIL_REFUSED, SmtpRefused, 550),
        (Fault.MAIL_CLOSING, SmtpUnsent, None),
        (Fault.RCPT_LATER, SmtpUnsent, 450),
        (Fault.RCPT_REFUSED, SmtpRefused, 550),
        (Fault.DROP_AT_RCPT, SmtpUnsent, None),
        (Fault.DATA_LATER, SmtpUnsent, 451),
        (Fault.DATA_REFUSED, SmtpRefused, 554),
        (Fault.DROP_BEFORE_DATA, SmtpUnsent, None),
        (Fault.MAIL_TEXT_LATER, SmtpUnsent, 452),
        (Fault.MAIL_TEXT_REFUSED, SmtpRefused, 554),
        (Fault.DROP_LOST, SmtpOutcomeUnknown, None),
        (Fault.DROP_DELIVERED, SmtpOutcomeUnknown, None),
    ],
)
async def test_each_failure_says_what_is_known_of_the_mail(
    pool: SmtpPool,
    smtp_sink: SmtpSink,
    fault: Fault,
    error: type[Exception],
    code: int | None,
) -> None:
    smtp_sink.script.append(fault)
    with pytest.raises((SmtpUnsent, SmtpRefused, SmtpOutcomeUnknown)) as caught:
        await send(pool, smtp_sink)
    assert type(caught.value) is error
    assert (caught.value.answer.code if caught.value.answer else None) == code
    assert bool(smtp_sink.mails) == (fault is Fault.DROP_DELIVERED)
    # The pool goes on, on whatever connection.
    await send(pool, smtp_sink)


async def test_no_last_word_in_time_leaves_the_outcome_unknown(smtp_sink: SmtpSink) -> None:
    pool = SmtpPool(final_answer=BRIEFLY)
    smtp_sink.script.append(Fault.SILENT_DELIVERED)
    with pytest.raises(SmtpOutcomeUnknown):
        await send(pool, smtp_sink)
    assert len(smtp_sink.mails) == 1
    await pool.close()


async def test_a_server_that_falls_silent_before_data_leaves_the_mail_unsent(
    smtp_sink: SmtpSink,
) -> None:
    pool = SmtpPool(command_answer=BRIEFLY)
    smtp_sink.slow_seconds = 5
    smtp_sink.script.append(Fault.SLOW)
    with pytest.raises(SmtpUnsent):
        await send(pool, smtp_sink)
    await pool.close()


async def test_a_connection_lost_between_envelope_and_mail_leaves_it_unsent(
    pool: SmtpPool, smtp_sink: SmtpSink
) -> None:
    async with pool.transaction(account(smtp_sink), SENDER, [CUSTOMER], 99) as transaction:
        smtp_sink.drop_connections()
        with pytest.raises(SmtpUnsent):
            await transaction.data(MAIL)
    assert smtp_sink.mails == []


async def test_a_partial_refusal_names_who_is_refused_and_sends_to_the_rest(
    pool: SmtpPool, smtp_sink: SmtpSink
) -> None:
    smtp_sink.script.append(Fault.FIRST_RCPT_REFUSED)
    transaction = await send(pool, smtp_sink, OTHER, CUSTOMER)
    assert transaction.accepted == (CUSTOMER,)
    assert {who: answer.code for who, answer in transaction.refused.items()} == {OTHER: 550}
    assert smtp_sink.mails[0].recipients == (CUSTOMER,)


async def test_refused_recipients_come_with_their_answers(
    pool: SmtpPool, smtp_sink: SmtpSink
) -> None:
    smtp_sink.script.append(Fault.RCPT_REFUSED)
    with pytest.raises(SmtpRefused) as caught:
        await send(pool, smtp_sink, CUSTOMER, OTHER)
    assert {who: a.text for who, a in caught.value.refused.items()} == {
        CUSTOMER: "5.1.1 nobody here",
        OTHER: "5.1.1 nobody here",
    }


@pytest.mark.parametrize(
    "address", ["a@b.test>\r\nRCPT TO:<c@d.test", "a b@c.test", "<a@b.test>", ""]
)
async def test_an_address_never_becomes_a_command(
    pool: SmtpPool, smtp_sink: SmtpSink, address: str
) -> None:
    with pytest.raises(SmtpRefused, match="553"):
        await send(pool, smtp_sink, address)
    await send(pool, smtp_sink)
    assert smtp_sink.mails[0].recipients == (CUSTOMER,)


async def test_leaving_without_data_takes_the_envelope_back(
    pool: SmtpPool, smtp_sink: SmtpSink
) -> None:
    async with pool.transaction(account(smtp_sink), SENDER, [OTHER], 99):
        pass
    with pytest.raises(LookupError):
        async with pool.transaction(account(smtp_sink), SENDER, [OTHER], 99):
            raise LookupError
    await send(pool, smtp_sink)
    assert [mail.recipients for mail in smtp_sink.mails] == [(CUSTOMER,)]
    assert smtp_sink.connections == 1


async def test_a_cancelled_sender_leaves_no_connection_to_mistake(
    pool: SmtpPool, smtp_sink: SmtpSink
) -> None:
    smtp_sink.script.append(Fault.SILENT_DELIVERED)
    sending = asyncio.create_task(send(pool, smtp_sink))
    await until(lambda: smtp_sink.mails)
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled()
    await send(pool, smtp_sink)
    assert smtp_sink.connections == 2


async def test_a_transaction_sends_one_mail(pool: SmtpPool, smtp_sink: SmtpSink) -> None:
    async with pool.transaction(account(smtp_sink), SENDER, [CUSTOMER], 99) as transaction:
        await transaction.data(MAIL)
        with pytest.raises(ValueError, match="one mail"):
            await transaction.data(MAIL)


async def test_a_mail_above_the_servers_size_is_refused_before_it_is_sent(
    pool: SmtpPool,
) -> None:
    with SmtpSink(max_mail_bytes=1000) as sink:
        with pytest.raises(SmtpRefused, match="552"):
            await send(pool, sink, raw=MAIL + b"x" * 1000)
        assert sink.mails == []


async def test_nobody_at_the_port_leaves_the_mail_unsent(pool: SmtpPool) -> None:
    with pytest.raises(SmtpUnsent):
        await send(pool, SmtpSink(port=free_port()))


async def test_a_closed_pool_sends_nothing(smtp_sink: SmtpSink) -> None:
    pool = SmtpPool()
    await pool.close()
    with pytest.raises(SmtpUnsent):
        await send(pool, smtp_sink)


# -- Logging in


async def test_a_login_is_checked_and_its_password_never_shown(pool: SmtpPool) -> None:
    with SmtpSink(login=("user", "right")) as sink:
        right = SmtpAccount(HOST, sink.port, "none", "user", SecretStr("right"))
        async with pool.transaction(right, SENDER, [CUSTOMER], 99) as transaction:
            await transaction.data(MAIL)
        wrong = SmtpAccount(HOST, sink.port, "none", "user", SecretStr("hidden"))
        with pytest.raises(SmtpAuthFailed) as caught:
            async with pool.transaction(wrong, SENDER, [CUSTOMER], 99):
                pass
    assert caught.value.answer is not None
    assert caught.value.answer.code == 535
    assert "hidden" not in f"{caught.value!r}{wrong!r}"
    assert len(sink.mails) == 1


async def test_a_login_at_a_server_that_knows_none_is_refused(
    pool: SmtpPool, smtp_sink: SmtpSink
) -> None:
    named = SmtpAccount(HOST, smtp_sink.port, "none", "user", SecretStr("x"))
    with pytest.raises(SmtpAuthFailed):
        async with pool.transaction(named, SENDER, [CUSTOMER], 99):
            pass


async def test_a_password_in_the_clear_never_leaves_this_machine(pool: SmtpPool) -> None:
    far = SmtpAccount("smtp.example.org", 25, "none", "user", SecretStr("x"))
    with pytest.raises(SmtpInsecure, match="starttls"):
        async with pool.transaction(far, SENDER, [CUSTOMER], 99):
            pass


@pytest.mark.parametrize("implicit", [True, False])
async def test_tls_is_used_and_the_certificate_checked(
    pool: SmtpPool, tmp_path: Path, implicit: bool
) -> None:
    write_certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with SmtpSink(tls=context, implicit_tls=implicit) as sink:
        way: Literal["implicit", "starttls"] = "implicit" if implicit else "starttls"
        known = SmtpAccount(HOST, sink.port, way, ca_file=tmp_path / "cert.pem")
        async with pool.transaction(known, SENDER, [CUSTOMER], 99) as transaction:
            await transaction.data(MAIL)
        with pytest.raises(SmtpUntrusted):
            async with pool.transaction(SmtpAccount(HOST, sink.port, way), SENDER, [CUSTOMER], 99):
                pass
    assert len(sink.mails) == 1


async def test_a_server_whose_starttls_is_gone_gets_nothing(
    pool: SmtpPool, smtp_sink: SmtpSink
) -> None:
    with pytest.raises(SmtpUntrusted, match="STARTTLS"):
        async with pool.transaction(
            SmtpAccount(HOST, smtp_sink.port, "starttls"), SENDER, [CUSTOMER], 99
        ):
            pass


# -- The server itself, as a process


async def test_the_sink_as_a_process_logs_each_mail_for_others_to_read(
    pool: SmtpPool, tmp_path: Path
) -> None:
    log = tmp_path / "mails.jsonl"
    port = free_port()
    with sink_process(port, log):
        to = SmtpAccount(HOST, port, "none")
        for recipient in (CUSTOMER, OTHER):
            async with pool.transaction(to, SENDER, [recipient], 99) as transaction:
                await transaction.data(MAIL)
        assert [mail.recipients for mail in read_log(log)] == [(CUSTOMER,), (OTHER,)]
        assert read_log(log)[0].raw == MAIL


async def test_the_same_seed_brings_the_same_faults(tmp_path: Path) -> None:
    first, second = (SmtpSink(fault_share=0.5, seed=7) for _ in range(2))
    assert [first.next_fault() for _ in range(50)] == [second.next_fault() for _ in range(50)]


async def test_a_server_that_hangs_is_bounded_over_all_its_accounts(smtp_sink: SmtpSink) -> None:
    pool = SmtpPool(
        connections_per_account=2, connections_per_server=3, busy_for=BRIEFLY, final_answer=SOON
    )
    smtp_sink.script.extend([Fault.SILENT_DELIVERED] * 3)

    async def hang(name: str) -> None:
        of_name = SmtpAccount(HOST, smtp_sink.port, "none", ca_file=Path(name))
        async with pool.transaction(of_name, SENDER, [CUSTOMER], len(MAIL)) as transaction:
            await transaction.data(MAIL)

    hanging = [asyncio.create_task(hang(name)) for name in ("one", "one", "two")]
    await until(lambda: len(smtp_sink.mails) == 3)
    with pytest.raises(SmtpUnsent, match="busy"):
        await hang("three")
    with SmtpSink() as healthy:
        await send(pool, healthy)
        assert len(healthy.mails) == 1
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    await pool.close()
