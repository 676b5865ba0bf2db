"""`everpost mailboxes` against a small real HTTP server."""

from pathlib import Path

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


def test_each_setting_of_the_servers_can_be_given_and_replaces_the_presets(
    gmail: SmallApi,
) -> None:
    options = (
        *("--imap-host", "imap.own.test", "--imap-port", "143", "--imap-tls", "starttls"),
        *("--smtp-host", "smtp.own.test", "--smtp-port", "587", "--smtp-tls", "starttls"),
        *("--no-plus-addressing", "--sent-folder", "Sent", "--name", "Ann of Example"),
    )
    assert attach("--password-stdin", *options, typed="x\n")[0] == 0
    sent = gmail.bodies[-1]
    assert (sent["imap_host"], sent["imap_port"], sent["imap_tls"]) == (
        "imap.own.test",
        143,
        "starttls",
    )
    assert (sent["smtp_host"], sent["smtp_port"], sent["smtp_tls"]) == (
        "smtp.own.test",
        587,
        "starttls",
    )
    assert (sent["plus_addressing"], sent["sent_folder"], sent["name"]) == (
        False,
        "Sent",
        "Ann of Example",
    )


def test_an_empty_sent_folder_means_none(gmail: SmallApi) -> None:
    assert attach("--password-stdin", "--sent-folder", "", typed="x\n")[0] == 0
    assert gmail.bodies[-1]["sent_folder"] is None


def test_a_preset_without_a_server_says_which_option_names_it(gmail: SmallApi) -> None:
    preset = preset_named("gmail")
    assert preset is not None
    items = [preset.model_dump(mode="json") | {"imap_host": None}]
    gmail.answers[f"GET {PREFIX}/presets"] = (200, {"items": items})
    code, output = attach("--password-stdin", typed="x\n")
    assert (code, len(gmail.asked)) == (1, 1)
    assert "name one by --imap-host." in output


def test_what_was_not_attached_says_how_to_go_on(gmail: SmallApi) -> None:
    gmail.answers[f"POST {PREFIX}/test"] = (200, {"ok": False, "steps": [FAILS]})
    output = attach("--password-stdin", typed="x\n")[1]
    assert "Nothing was attached." in output
    assert "--untested" in output


@pytest.mark.parametrize(
    ("command", "told"),
    [("pause", "Mailbox m1 is paused.\n"), ("resume", "Mailbox m1 is watched again.\n")],
)
def test_a_mailbox_is_paused_and_resumed(logged_in: SmallApi, command: str, told: str) -> None:
    logged_in.answers[f"POST {PREFIX}/m1/{command}"] = (200, {"id": "m1"})
    assert everpost("mailboxes", command, "m1") == (0, told)


def test_a_paused_mailbox_is_not_compared_and_the_command_says_what_to_do(
    logged_in: SmallApi,
) -> None:
    problem = {"type": "/problems/mailbox-paused", "title": "The mailbox is paused"}
    logged_in.answers[f"POST {PREFIX}/m1/reconcile"] = (409, problem)
    code, output = everpost("mailboxes", "reconcile", "m1")
    assert (code, "everpost mailboxes resume" in output) == (1, True)


def test_what_comparisons_found_is_shown_with_each_gap_by_name(logged_in: SmallApi) -> None:
    gap = {"uid": 7, "received_at": None, "what": "on the server\x1b[2J", "done": "told"}
    counts = {"listed": 3, "known": 2, "missing": 1, "renumbered": False}
    items = [{"at": "newer", "gaps": [gap]} | counts, {"at": "older", "gaps": []} | counts]
    logged_in.answers[f"GET {PREFIX}/m1/reconciliations"] = (200, {"items": items})
    code, output = everpost("mailboxes", "reconciliations", "m1", "--limit", "2")
    lines = output.splitlines()
    assert logged_in.asked == [f"GET {PREFIX}/m1/reconciliations?limit=2"]
    assert (code, [line.split()[0] for line in lines]) == (0, ["newer", "mail", "older"])
    assert "listed 3, known 2, missing 1" in lines[0]
    assert lines[1] == "  mail 7: on the server; told"


RULES = [{"name": "papers", "priority": 100, "when": {"from": ["a.test"]}, "then": "ignore"}]


def test_rules_are_shown_in_the_form_in_which_they_are_given(
    logged_in: SmallApi, tmp_path: Path
) -> None:
    logged_in.answers[f"GET {PREFIX}/m1"] = (200, {"rules": RULES})
    logged_in.answers[f"PATCH {PREFIX}/m1"] = (200, {"rules": RULES})
    code, shown = everpost("mailboxes", "rules", "m1")
    assert code == 0
    (tmp_path / "rules.yaml").write_text(shown)
    assert everpost("mailboxes", "rules", "m1", "--file", "rules.yaml") == (
        0,
        "Mailbox m1 has 1 rule now.\n",
    )
    assert logged_in.bodies[-1] == {"rules": RULES}


def test_a_file_may_be_the_list_of_rules_itself(logged_in: SmallApi, tmp_path: Path) -> None:
    logged_in.answers[f"PATCH {PREFIX}/m1"] = (200, {"rules": []})
    (tmp_path / "rules.json").write_text("[]")
    assert everpost("mailboxes", "rules", "m1", "--file", "rules.json") == (
        0,
        "Mailbox m1 has 0 rules now.\n",
    )
    assert logged_in.bodies[-1] == {"rules": []}


@pytest.mark.parametrize("content", ["rules: 1\n", "name: x\n", "a: [\n", "x"])
def test_a_file_without_rules_is_refused_before_anything_is_sent(
    logged_in: SmallApi, tmp_path: Path, content: str
) -> None:
    (tmp_path / "odd.yaml").write_text(content)
    code, output = everpost("mailboxes", "rules", "m1", "--file", "odd.yaml")
    assert (code, logged_in.asked) == (1, [])
    assert output.startswith("odd.yaml ")


def test_alarms_are_listed_with_what_to_do(logged_in: SmallApi) -> None:
    alarm = {
        "mailbox_id": "m1",
        "address": "help@a.test",
        "kind": "gaps",
        "since": "-",
        "problems": ["7 mails are missing\x1b[2J", "more"],
        "what_to_do": "`everpost mailboxes reconcile {id}` looks again.",
    }
    logged_in.answers["GET /api/v1/alarms"] = (200, {"items": [alarm]})
    assert everpost("alarms") == (
        0,
        "help@a.test (m1): gaps since -: 7 mails are missing; more\n"
        "  `everpost mailboxes reconcile m1` looks again.\n",
    )
    logged_in.answers["GET /api/v1/alarms"] = (200, {"items": []})
    assert everpost("alarms") == (0, "No alarm.\n")
