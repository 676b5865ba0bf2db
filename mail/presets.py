"""Presets: the mail servers of well-known providers, as their help pages name them.

Written down from what was known of those pages in 2025, and not tried against the servers: a
provider may change them at any time, and the test of a connection says so. `plus_addressing` is
whether mail to name+anything@ arrives without a setting.
"""

from collections.abc import Iterator
from typing import Literal

from cases.model import Model

TlsKind = Literal["implicit", "starttls", "plain"]

APP_PASSWORD = "Turn on two-step verification, and make an app password for mail."  # noqa: S105 -- advice
TURN_ON = "Turn on access by IMAP in the provider's mail settings first."
PLAIN_PASSWORD = "The mailbox's own password."  # noqa: S105 -- advice


class Preset(Model):
    """A provider's servers, and how its logins work.

    `domains` are those of its free addresses; a domain of one's own needs the preset's name.
    Without `imap_host` it only sends. A part in capitals, as REGION, is to be filled in.
    """

    name: str
    title: str
    domains: tuple[str, ...] = ()
    imap_host: str | None
    imap_port: int = 993
    imap_tls: TlsKind = "implicit"
    smtp_host: str
    smtp_port: int = 465
    smtp_tls: TlsKind = "implicit"
    plus_addressing: bool = False
    # None where the provider files sent mails by itself: a copy of ours would be the second.
    sent_folder: str | None = "Sent"
    username: Literal["address", "own"] = "address"
    supported: bool = True
    login: str = PLAIN_PASSWORD


PRESETS: tuple[Preset, ...] = (
    Preset(
        name="gmail",
        title="Gmail and Google Workspace",
        domains=("gmail.com", "googlemail.com"),
        imap_host="imap.gmail.com",
        smtp_host="smtp.gmail.com",
        plus_addressing=True,
        sent_folder=None,
        login=f"{APP_PASSWORD} OAuth is not supported yet; the usual password is refused.",
    ),
    Preset(
        name="microsoft365",
        title="Microsoft 365 and Outlook.com",
        domains=("outlook.com", "hotmail.com", "live.com", "msn.com"),
        imap_host="outlook.office365.com",
        smtp_host="smtp.office365.com",
        smtp_port=587,
        smtp_tls="starttls",
        plus_addressing=True,
        sent_folder=None,
        supported=False,
        login="By OAuth only, which is not supported yet: forward the mail to another mailbox.",
    ),
    Preset(
        name="yahoo",
        title="Yahoo Mail",
        domains=("yahoo.com", "yahoo.de", "yahoo.co.uk", "yahoo.fr", "ymail.com", "rocketmail.com"),
        imap_host="imap.mail.yahoo.com",
        smtp_host="smtp.mail.yahoo.com",
        login=APP_PASSWORD,
    ),
    Preset(
        name="icloud",
        title="iCloud Mail",
        domains=("icloud.com", "me.com", "mac.com"),
        imap_host="imap.mail.me.com",
        smtp_host="smtp.mail.me.com",
        smtp_port=587,
        smtp_tls="starttls",
        plus_addressing=True,
        sent_folder="Sent Messages",
        login=APP_PASSWORD,
    ),
    Preset(
        name="fastmail",
        title="Fastmail",
        domains=("fastmail.com", "fastmail.fm"),
        imap_host="imap.fastmail.com",
        smtp_host="smtp.fastmail.com",
        plus_addressing=True,
        login="Make an app password with access to IMAP and SMTP.",
    ),
    Preset(
        name="zoho",
        title="Zoho Mail",
        domains=("zoho.com", "zohomail.com"),
        imap_host="imap.zoho.com",
        smtp_host="smtp.zoho.com",
        sent_folder=None,
        login=f"{TURN_ON} With two-factor login, an app password. In the EU: imap.zoho.eu.",
    ),
    Preset(
        name="gmx",
        title="GMX (Germany)",
        domains=("gmx.de", "gmx.net", "gmx.at", "gmx.ch"),
        imap_host="imap.gmx.net",
        smtp_host="mail.gmx.net",
        sent_folder="Gesendet",
        login=f"{TURN_ON} With two-factor login, an app password.",
    ),
    Preset(
        name="gmx-com",
        title="GMX (international)",
        domains=("gmx.com", "gmx.us"),
        imap_host="imap.gmx.com",
        smtp_host="mail.gmx.com",
        smtp_port=587,
        smtp_tls="starttls",
        login=f"{TURN_ON} With two-factor login, an app password.",
    ),
    Preset(
        name="web-de",
        title="WEB.DE",
        domains=("web.de",),
        imap_host="imap.web.de",
        smtp_host="smtp.web.de",
        smtp_port=587,
        smtp_tls="starttls",
        sent_folder="Gesendet",
        login=f"{TURN_ON} With two-factor login, an app password.",
    ),
    Preset(
        name="ionos",
        title="IONOS (Germany)",
        imap_host="imap.ionos.de",
        smtp_host="smtp.ionos.de",
        sent_folder="Gesendete Objekte",
    ),
    Preset(
        name="strato",
        title="STRATO",
        imap_host="imap.strato.de",
        smtp_host="smtp.strato.de",
        sent_folder="Sent Items",
    ),
    Preset(
        name="mailbox-org",
        title="mailbox.org",
        domains=("mailbox.org",),
        imap_host="imap.mailbox.org",
        smtp_host="smtp.mailbox.org",
        plus_addressing=True,
    ),
    Preset(
        name="posteo",
        title="Posteo",
        domains=("posteo.de", "posteo.net", "posteo.eu"),
        imap_host="posteo.de",
        smtp_host="posteo.de",
        plus_addressing=True,
    ),
    Preset(
        name="proton-bridge",
        title="Proton Mail Bridge on this machine",
        domains=("proton.me", "protonmail.com", "pm.me"),
        imap_host="127.0.0.1",
        imap_port=1143,
        imap_tls="plain",
        smtp_host="127.0.0.1",
        smtp_port=1025,
        smtp_tls="plain",
        plus_addressing=True,
        sent_folder=None,
        login="Run Proton Mail Bridge beside Everpost; the password is the one that Bridge shows."
        " Bridge's certificate is its own: use plain, which never leaves this machine.",
    ),
    Preset(
        name="workmail",
        title="Amazon WorkMail",
        imap_host="imap.mail.REGION.awsapps.com",
        smtp_host="smtp.mail.REGION.awsapps.com",
        sent_folder="Sent Items",
        login="The WorkMail password. REGION is the organization's, as us-east-1.",
    ),
    Preset(
        name="ses",
        title="Amazon SES (sending only)",
        imap_host=None,
        smtp_host="email-smtp.REGION.amazonaws.com",
        sent_folder=None,
        username="own",
        login="SMTP credentials made in the SES console; the sender has to be verified there."
        " REGION is where they were made, as eu-central-1.",
    ),
    Preset(
        name="ovh",
        title="OVHcloud MX Plan",
        imap_host="ssl0.ovh.net",
        smtp_host="ssl0.ovh.net",
        sent_folder="Sent",
    ),
    Preset(
        name="infomaniak",
        title="Infomaniak",
        domains=("ik.me", "ikmail.com", "etik.com"),
        imap_host="mail.infomaniak.com",
        smtp_host="mail.infomaniak.com",
        login="A device password, made in the mailbox's settings.",
    ),
    Preset(
        name="yandex",
        title="Yandex Mail",
        domains=("yandex.com", "yandex.ru", "ya.ru"),
        imap_host="imap.yandex.com",
        smtp_host="smtp.yandex.com",
        plus_addressing=True,
        login=f"{TURN_ON} Make an app password for mail.",
    ),
    Preset(
        name="gandi",
        title="Gandi",
        imap_host="mail.gandi.net",
        smtp_host="mail.gandi.net",
    ),
    Preset(
        name="aol",
        title="AOL Mail",
        domains=("aol.com", "aim.com"),
        imap_host="imap.aol.com",
        smtp_host="smtp.aol.com",
        login=APP_PASSWORD,
    ),
    Preset(
        name="t-online",
        title="Telekom T-Online",
        domains=("t-online.de", "magenta.de"),
        imap_host="secureimap.t-online.de",
        smtp_host="securesmtp.t-online.de",
        login="The password for e-mail programs, made in the customer centre.",
    ),
)


def preset_named(name: str) -> Preset | None:
    """Return the preset of this name, or None."""
    return next((preset for preset in PRESETS if preset.name == name.strip().lower()), None)


def preset_for(address: str) -> Preset | None:
    """Return the preset whose provider gives out addresses of this domain, or None.

    A domain of one's own tells nothing: who hosts it is not asked of DNS.
    """
    return _BY_DOMAIN.get(address.rpartition("@")[2].strip().rstrip(".").lower())


def _domains() -> Iterator[tuple[str, Preset]]:
    for preset in PRESETS:
        for domain in preset.domains:
            yield domain, preset


_BY_DOMAIN = dict(_domains())
