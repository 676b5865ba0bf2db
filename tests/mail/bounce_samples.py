"""Delivery reports in the shapes of the known mail servers, in words of our own."""

# ruff: noqa: E501 -- the lines of a mail stand as they are sent

from collections.abc import Sequence
from dataclasses import dataclass

OURS = "support@everpost.test"
GONE = "lena@gone.test"
REPORTED_ID = "<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1@everpost.test>"
RETURNED = (
    f"Message-ID: {REPORTED_ID}\nFrom: Support <{OURS}>\nTo: {GONE}\n"
    "Subject: Your refund\nDate: Fri, 21 Nov 2025 09:00:00 +0000\n"
)


@dataclass(frozen=True)
class Bounce:
    """A raw report and what is to be read in it; `recipients` are (address, hard)."""

    name: str
    raw: bytes
    recipients: tuple[tuple[str, bool], ...] = ((GONE, True),)
    status: str | None = None
    action: str = "failed"
    message_id: str | None = REPORTED_ID


def head(sender: str, subject: str, *fields: str, path: str | None = "<>") -> str:
    """Return the header of a report, without the empty line."""
    lines = [
        *([f"Return-Path: {path}"] if path is not None else []),
        f"From: {sender}",
        f"To: {OURS}",
        f"Subject: {subject}",
        "Date: Fri, 21 Nov 2025 10:00:00 +0000",
        "Message-ID: <report.7@mx.gone.test>",
        "MIME-Version: 1.0",
        *fields,
    ]
    return "\n".join(lines) + "\n"


def plain(sender: str, subject: str, body: str, *fields: str, path: str | None = "<>") -> bytes:
    """Return a report that is text and nothing else."""
    return (head(sender, subject, *fields, path=path) + "\n" + body).encode()


def dsn(
    *groups: str,
    sender: str = "Mail Delivery System <MAILER-DAEMON@mx.gone.test>",
    subject: str = "Undelivered Mail Returned to Sender",
    notice: str = "Your mail could not be delivered.",
    returned: str = f"Content-Type: message/rfc822\n\n{RETURNED}\nHello\n",
    status_type: str = "message/delivery-status",
    root: str = "multipart/report; report-type=delivery-status",
    fields: Sequence[str] = (),
    path: str | None = "<>",
) -> bytes:
    """Return a report with structure; each of `groups` tells of one recipient."""
    status = "\n\n".join(("Reporting-MTA: dns; mx.gone.test", *groups))
    parts = [
        f"Content-Type: text/plain\n\n{notice}\n",
        f"Content-Type: {status_type}\n\n{status}\n",
        *([returned] if returned else []),
    ]
    body = "".join(f"--edge\n{part}\n" for part in parts) + "--edge--\n"
    kind = f'Content-Type: {root}; boundary="edge"'
    return (head(sender, subject, kind, *fields, path=path) + "\n" + body).encode()


def group(
    status: str, diagnostic: str = "", action: str = "failed", address: str = GONE, more: str = ""
) -> str:
    """Return the fields of one recipient."""
    lines = [f"Final-Recipient: rfc822; {address}", f"Action: {action}", f"Status: {status}"]
    if diagnostic:
        lines.append(f"Diagnostic-Code: {diagnostic}")
    return "\n".join([*lines, *([more] if more else [])])


def mixed(sender: str, subject: str, notice: str, *fields: str, path: str | None = "<>") -> bytes:
    """Return a report of old servers: text, and the returned mail as an attachment."""
    body = (
        f"--edge\nContent-Type: text/plain\n\n{notice}\n"
        f"--edge\nContent-Type: message/rfc822\n\n{RETURNED}\nHello\n--edge--\n"
    )
    kind = 'Content-Type: multipart/mixed; boundary="edge"'
    return (head(sender, subject, kind, *fields, path=path) + "\n" + body).encode()


DAEMON = "Mail Delivery System <MAILER-DAEMON@mx.gone.test>"
HEADERS_ONLY = f"Content-Type: text/rfc822-headers\n\n{RETURNED}"

STRUCTURED = [
    Bounce(
        "postfix, user unknown",
        dsn(group("5.1.1", "smtp; 550 5.1.1 no such person here")),
        status="5.1.1",
    ),
    Bounce("postfix, headers only", dsn(group("5.1.1"), returned=HEADERS_ONLY), status="5.1.1"),
    Bounce(
        "postfix, given up after days",
        dsn(group("4.4.1", "X-Postfix; connect to gone.test[192.0.2.5]:25: no route")),
        ((GONE, False),),
        "4.4.1",
    ),
    Bounce(
        "postfix, domain not found",
        dsn(group("5.4.4", "X-Postfix; no address record for gone.test")),
        status="5.4.4",
    ),
    Bounce(
        "postfix, delay warning",
        dsn(
            group(
                "4.4.1",
                "smtp; connection timed out",
                "delayed",
                more="Will-Retry-Until: Sat, 22 Nov 2025 09:00:00 +0000",
            ),
            subject="Delayed Mail (still being retried)",
        ),
        ((GONE, False),),
        "4.4.1",
        "delayed",
    ),
    Bounce(
        "mailbox full is soft",
        dsn(group("5.2.2", "smtp; 552 5.2.2 the mailbox holds no more")),
        ((GONE, False),),
        "5.2.2",
    ),
    Bounce(
        "quota with a generic status is soft",
        dsn(group("5.0.0", "smtp; 552 this account is over quota")),
        ((GONE, False),),
        "5.0.0",
    ),
    Bounce(
        "mailbox disabled", dsn(group("5.2.1", "smtp; 550 5.2.1 account closed")), status="5.2.1"
    ),
    Bounce(
        "message too large",
        dsn(group("5.3.4", "smtp; 552 5.3.4 larger than we take")),
        status="5.3.4",
    ),
    Bounce(
        "generic status, own code in the diagnostic",
        dsn(group("5.0.0", "smtp; 550-5.1.1 nobody of that name\n 550 5.1.1 lives here")),
        status="5.1.1",
    ),
    Bounce(
        "greylisting refused as permanent",
        dsn(group("5.7.1", "smtp; 550 5.7.1 greylisted for five minutes")),
        ((GONE, False),),
        "5.7.1",
    ),
    Bounce(
        "content refused",
        dsn(group("5.7.1", "smtp; 554 5.7.1 looks like advertising")),
        status="5.7.1",
    ),
    Bounce(
        "sender not authenticated",
        dsn(group("5.7.26", "smtp; 550 5.7.26 the sender's domain does not vouch for it")),
        status="5.7.26",
    ),
    Bounce(
        "sendmail",
        dsn(
            group(
                "5.1.2",
                "",
                more="Remote-MTA: DNS; gone.test\nLast-Attempt-Date: Fri, 21 Nov 2025 10:00:00 GMT",
            ),
            sender="Mail Delivery Subsystem <MAILER-DAEMON@relay.test>",
            subject="Returned mail: see transcript for details",
        ),
        status="5.1.2",
    ),
    Bounce(
        "sendmail, warning",
        dsn(
            group("4.2.0", "", "delayed"),
            subject="Warning: could not send message for past 4 hours",
        ),
        ((GONE, False),),
        "4.2.0",
        "delayed",
    ),
    Bounce(
        "exchange online",
        dsn(
            group(
                "5.1.10",
                "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP address lookup",
            ),
            sender="Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@gone.test>",
            subject="Undeliverable: Your refund",
        ),
        status="5.1.10",
    ),
    Bounce(
        "exchange, expired",
        dsn(
            group("5.4.300", "smtp;550 5.4.300 Message expired"),
            sender="postmaster@gone.test",
            subject="Undeliverable: Your refund",
        ),
        ((GONE, False),),
        "5.4.300",
    ),
    Bounce(
        "exchange in german",
        dsn(
            group("5.1.1", ""),
            sender="postmaster@gone.test",
            subject="Unzustellbar: Ihre Erstattung",
        ),
        status="5.1.1",
    ),
    Bounce(
        "gmail, no such user",
        dsn(
            group("5.1.1", "smtp; 550-5.1.1 that account is unknown to us"),
            sender="Mail Delivery Subsystem <mailer-daemon@googlemail.test>",
            subject="Delivery Status Notification (Failure)",
            fields=[f"In-Reply-To: {REPORTED_ID}", f"X-Failed-Recipients: {GONE}"],
            returned="",
        ),
        status="5.1.1",
    ),
    Bounce(
        "gmail, delay",
        dsn(
            group("4.4.2", "smtp; no answer yet", "delayed"),
            sender="mailer-daemon@googlemail.test",
            subject="Delivery Status Notification (Delay)",
        ),
        ((GONE, False),),
        "4.4.2",
        "delayed",
    ),
    Bounce(
        "amazon",
        dsn(
            group("5.1.1", "smtp; 550 5.1.1 unknown"),
            sender="MAILER-DAEMON@eu-west-1.ses.test",
            subject="Delivery Status Notification (Failure)",
        ),
        status="5.1.1",
    ),
    Bounce("opensmtpd says error", dsn(group("5.1.1", "", "error")), status="5.1.1"),
    Bounce(
        "action with a comment",
        dsn(group("5.1.1 (bad address)", "", "failed (gone)")),
        status="5.1.1",
    ),
    Bounce(
        "original recipient",
        dsn(
            group(
                "5.1.1",
                "",
                address="l.new@elsewhere.test",
                more="Original-Recipient: rfc822;lena+40gone.test",
            ),
        ),
        status="5.1.1",
    ),
    Bounce(
        "several recipients",
        dsn(
            group("5.1.1"),
            group("4.2.2", address="max@gone.test"),
            group("2.0.0", "", "delivered", "ann@gone.test"),
        ),
        ((GONE, True), ("max@gone.test", False), ("ann@gone.test", False)),
        "5.1.1",
    ),
    Bounce(
        "delivered",
        dsn(
            group("2.1.5", "smtp; 250 taken", "delivered"),
            subject="Successful Mail Delivery Report",
        ),
        ((GONE, False),),
        "2.1.5",
        "delivered",
    ),
    Bounce(
        "relayed",
        dsn(group("2.1.9", "", "relayed"), subject="Delivery Status Notification (Relay)"),
        ((GONE, False),),
        "2.1.9",
        "relayed",
    ),
    Bounce(
        "international report",
        dsn(
            group("5.1.1", address="léna@gone.test").replace("rfc822", "utf-8"),
            status_type="message/global-delivery-status",
            returned=f"Content-Type: message/global-headers\n\n{RETURNED}\n",
        ),
        (("léna@gone.test", True),),
        "5.1.1",
    ),
    Bounce(
        "relabelled as mixed by a gateway",
        dsn(group("5.1.1"), root="multipart/mixed"),
        status="5.1.1",
    ),
    Bounce(
        "no null path, ordinary sender",
        dsn(group("5.1.1"), sender="mail@gone.test", path="<mail@gone.test>"),
        status="5.1.1",
    ),
    Bounce("broken status", dsn(group("unknown", "smtp; 550 nobody here")), status=None),
    Bounce("nothing returned", dsn(group("5.1.1"), returned=""), status="5.1.1", message_id=None),
]

UNSTRUCTURED = [
    Bounce(
        "qmail",
        plain(
            "MAILER-DAEMON@mx.gone.test",
            "failure notice",
            f"Hi. This is the qmail-send program at mx.gone.test.\nSorry, one mail did not get through.\n\n<{GONE}>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 5.1.1 nobody here\n\n--- Below this line is a copy of the message.\n\n{RETURNED}\nHello\n",
        ),
        status="5.1.1",
    ),
    Bounce(
        "exim",
        plain(
            "Mail Delivery System <Mailer-Daemon@exim.test>",
            "Mail delivery failed: returning message to sender",
            f"This was made by the delivery software.\n\nA message you sent could not be delivered to all of its recipients. This is a permanent error:\n\n  {GONE}\n    host mx.gone.test [192.0.2.4]\n    SMTP error after RCPT TO: 550 unrouteable\n\n------ This is a copy of the message, including all the headers. ------\n\n{RETURNED}\nHello\n",
            f"X-Failed-Recipients: {GONE}",
            "Auto-Submitted: auto-replied",
        ),
    ),
    Bounce(
        "exim, warning",
        plain(
            "Mail Delivery System <Mailer-Daemon@exim.test>",
            "Warning: message 1abcDE-0001 delayed 24 hours",
            f"A message that you sent has not yet been delivered to:\n\n  {GONE}\n\nNo action is required on your part. Attempts will continue.\n",
        ),
        ((GONE, False),),
        None,
        "delayed",
        None,
    ),
    Bounce(
        "exim, retries ran out",
        plain(
            "Mailer-Daemon@exim.test",
            "Mail delivery failed: returning message to sender",
            f"A message that you sent could not be delivered:\n\n  {GONE}\n    retry timeout exceeded\n\n------ This is a copy of the message's headers. ------\n\n{RETURNED}",
        ),
        ((GONE, False),),
    ),
    Bounce(
        "old exchange",
        mixed(
            "System Administrator <postmaster@gone.test>",
            "Undeliverable: Your refund",
            f"Your message\n\n  To: somebody\n  Subject: Your refund\n\ndid not reach the following recipient(s):\n\n{GONE} on Fri, 21 Nov 2025 10:00:00 +0000\n    The e-mail account does not exist at the organization.\n    <gone.test #5.1.1>\n",
        ),
        status="5.1.1",
    ),
    Bounce(
        "postfix, text only",
        plain(
            "MAILER-DAEMON@mx.gone.test",
            "Undelivered Mail Returned to Sender",
            f"This is the mail system at host mx.gone.test.\n\nYour message could not be delivered to one or more recipients.\n\n                   The mail system\n\n<{GONE}>: host mx2.gone.test[192.0.2.9] said: 550 5.1.1 <{GONE}>: unknown\n    (in reply to RCPT TO command)\n",
        ),
        status="5.1.1",
        message_id=None,
    ),
    Bounce(
        "gmail's text",
        plain(
            "Mail Delivery Subsystem <mailer-daemon@googlemail.test>",
            "Delivery Status Notification (Failure)",
            f"** Address not found **\n\nYour message wasn't delivered to {GONE} because the address couldn't be found.\n\nThe response was:\n\n550 5.1.1 that account is unknown to us\n",
            f"X-Failed-Recipients: {GONE}",
            f"References: {REPORTED_ID}",
        ),
        status="5.1.1",
    ),
    Bounce(
        "gateway in its own words",
        plain(
            "Postmaster <postmaster@gate.test>",
            "Delivery failure",
            f"The gateway was unable to deliver your mail.\n\nRecipient: {GONE}\nReason: 550 5.4.1 no such recipient\n\nOriginal message headers:\n\n{RETURNED}",
        ),
        status="5.4.1",
    ),
    Bounce(
        "mailbox full in words alone",
        plain(
            "MAILER-DAEMON@mx.gone.test",
            "Returned mail: mailbox problem",
            f"Your message could not be delivered to\n\n   {GONE}\n\nThe mailbox is full.\n\n----- Original message -----\n{RETURNED}",
        ),
        ((GONE, False),),
    ),
    Bounce(
        "domino",
        mixed(
            "Postmaster <postmaster@gone.test>",
            "DELIVERY FAILURE: user not listed in the directory",
            f"Your message\n\n  Subject: Your refund\n\nwas not delivered to:\n\n  {GONE}\n\nbecause:\n\n  550 the user is not listed in the directory\n",
        ),
    ),
    Bounce(
        "groupwise",
        mixed(
            "Mailer-Daemon@gone.test",
            "Message status - undeliverable",
            f"The message that you sent was undeliverable to the following:\n\t{GONE} (user not found)\n",
        ),
    ),
    Bounce(
        "old sendmail transcript",
        plain(
            "Mail Delivery Subsystem <MAILER-DAEMON@relay.test>",
            "Returned mail: User unknown",
            f"   ----- The following addresses had permanent fatal errors -----\n<{GONE}>\n\n   ----- Transcript of session follows -----\n... while talking to mx.gone.test.:\n>>> RCPT To:<{GONE}>\n<<< 550 nobody of that name\n\n   ----- Original message follows -----\n\n{RETURNED}\nHello\n",
        ),
    ),
    Bounce(
        "german provider",
        plain(
            "Mail Delivery System <mailer-daemon@post.test>",
            "Mail-Zustellung fehlgeschlagen",
            f"Ihre Nachricht konnte nicht zugestellt werden.\n\nEmpfänger: {GONE}\nGrund: 550 5.1.1 Empfänger unbekannt\n\n----- Original message -----\n{RETURNED}",
            "Content-Type: text/plain; charset=utf-8",
        ),
        status="5.1.1",
    ),
    Bounce(
        "french provider",
        plain(
            "postmaster@poste.test",
            "=?utf-8?q?=C3=89chec_de_la_remise?=",
            f"Le message n'a pas pu être remis.\n\nDestinataire : {GONE}\n550 5.1.1 inconnu\n\n> {RETURNED}",
            "Content-Type: text/plain; charset=utf-8",
        ),
        status="5.1.1",
    ),
    Bounce(
        "null path and bounce subject, person's sender",
        plain(
            "Mail <mail@isp.test>",
            "Undeliverable mail",
            f"Unable to deliver to\n{GONE}\n450 4.2.1 will come back when there is space\n",
        ),
        ((GONE, False),),
        "4.2.1",
        message_id=None,
    ),
    Bounce(
        "spam filter without a failure's words",
        plain(
            "MAILER-DAEMON@filter.test",
            "Considered advertising",
            f"Our filter took your mail to {GONE} for advertising: 554 5.7.0\n",
        ),
        status="5.7.0",
        message_id=None,
    ),
    Bounce(
        "delay, decorated subject",
        plain(
            DAEMON,
            "** Message delayed (still trying) **",
            f"We have not yet been able to deliver your mail to {GONE}: 4.4.1\n",
        ),
        ((GONE, False),),
        "4.4.1",
        "delayed",
        None,
    ),
    Bounce(
        "reason on a line of its own",
        plain(
            "Postmaster <postmaster@gate.test>",
            "Undeliverable mail",
            f"Your mail was not able to be delivered:\n\n * {GONE}\n\nReason: nobody of that name\n",
        ),
        message_id=None,
    ),
    Bounce(
        "reply code with a colon",
        plain(
            "mailer-daemon@web.test",
            "Failure Notice",
            f"Sorry, we were unable to deliver your message.\n\n<{GONE}>:\n554: no mailbox here\n\n--- Below this line is a copy of the message.\n\n{RETURNED}",
        ),
    ),
]

BOUNCES = STRUCTURED + UNSTRUCTURED
