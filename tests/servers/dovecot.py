"""A real Dovecot on free ports in a folder of its own, for tests, benchmarks and the kill test.

Runs as root or as anybody. Ends with the process that started it, however that one ends.
"""

from __future__ import annotations

import grp
import imaplib
import itertools
import os
import pwd
import secrets
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.certificate import write_certificate
from tests.servers.ports import free_port

HOST = "127.0.0.1"
PASSWORD = "demo"
_MISSING = "Dovecot is missing: install it with `apt-get install dovecot-imapd`"
_START_SECONDS = 10.0

_CONFIG = """
protocols = imap
base_dir = {base}
state_dir = {base}
log_path = {home}/dovecot.log
listen = {host}
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
default_internal_user = {internal_user}
default_internal_group = {internal_group}
default_login_user = {login_user}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:~/Maildir
auth_failure_delay = 0
mail_max_userip_connections = 0
mailbox_list_index = no
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/users/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service imap {{
  process_min_avail = 2
  service_count = 100
}}
# No seconds of penalty for the login after a wrong one.
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


def dovecot_binary() -> str:
    """Return where Dovecot is; FileNotFoundError that says what to install where it is not."""
    found = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None or not Path("/usr/lib/dovecot/imap").exists():
        raise FileNotFoundError(_MISSING)
    return found


def _mail_owner() -> pwd.struct_passwd:
    """Return who owns the mail: Dovecot refuses to read mail as root."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def _check_open_to_others(home: Path) -> None:
    closed = [path for path in (home, *home.parents) if not path.stat().st_mode & 0o001]
    if os.getuid() == 0 and closed:
        raise PermissionError(f"Dovecot reads mail as nobody: run `chmod o+x {closed[-1]}`")


def _give(path: Path) -> None:
    """Make a file or folder the mail owner's."""
    os.chown(path, _mail_owner().pw_uid, _mail_owner().pw_gid)


@dataclass(slots=True)
class Dovecot:
    """One server over `home`. Any user name logs in with the password `demo`.

    Started by root, it reads the mail as nobody: every folder above `home` must let others in.
    """

    home: Path
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _base: Path | None = None
    _names: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def ca_file(self) -> Path:
        """The self-signed certificate for 127.0.0.1 and localhost, to be trusted by clients."""
        return self.home / "cert.pem"

    @property
    def _config_file(self) -> Path:
        return self.home / "dovecot.conf"

    def start(self) -> None:
        """Start, and return when it answers."""
        binary = dovecot_binary()
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o755)
        _check_open_to_others(self.home.resolve())
        users = self.home / "users"
        users.mkdir(exist_ok=True)
        _give(users)
        if not self.ca_file.exists():
            write_certificate(self.ca_file, self.home / "key.pem")
        # Sockets want short paths: at most 107 letters.
        self._base = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))
        self._base.chmod(0o755)
        self._config_file.write_text(self._config())
        self._process = subprocess.Popen(  # noqa: S603  # our own arguments
            ["/usr/bin/setpriv", "--pdeathsig", "TERM", binary, "-F", "-c", self._config_file],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._wait_until_ready()

    def _config(self) -> str:
        user = pwd.getpwuid(os.getuid()).pw_name
        group = grp.getgrgid(os.getgid()).gr_name
        as_root = os.getuid() == 0
        return _CONFIG.format(
            base=self._base,
            home=self.home,
            host=HOST,
            cert=self.ca_file,
            key=self.home / "key.pem",
            internal_user="dovecot" if as_root else user,
            internal_group="dovecot" if as_root else group,
            login_user="dovenull" if as_root else user,
            password=PASSWORD,
            uid=_mail_owner().pw_uid,
            gid=_mail_owner().pw_gid,
            port=self.port,
            tls_port=self.tls_port,
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"Dovecot ended at once: {self._complaints()}")
            try:
                with imaplib.IMAP4(HOST, self.port, timeout=2):
                    return
            except (OSError, imaplib.IMAP4.error):
                time.sleep(0.02)
        raise RuntimeError(f"Dovecot does not answer: {self._complaints()}")

    def _complaints(self) -> str:
        log = self.home / "dovecot.log"
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        if self._process is not None and self._process.poll() is not None:
            assert self._process.stderr is not None
            said += self._process.stderr.read().decode(errors="replace")
        return said

    def stop(self) -> None:
        """End it cleanly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would: every process at once."""
        self._end(signal.SIGKILL)

    def _end(self, with_signal: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        os.killpg(process.pid, with_signal)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stderr is not None:
            process.stderr.close()
        if self._base is not None:
            shutil.rmtree(self._base, ignore_errors=True)

    def restart(self) -> None:
        """End it cleanly and start it again on the same ports and mail."""
        self.stop()
        self.start()

    def _maildir(self, user: str, folder: str = "INBOX") -> Path:
        root = self.home / "users" / user / "Maildir"
        return root if folder == "INBOX" else root / f".{folder.replace('/', '.')}"

    def deliver(self, user: str, raw: bytes) -> None:
        """Put one mail into a user's INBOX, the way a delivery agent does: whole or not at all."""
        self.deliver_many(user, [raw])

    def deliver_many(self, user: str, mails: Iterable[bytes]) -> None:
        """Put mails into a user's INBOX, in this order."""
        maildir = self._maildir(user)
        if not (maildir / "cur").exists():
            for folder in (
                maildir.parent,
                maildir,
                maildir / "tmp",
                maildir / "new",
                maildir / "cur",
            ):
                folder.mkdir(exist_ok=True)
                _give(folder)
        for raw in mails:
            # Dovecot numbers new files by the name's order.
            name = f"{time.time():.6f}.M{next(self._names):08d}P{os.getpid()}.test"
            (maildir / "tmp" / name).write_bytes(raw.replace(b"\r\n", b"\n"))
            (maildir / "tmp" / name).rename(maildir / "new" / name)

    def session(self, user: str) -> imaplib.IMAP4:
        """Return a logged-in stdlib client: a second opinion that shares no code with ours."""
        client = imaplib.IMAP4(HOST, self.port, timeout=10)
        client.login(user, PASSWORD)
        return client

    def tls_context(self) -> ssl.SSLContext:
        """Return what lets a client trust this server."""
        return ssl.create_default_context(cafile=self.ca_file)

    def tls_session(self, user: str) -> imaplib.IMAP4_SSL:
        """Return a logged-in stdlib client over TLS."""
        client = imaplib.IMAP4_SSL(HOST, self.tls_port, ssl_context=self.tls_context(), timeout=10)
        client.login(user, PASSWORD)
        return client

    def uids(self, user: str, folder: str = "INBOX") -> tuple[int, ...]:
        """Return the UIDs in a folder, ascending."""
        with self.session(user) as client:
            client.select(folder, readonly=True)
            _, found = client.uid("SEARCH", "ALL")
        return tuple(sorted(map(int, (found[0] or b"").split())))

    def mails(self, user: str, folder: str = "INBOX") -> dict[int, bytes]:
        """Return all mails of a folder by UID."""
        with self.session(user) as client:
            client.select(folder, readonly=True)
            _, found = client.uid("FETCH", "1:*", "(UID BODY.PEEK[])")
        return {
            int(head.split(b"UID ")[1].split()[0]): body
            for head, body in (item for item in found if isinstance(item, tuple))
        }

    def uidvalidity(self, user: str, folder: str = "INBOX") -> int:
        """Return a folder's UIDVALIDITY."""
        with self.session(user) as client:
            _, answer = client.status(folder, "(UIDVALIDITY)")
        return int((answer[0] or b"").rstrip(b")").split()[-1])

    def change_uidvalidity(self, user: str, folder: str = "INBOX") -> int:
        """Make every UID of a folder meaningless, as a restored backup does; return the new value.

        The mails stay and are numbered from 1 again. Open sessions of the user end.
        """
        old = self.uidvalidity(user, folder)
        self.kick(user)
        maildir = self._maildir(user, folder)
        for index in maildir.glob("dovecot*"):
            index.unlink()
        for mail in (maildir / "cur").iterdir():
            mail.rename(maildir / "new" / mail.name.split(":")[0])
        # "V" is UIDVALIDITY; the mails are numbered when the folder is next opened.
        uid_list = maildir / "dovecot-uidlist"
        uid_list.write_text(f"3 V{old + 1} N1 G{secrets.token_hex(16)}\n")
        _give(uid_list)
        return self.uidvalidity(user, folder)

    def kick(self, user: str) -> None:
        """End every connection of a user, as an administrator would."""
        self.doveadm("kick", user, may_fail=True)

    def doveadm(self, *args: str, may_fail: bool = False) -> str:
        """Run Dovecot's own administration tool against this server; return what it prints."""
        command: Sequence[str] = ["doveadm", "-c", str(self._config_file), *args]
        done = subprocess.run(  # noqa: S603  # our own arguments
            command, capture_output=True, text=True, check=False, timeout=20
        )
        if done.returncode and not may_fail:
            raise RuntimeError(f"doveadm {args[0]}: {done.stderr}")
        return done.stdout
