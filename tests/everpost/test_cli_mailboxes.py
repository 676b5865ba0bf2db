"""`everpost mailboxes` against a small real HTTP server."""

import pytest

from mail.presets import preset_named
from tests.everpost.small_api import SmallApi
from tests.everpost.test_cli import api, everpost, logged_in

__all__ = ["api", "logged_in"]  # fixtures

PREFIX = "/api/v1/mailboxes"
WORKS = {"protocol": "imap", "step": "dns", "ok": True, "detail": "known", "what_to_do": None}
FAILS = {
    "protocol": "imap",
    "step": "login",
    "ok": False,
    "detail": "the server refuses the login",
    "what_to_do": "Make an app password.",
}


@pytest.fixture
def gmail(logged_in: SmallApi) -> SmallApi:
    """Give an API that knows one provider, tests well and attaches."""
    preset = preset_named("gmail")
    assert preset is not None
    items = [preset.model_dump(mode="json")]
    logged_in.answers |= {
        f"GET {PREFIX}/presets": (200, {"items": items}),
        f"POST {PREFIX}/test": (200, {"ok": True, "steps": [WORKS]}),
        f"POST {PREFIX}": (201, {"id": "m1"}),
    }
    return logged_in


def attach(*arguments: str, typed: str | None = None) -> tuple[int, str]:
    return everpost(
        "mailboxes", "attach", "ann@gmail.com", "--definition", "d", *arguments, typed=typed
    )


def test_a_test_that_fails_says_what_to_do_and_ends_with_1(logged_in: SmallApi) -> None:
    report = {"ok": False, "steps": [WORKS, FAILS]}
    logged_in.answers[f"POST {PREFIX}/m1/test"] = (200, report)
    code, output = everpost("mailboxes", "test", "m1")
    assert code == 1
    assert "imap login: the server refuses the login\n  Make an app password.\n" in output


def test_presets_are_listed(gmail: SmallApi) -> None:
    code, output = everpost("mailboxes", "presets")
    assert code == 0
    assert "imap.gmail.com" in output
    assert gmail.asked == [f"GET {PREFIX}/presets"]


def test_the_preset_of_an_address_is_shown_with_all_that_its_login_needs(gmail: SmallApi) -> None:
    preset = preset_named("gmail")
    assert preset is not None
    code, output = everpost("mailboxes", "presets", "ann@gmail.com")
    assert code == 0
    assert preset.login in output
    assert gmail.asked == [f"GET {PREFIX}/presets?address=ann%40gmail.com"]


def test_attaching_tests_first_and_takes_the_servers_from_the_preset(gmail: SmallApi) -> None:
    code, output = attach("--password-stdin", typed="s3cret\n")
    assert (code, output.splitlines()[-1]) == (0, "Attached: ann@gmail.com, m1")
    assert [asked.partition("?")[0] for asked in gmail.asked] == [
        f"GET {PREFIX}/presets",
        f"POST {PREFIX}/test",
        f"POST {PREFIX}",
    ]
    sent = gmail.bodies[-1]
    assert gmail.bodies[-2] == sent
    assert (sent["imap_host"], sent["smtp_host"]) == ("imap.gmail.com", "smtp.gmail.com")
    assert (sent["imap_password"], sent["smtp_password"]) == ("s3cret", "s3cret")
    assert "s3cret" not in output


def test_the_password_may_come_from_the_environment(
    gmail: SmallApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILBOX_PASSWORD", "from-env")
    assert attach()[0] == 0
    assert gmail.bodies[-1]["imap_password"] == "from-env"


def test_what_fails_its_test_is_not_attached_unless_asked(gmail: SmallApi) -> None:
    gmail.answers[f"POST {PREFIX}/test"] = (200, {"ok": False, "steps": [FAILS]})
    code, output = attach("--password-stdin", typed="x\n")
    assert (code, f"POST {PREFIX}" in gmail.asked) == (1, False)
    assert "Make an app password." in output
    assert attach("--password-stdin", "--untested", typed="x\n")[0] == 0
    assert gmail.asked[-1] == f"POST {PREFIX}"


def test_a_provider_that_nobody_knows_has_to_be_named(gmail: SmallApi) -> None:
    gmail.answers[f"GET {PREFIX}/presets"] = (200, {"items": []})
    code, output = attach("--password-stdin", typed="x\n")
    assert code == 1
    assert "--preset" in output


def test_a_provider_without_password_logins_is_told_at_once(gmail: SmallApi) -> None:
    preset = preset_named("microsoft365")
    assert preset is not None
    items = [preset.model_dump(mode="json")]
    gmail.answers[f"GET {PREFIX}/presets"] = (200, {"items": items})
    code, output = attach("--password-stdin", typed="x\n")
    assert (code, len(gmail.asked)) == (1, 1)
    assert "not supported yet" in output
