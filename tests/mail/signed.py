"""Mails signed with keys made for the tests, and the TXT records that hold the keys."""

import base64
from dataclasses import dataclass

import dkim  # type: ignore[import-untyped]  # the library has no types
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

NAME = "s1._domainkey.customer.test"


@dataclass(frozen=True)
class Key:
    """A private key as dkimpy takes it, and the record of its public key."""

    algorithm: bytes
    private: bytes
    record: str


def rsa_key(bits: int = 2048) -> Key:
    """Return a new RSA key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Key(b"rsa-sha256", private, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}")


def ed25519_key() -> Key:
    """Return a new Ed25519 key (RFC 8463)."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    return Key(
        b"ed25519-sha256",
        base64.b64encode(key.private_bytes_raw()),
        f"v=DKIM1; k=ed25519; p={public}",
    )


def signed(
    raw: bytes, key: Key, *, domain: str = "customer.test", selector: str = "s1", **options: object
) -> bytes:
    """Return a mail with a DKIM-Signature on top."""
    signature = dkim.DKIM(raw).sign(
        selector.encode(),
        domain.encode(),
        key.private,
        signature_algorithm=options.pop("algorithm", key.algorithm),
        canonicalize=(b"relaxed", b"relaxed"),
        **options,
    )
    return bytes(signature) + raw


# Of 512 bits, which no library makes any more; made for these tests and used nowhere else.
SHORT_KEY = Key(
    b"rsa-sha256",
    b"""\
-----BEGIN RSA PRIVATE KEY-----
MIIBOwIBAAJBAKTqkyXWJ8qw/PF39AcyYgW5kpb4q/sGFR4NEKNlOQ/F4TEG1Q4k
UtRgPwy8c6SqKXugQoHaWLtpGUj+gtXpblsCAwEAAQJAZOjX8w3wOTlE/Oe+HO06
R3B+fvxYF3hoUYQDC0fzu28I4NL/m/m1ewwKaBM3p7ngCEt4WYYUWd4P6yW9owML
OQIhAM3tObPfs+VpMwJbhjLw2qqvcvgQ9wXSi1UxsnusWZzPAiEAzQR8m2G+kC4x
zhc8MQR+Nf0CqVgB29geZDDmBXWdcLUCIQDIcMM8yV9Cyy4ielHa3cQKZfKjcWfw
m+qRh2kypiUn0wIgAdVKb/E9zPg8xcT7aszJfB4ZCf6ZdafHDcpKJD5a/AkCIQDK
NuW2klzb9/K1En+0fnNlD0TINsPcTdSx/5/0Nm8ewA==
-----END RSA PRIVATE KEY-----
""",
    "v=DKIM1; k=rsa; p="
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKTqkyXWJ8qw/PF39AcyYgW5kpb4q/sGFR4NEKNlOQ/F4TEG1Q4k"
    "UtRgPwy8c6SqKXugQoHaWLtpGUj+gtXpblsCAwEAAQ==",
)
