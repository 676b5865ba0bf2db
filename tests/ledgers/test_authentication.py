"""Mails are checked by the trusted server's word, else by their signatures, and never raise."""

from collections.abc import Mapping, Sequence

import pytest

from ledgers.mailboxes.authentication import Authenticator
from mail.message import Authentication, Verdict
from tests.mail.samples import mail
from tests.mail.signed import NAME, Key, ed25519_key, signed

ERROR = Authentication("everpost", dkim=Verdict.ERROR)


class _Records:
    """A resolver over a table; notes what it is asked."""

    def __init__(self, records: Mapping[str, tuple[str, ...] | None] | None = None) -> None:
        self._records = records or {}
        self.asked: list[Sequence[str]] = []

    async def txt(self, names: Sequence[str]) -> Mapping[str, tuple[str, ...] | None]:
        self.asked.append(names)
        return {name: self._records.get(name) for name in names}


class _Broken:
    """A resolver that raises."""

    async def txt(self, names: Sequence[str]) -> Mapping[str, tuple[str, ...] | None]:
        raise OSError("no network")


@pytest.fixture(scope="module")
def key() -> Key:
    return ed25519_key()


async def test_each_mail_of_a_batch_has_its_own_answer(key: Key) -> None:
    records = _Records({NAME: (key.record,)})
    by_server = b"Authentication-Results: mx.test; spf=pass smtp.mailfrom=x.test\r\n" + mail()
    good = signed(mail(), key)
    bad = good.replace(b"Hello", b"Hallo")
    found = await Authenticator(records).check([mail(), good, by_server, bad], "mx.test")
    assert found == [
        None,
        Authentication(
            "everpost", dkim=Verdict.PASS, dmarc=Verdict.PASS, dkim_domain="customer.test"
        ),
        Authentication("mx.test", spf=Verdict.PASS),
        Authentication("everpost", dkim=Verdict.FAIL),
    ]
    assert len(records.asked) == 1


async def test_what_the_server_says_spares_the_dns(key: Key) -> None:
    records = _Records()
    raw = b"Authentication-Results: mx.test; dkim=pass header.d=customer.test\r\n"
    (found,) = await Authenticator(records).check([raw + signed(mail(), key)], "mx.test")
    assert found == Authentication("mx.test", dkim=Verdict.PASS, dkim_domain="customer.test")
    assert records.asked == []


async def test_without_a_trusted_server_nobodys_word_counts(key: Key) -> None:
    raw = b"Authentication-Results: mx.test; dmarc=pass\r\n" + mail()
    assert await Authenticator(_Records()).check([raw], None) == [None]


async def test_a_dns_without_answers_is_an_error_verdict(key: Key) -> None:
    raw = signed(mail(), key)
    assert await Authenticator(_Records()).check([raw], None) == [ERROR]
    assert await Authenticator(_Broken()).check([raw], None) == [ERROR]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff" * 1_000,
        b"DKIM-Signature: \xff\r\n\r\n",
        b"DKIM-Signature:\r\n" * 1_000,
        b"Authentication-Results: mx.test; (((((",
        b"no header at all",
    ],
)
async def test_hostile_mails_do_not_raise(raw: bytes) -> None:
    (found,) = await Authenticator(_Records()).check([raw], "mx.test")
    assert found is None or found.dkim is not Verdict.PASS


async def test_no_mails_need_no_check() -> None:
    assert await Authenticator(_Records()).check([], "mx.test") == []
