"""What mail servers say when they have queued a mail, and under which id."""

import pytest

from ledgers.outbox.receipts import Receipt, receipt

MAIL_SERVER = "mail.example.test"


@pytest.mark.parametrize(
    ("answer", "queue_id"),
    [
        ("250 2.0.0 Ok: queued as 4F2Xk95rYzz1q", "4F2Xk95rYzz1q"),
        ("250 2.0.0 OK: queued as 9C3A41234.", "9C3A41234"),
        ("250 OK id=1q2w3E-0004rT-5y", "1q2w3E-0004rT-5y"),
        (
            "250 2.6.0 <a@b.test> [InternalId=1234567890, Hostname=X.PROD.OUTLOOK.COM] "
            "12345 bytes in 0.123, 90 KB/sec Queued mail for delivery",
            "1234567890",
        ),
        ("250 2.0.0 3AB1CdEf012345 Message accepted for delivery", "3AB1CdEf012345"),
        ("250 2.0.0 OK  1700000000 a1-20020a05600c0000.12 - gsmtp", "a1-20020a05600c0000.12"),
        (
            "250 Ok 0102018f0a1b2c3d-11111111-2222-3333-4444-555555555555-000000",
            "0102018f0a1b2c3d-11111111-2222-3333-4444-555555555555-000000",
        ),
        ("250 OK", None),
        ("250 2.0.0 accepted", None),
        ("250 queued as " + "x" * 5000, "x" * 255),
    ],
)
def test_the_common_servers_queue_ids_are_found(answer: str, queue_id: str | None) -> None:
    assert receipt(MAIL_SERVER, answer) == Receipt(queue_id)


@pytest.mark.parametrize(
    ("host", "replaces"),
    [
        ("email-smtp.eu-west-1.amazonaws.com", True),
        ("relay.amazonses.com", True),
        ("amazonses.com", True),
        ("amazonses.com.example.test", False),
        (MAIL_SERVER, False),
    ],
)
def test_a_provider_that_replaces_message_ids_tells_its_own(host: str, replaces: bool) -> None:
    found = receipt(host, "250 Ok 0102018f0a1b2c3d-000000")
    assert found.provider_id == ("0102018f0a1b2c3d-000000" if replaces else None)
