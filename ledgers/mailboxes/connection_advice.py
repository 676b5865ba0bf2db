"""What to do about a mail server that can't be used, in words for who sets a mailbox up."""

import ssl
from collections.abc import Sequence
from typing import Final

_SHOWN_FOLDERS = 20
# X509_V_ERR_… of OpenSSL, as `SSLCertVerificationError.verify_code` has them.
_EXPIRED: Final = 10
_SELF_SIGNED: Final = (18, 19)
_UNKNOWN_ISSUER: Final = (20, 21)
_OTHER_NAME: Final = (62, 63, 64)

_PORTS: Final = {
    "IMAP": "993 for implicit TLS, 143 for starttls",
    "SMTP": "465 for implicit TLS, 587 for starttls",
}
NO_DNS: Final = "Look at this machine's DNS: its name server does not answer."
TRY_LATER: Final = "Try again in a few minutes; the server may be busy."


def no_host(host: str) -> str:
    """Return what to do about a name that DNS does not know."""
    return f"Compare {host} with what your provider says, letter by letter, or use a preset."


def no_answer(port: int) -> str:
    """Return what to do about a port that is silent."""
    return (
        f"Look whether a firewall keeps this machine from port {port}, and whether the port is the"
        " provider's. Many hosting providers close 25, 465 and 587 until they are asked."
    )


def refused_port(port: int) -> str:
    """Return what to do about a closed port."""
    ports = "; ".join(f"{protocol}: {which}" for protocol, which in _PORTS.items())
    return f"Nothing listens on port {port} there. Correct the port ({ports}) or the host."


def no_greeting(protocol: str, port: int, tls: str) -> str:
    """Return what to do where something else than the mail server answers, or nothing."""
    other = "implicit" if tls == "starttls" else "starttls"
    return (
        f"Look whether port {port} is the {protocol} server's ({_PORTS[protocol]}), and whether"
        f" {other} is what it wants."
    )


def for_tls(error: ssl.SSLError | None, protocol: str, host: str, port: int, tls: str) -> str:
    """Return what to do where TLS fails."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _for_certificate(error.verify_code, host)
    if error is not None and tls == "implicit":
        return f"Port {port} seems to want starttls: set that, or the port ({_PORTS[protocol]})."
    if tls == "starttls":
        return (
            f"The server offers no STARTTLS on port {port}, or somebody on the way took it out."
            f" Set implicit with its port ({_PORTS[protocol]})."
        )
    return "Set tls to implicit or starttls: plain is for servers on this machine only."


def _for_certificate(code: int, host: str) -> str:
    if code in _OTHER_NAME:
        return (
            f"The certificate is for another name than {host}: use the name that the provider"
            " gives for the server, not an alias of your own or an address."
        )
    if code == _EXPIRED:
        return "The certificate has expired: its server's administrator has to renew it."
    if code in _SELF_SIGNED or code in _UNKNOWN_ISSUER:
        return (
            "The certificate is not from an authority that this machine trusts. Give the server a"
            " public one, or add its authority to this machine's trusted certificates."
        )
    return "Ask the server's administrator about its certificate."


def for_login(host: str, answer: str) -> str:
    """Return what to do where the login is refused."""
    name, said = host.lower(), answer.lower()
    if name.endswith((".office365.com", ".outlook.com", ".hotmail.com", ".live.com")):
        return (
            "Microsoft 365 and Outlook.com take OAuth tokens only, which is not supported yet;"
            " have the mail forwarded to a mailbox that takes passwords."
        )
    if name.endswith((".gmail.com", ".googlemail.com")):
        return (
            "Google takes app passwords only: turn on 2-step verification, make an app password at"
            " https://myaccount.google.com/apppasswords, and use that."
        )
    if ("app" in said and "password" in said) or "application-specific" in said:
        return "The provider wants an app password: make one in its security settings."
    return (
        "Correct the user name (mostly the whole address) and the password. Providers with a second"
        " factor want an app password, and some let IMAP and SMTP in only once that is turned on."
    )


def no_folder(folder: str, there: Sequence[str]) -> str:
    """Return what to do about a folder that can't be opened."""
    if not there:
        return f"Make the folder {folder}, or name another one."
    return f"Make it, or name one of: {', '.join(there[:_SHOWN_FOLDERS])}."


def refused_sender(address: str) -> str:
    """Return what to do where mail from the mailbox's address is refused."""
    return (
        f"Let this login send as {address} at the provider (an alias, or a verified sender), or"
        " log in as who owns the address."
    )
