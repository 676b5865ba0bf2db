"""Presets hold together, and are found by name and by address."""

import pytest

from mail.presets import PRESETS, preset_for, preset_named

OF_IMAP = {"implicit": 993, "starttls": 143, "plain": 1143}
OF_SMTP = {"implicit": 465, "starttls": 587, "plain": 1025}


def test_each_name_and_each_domain_is_of_one_preset() -> None:
    names = [preset.name for preset in PRESETS]
    domains = [domain for preset in PRESETS for domain in preset.domains]
    assert len(names) == len(set(names))
    assert len(domains) == len(set(domains))


def test_each_port_fits_its_kind_of_tls_and_plain_stays_on_this_machine() -> None:
    for preset in PRESETS:
        if preset.imap_host is not None:
            assert preset.imap_port == OF_IMAP[preset.imap_tls], preset.name
        assert preset.smtp_port == OF_SMTP[preset.smtp_tls], preset.name
        if "plain" in (preset.imap_tls, preset.smtp_tls):
            assert (preset.imap_host, preset.smtp_host) == ("127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("Ann@GMAIL.com", "gmail"),
        ("a@web.de", "web-de"),
        ("gmx.net", "gmx"),
        ("a@example.com", None),
        ("a@gmail.com.evil.test", None),
        ("", None),
    ],
)
def test_a_preset_is_found_by_the_domain_of_an_address(address: str, name: str | None) -> None:
    found = preset_for(address)
    assert (found.name if found else None) == name


def test_a_preset_is_found_by_its_name() -> None:
    found = preset_named("Fastmail")
    assert found is not None
    assert found.title == "Fastmail"
    assert preset_named("nobody") is None
