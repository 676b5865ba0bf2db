"""`everpost mail` against the demo mail server."""

import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from typer.testing import CliRunner

from everpost.cli.mail import newest, shown
from everpost.cli.main import app
from everpost.settings import ENV_PREFIX, Settings, read_settings
from tests.everpost.polling import until
from tests.servers.ports import free_port

SUPPORT = "support@everpost.test"
FIRST = "first@customer.test"


def accepts(port: int) -> bool:
    """Tell whether something listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give the settings of an instance whose mail server does not run."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{field.upper()}", raising=False)
    monkeypatch.setenv("EVERPOST_SMTP_PORT", str(free_port()))
    monkeypatch.setenv("EVERPOST_IMAP_PORT", str(free_port()))
    return read_settings()


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Give the settings of an instance whose mail server runs."""
    ports = settings.smtp_port, settings.imap_port
    process = subprocess.Popen(  # noqa: S603 -- our own program
        [
            *(sys.executable, "-m", "everpost.mailserver", "--home", str(tmp_path / "mail")),
            *("--smtp-port", str(ports[0]), "--imap-port", str(ports[1])),
        ]
    )
    try:
        until(lambda: process.poll() is not None or all(map(accepts, ports)))
        yield settings
    finally:
        process.terminate()
        process.wait()


def mail(*arguments: str) -> tuple[int, str]:
    """Run an `everpost mail` command; return its exit code and all that it wrote."""
    result = CliRunner().invoke(app, ["mail", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def deliver(settings: Settings, raw: bytes) -> None:
    """Hand a mail for the first customer to the mail server."""
    with smtplib.SMTP("127.0.0.1", settings.smtp_port) as smtp:
        smtp.sendmail(SUPPORT, [FIRST], raw)


def test_a_mail_that_was_sent_can_be_read(server: Settings) -> None:
    sent = mail("send", "--from", FIRST, "--subject", "Grüße", "--body", "Wo ist es?")
    assert sent == (0, f"Sent to {SUPPORT}.\n")
    code, output = mail("read", SUPPORT)
    head, _, text = output.partition("\n\n")
    assert code == 0
    assert [line for line in head.splitlines() if not line.startswith("Date: ")] == [
        f"From: {FIRST}",
        f"To: {SUPPORT}",
        "Subject: Grüße",
    ]
    assert text.strip() == "Wo ist es?"


def test_the_newest_mail_is_shown_and_all_on_demand(server: Settings) -> None:
    for number in range(3):
        mail("send", "--from", FIRST, "--subject", f"mail {number}", "--body", "x")
    assert "mail 2" in mail("read", SUPPORT)[1]
    assert "(2 older: --all shows them)" in mail("read", SUPPORT)[1]
    everything = mail("read", SUPPORT, "--all")[1]
    assert [word for word in everything.split() if word.isdigit() and len(word) == 1] == [
        "0",
        "1",
        "2",
    ]


def test_an_address_without_mail_has_none(server: Settings) -> None:
    assert mail("read", FIRST) == (0, f"No mail for {FIRST} yet.\n")
    code, output = mail("reply", FIRST, "--body", "x")
    assert (code, output) == (1, f"There is no mail for {FIRST} that could be answered.\n")


@pytest.mark.parametrize("command", ["reply", "send"])
def test_an_answer_carries_the_whole_thread(server: Settings, command: str) -> None:
    question = EmailMessage()
    question["From"], question["To"], question["Subject"] = SUPPORT, FIRST, "Re: Where?"
    question["Message-ID"], question["References"] = "<b@everpost.test>", "<a@customer.test>"
    question.set_content("Here.")
    deliver(server, question.as_bytes())
    if command == "reply":
        code, output = mail("reply", FIRST, "--body", "Thanks.")
        assert output == f"Sent to {SUPPORT}: Re: Where?\n"
    else:
        code, _ = mail(
            *("send", "--from", FIRST, "--subject", "s", "--body", "b"),
            *("--in-reply-to", "latest"),
        )
    answer = newest(server, SUPPORT)
    assert (code, answer.in_reply_to) == (0, ("<b@everpost.test>",))
    assert answer.references == ("<a@customer.test>", "<b@everpost.test>")


def test_an_unknown_address_is_refused_with_a_sentence(server: Settings) -> None:
    code, output = mail("read", "nobody@customer.test")
    assert (code, output.count("\n")) == (1, 1)
    assert output.startswith("The mail server gives no access to nobody@customer.test")


@pytest.mark.parametrize("address", ["", "a b", 'x" y', "a\r\nb", "{3}", "é@x.test"])
def test_what_imap_gives_a_meaning_is_no_address(settings: Settings, address: str) -> None:
    assert mail("read", address)[0] == 1


@pytest.mark.parametrize(
    "given",
    [
        {"--from": "a@b.test\r\nBcc: x@y.test"},
        {"--subject": "a\nBcc: x@y.test"},
        {"--to": "a@b.test\nBcc: x@y.test"},
        {"--in-reply-to": "<a>\nBcc: x@y.test"},
    ],
)
def test_no_header_can_be_smuggled_in(settings: Settings, given: dict[str, str]) -> None:
    options = {"--from": FIRST, "--subject": "s", "--body": "b"} | given
    code, output = mail("send", *(word for option in options.items() for word in option))
    assert code == 1
    assert output.startswith("That cannot be put into a mail")


def test_without_a_mail_server_there_is_one_sentence(settings: Settings) -> None:
    for command in (
        ("send", "--from", FIRST, "--subject", "s", "--body", "b"),
        ("read", FIRST),
        ("reply", FIRST, "--body", "b"),
    ):
        code, output = mail(*command)
        assert (code, output.count("\n")) == (1, 1)
        assert output.startswith("The demo mail server does not answer at 127.0.0.1:")


def test_a_hostile_mail_cannot_steer_the_terminal() -> None:
    raw = (
        b"From: =?utf-8?q?=1b=5d0=3bowned=07?= <x@y.test>\r\nSubject: \x1b[2Jhi\r\n"
        b"\r\nred: \x1b[31mtext\x1b[0m \x9b2K back\x08 \xe2\x80\xaeabc\r\n"
    )
    text = shown(raw)
    assert not any(char in text for char in "\x1b\x9b\x07\x08\u202e")
    assert "abc" in text


def test_a_mail_that_cannot_be_read_is_said_to_be_so() -> None:
    assert shown(b"") == "(a mail that cannot be read: the mail is empty)\n"


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_what_is_no_mail_address_is_refused(settings: Settings, option: str) -> None:
    given = {"--from": FIRST, "--subject": "s", "--body": "b"} | {option: "notanaddress"}
    code, output = mail("send", *(word for pair in given.items() for word in pair))
    assert (code, output) == (
        1,
        "That cannot be put into a mail: 'notanaddress' is not a mail address.\n",
    )


def test_a_refusal_of_the_mail_server_is_told_in_its_own_words(server: Settings) -> None:
    refused = mail(
        *("send", "--from", FIRST, "--to", "nobody@nowhere.test", "--subject", "s", "--body", "b")
    )
    login = mail("read", "nobody@nowhere.test")
    for code, output in (refused, login):
        assert code == 1
        assert "nobody@nowhere.test: " in output
        assert not any(marker in output for marker in ("b'", 'b"', "{", "("))
