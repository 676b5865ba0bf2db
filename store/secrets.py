"""Keys: what is encrypted at rest, and every key that is derived from the master key."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DERIVED_KEY_SIZE_BYTES = 32


class SecretUnreadable(Exception):
    """A stored secret was encrypted with a key that this instance does not have."""

    def __init__(self) -> None:
        """Say what to do; the secret itself stays out of the text."""
        super().__init__(
            "a stored secret cannot be read with this instance's key: start it with the key"
            " that encrypted it, or enter the secret again"
        )


class SecretBox:
    """Encrypts with the newest master key, reads what any of them encrypted."""

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        """Take the master keys, newest first; older ones only read."""
        if not master_keys:
            raise ValueError("a secret box needs at least one master key")
        self._master_keys = tuple(master_keys)
        self._fernet = MultiFernet(
            [Fernet(urlsafe_b64encode(key)) for key in self.derive_each("at-rest")]
        )

    def __repr__(self) -> str:
        """Show that it is a box, and nothing of its keys."""
        return "SecretBox()"

    def encrypt(self, text: str) -> str:
        """Return the text encrypted and authenticated, as ASCII."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Return the text that `encrypt` was given; raises SecretUnreadable."""
        try:
            return self._fernet.decrypt(encrypted.encode()).decode()
        except InvalidToken:
            raise SecretUnreadable from None

    def derive(self, purpose: str) -> bytes:
        """Return the newest 32-byte key for a purpose (HKDF-SHA256, RFC 5869)."""
        return self.derive_each(purpose)[0]

    def derive_each(self, purpose: str) -> tuple[bytes, ...]:
        """Return the key for a purpose of each master key, newest first."""
        return tuple(_derived(key, purpose) for key in self._master_keys)

    def keyed_hash(self, text: str) -> str:
        """Return a hash by which equal texts are found, and which nobody without the key makes.

        64 hexadecimal characters, by HMAC-SHA256.
        """
        return hmac.digest(self.derive("search"), text.encode(), "sha256").hex()


def _derived(master_key: bytes, purpose: str) -> bytes:
    # The info parameter separates the purposes (RFC 5869, 3.2); no salt, as the key is random.
    hkdf = HKDF(
        algorithm=SHA256(),
        length=DERIVED_KEY_SIZE_BYTES,
        salt=None,
        info=b"everpost/" + purpose.encode(),
    )
    return hkdf.derive(master_key)
