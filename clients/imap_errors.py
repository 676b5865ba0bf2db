"""What can go wrong with an IMAP server, as error classes that hold what happened."""
# errors are named for what happened: ImapDisconnected, not …Error

from __future__ import annotations

from clients.imap_syntax import readable


class ImapError(Exception):
    """Something went wrong with an IMAP server; the subclass says what."""


class ImapInsecure(ImapError):
    """The account would send its password in the clear over a network."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"refusing to log in at {host} without TLS: set tls to implicit (port 993) or "
            "starttls (port 143), plain connections are for this machine only"
        )
        self.host = host


class ImapUnreachable(ImapError):
    """The server cannot be spoken to now (DNS, TCP, TLS, or it says so itself); try again later."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot reach the IMAP server {host}:{port}: {readable(reason)}")
        self.host, self.port, self.reason = host, port, readable(reason)


class ImapUntrusted(ImapUnreachable):
    """TLS with the server failed, or it offers none: nothing was sent that is secret."""


class ImapLoginCut(ImapUnreachable):
    """The server ended the connection, or fell silent, when it was given the login."""


class ImapAuthFailed(ImapError):
    """The server refuses this user name and password; a person has to correct them."""

    def __init__(self, username: str, answer: str) -> None:
        super().__init__(f"the IMAP server refuses the login of {username}: {readable(answer)}")
        self.username, self.answer = username, readable(answer)


class ImapFolderMissing(ImapError):
    """The server has no such folder, or does not let this account open it."""

    def __init__(self, folder: str, answer: str) -> None:
        super().__init__(f"the IMAP folder {folder!r} cannot be opened: {readable(answer)}")
        self.folder, self.answer = folder, readable(answer)


class ImapDisconnected(ImapError):
    """The connection ended, or the peer fell silent, while a command was under way or due."""

    def __init__(self, during: str, reason: str) -> None:
        super().__init__(f"IMAP connection lost during {during}: {readable(reason)}")
        self.during, self.reason = during, readable(reason)


class ImapProtocolError(ImapError):
    """The server sent what IMAP does not allow, or more than we take."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the IMAP server sent something unusable: {readable(reason)}")
        self.reason = readable(reason)


class ImapRefused(ImapError):
    """The server answered NO or BAD to a command on a healthy connection."""

    def __init__(self, command: str, answer: str) -> None:
        super().__init__(f"the IMAP server refuses {command}: {readable(answer)}")
        self.command, self.answer = command, readable(answer)
