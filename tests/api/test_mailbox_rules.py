"""A mailbox's rules and the settings beside them: what is taken, shown, refused, and tried."""

from typing import Any

import pytest

from tests.api.conftest import Api, assert_problem
from tests.api.test_mailboxes import NEW, SECRET, URL

RULES: list[dict[str, Any]] = [  # Any: JSON
    {"name": "robots", "priority": 10, "when": {"kind": ["bulk", "list"]}, "then": "ignore"},
    {"name": "strangers", "when": {"not": {"from": [".example.com"]}}, "then": "quarantine"},
    {"name": "bills", "priority": 50, "when": {"subject": "invoice"}, "then": "question"},
]
RAW = "From: ann@mail.example.com\r\nTo: support@example.com\r\nSubject: Invoice 7\r\n\r\nhello\r\n"


async def attached(api: Api, **settings: Any) -> dict[str, Any]:  # Any: JSON
    answer = await api.ask("POST", URL, NEW | settings)
    assert answer.status_code == 201, answer.text
    mailbox: dict[str, Any] = answer.json()
    return mailbox


async def test_a_new_mailbox_filters_nothing_and_leaves_mails_where_they_are(
    api: Api, question: str
) -> None:
    mailbox = await attached(api)
    assert (mailbox["rules"], mailbox["alerts_to"]) == ([], [])
    assert (mailbox["copies"], mailbox["after_handling"]) == ("each", "leave")
    assert mailbox["health"]["status"] == "ok"
    assert (mailbox["health"]["gaps"], mailbox["health"]["read_until"]) == (0, None)


async def test_rules_and_the_settings_beside_them_are_kept_and_changed_one_by_one(
    api: Api, question: str
) -> None:
    given = {
        "imap_tls": "starttls",
        "imap_port": 143,
        "copies": "first",
        "subject_token": True,
        "after_handling": "move",
        "after_folder": "Done",
        "sends_per_minute": 30,
        "intake_per_minute": 600,
        "authserv_id": "mx.example.com",
        "alerts_to": ["admin@example.com"],
    }
    mailbox = await attached(api, rules=RULES, **given)
    assert {name: mailbox[name] for name in given} == given
    assert [rule["name"] for rule in mailbox["rules"]] == ["robots", "strangers", "bills"]
    place = f"{URL}/{mailbox['id']}"
    change = {"after_handling": "flag", "sends_per_minute": None}
    assert (await api.ask("PATCH", place, change)).json() == mailbox | change
    changed = (await api.ask("PATCH", place, {"rules": RULES[:1]})).json()
    assert changed["rules"] == mailbox["rules"][:1]
    assert changed["after_handling"] == "flag"


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"after_handling": "move"}, "after_folder"),
        ({"after_handling": "move", "after_folder": "inbox"}, "after_folder"),
        ({"rules": [RULES[0], RULES[2] | {"then": "nothing"}]}, "rules[1].then"),
    ],
)
async def test_settings_that_do_not_go_together_are_refused(
    api: Api, question: str, wrong: dict[str, object], place: str
) -> None:
    answer = await api.ask("POST", URL, NEW | wrong)
    assert_problem(answer, 422, "mailbox-invalid")
    assert [problem["place"] for problem in answer.json()["problems"]] == [place]


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"when": {"subject": {"matches": "("}}}, "body.rules.0.when.subject.matches.0"),
        ({"when": {"from": ["@x"]}}, "body.rules.0.when.from.0"),
        ({"when": {}}, "body.rules.0.when"),
        ({"priority": -1}, "body.rules.0.priority"),
        ({"then": ""}, "body.rules.0.then"),
    ],
)
async def test_a_mistake_in_a_rule_is_named_with_its_place(
    api: Api, question: str, rule: dict[str, object], place: str
) -> None:
    answer = await api.ask("POST", URL, NEW | {"rules": [RULES[0] | rule]})
    assert_problem(answer, 422, "request-invalid")
    assert [problem["place"] for problem in answer.json()["problems"]] == [place]


async def test_trying_rules_on_a_mail_says_which_decides_and_why(api: Api, question: str) -> None:
    mailbox = await attached(api, rules=RULES)
    place = f"{URL}/{mailbox['id']}/rules/test"
    said = (await api.ask("POST", place, {"raw": RAW})).json()
    assert (said["rule"], said["then"], said["unreadable"]) == ("bills", "question", None)
    assert [(rule["name"], rule["matches"]) for rule in said["tried"]] == [
        ("robots", False),
        ("bills", True),
    ]
    assert said["tried"][1]["comparisons"] == [
        {"place": "when.subject", "holds": True, "found": "Invoice 7"}
    ]
    other = [{"name": "all", "when": {"not": {"kind": "bulk"}}, "then": "ignore"}]
    said = (await api.ask("POST", place, {"raw": RAW, "rules": other})).json()
    assert said["then"] == "ignore"
    assert (await api.ask("GET", f"{URL}/{mailbox['id']}")).json()["rules"] == mailbox["rules"]


async def test_a_mail_to_try_is_either_given_or_in_the_ledger(api: Api, question: str) -> None:
    place = f"{URL}/{(await attached(api))['id']}/rules/test"
    assert_problem(await api.ask("POST", place, {}), 422, "request-invalid")
    assert_problem(await api.ask("POST", place, {"row": 1, "raw": "x"}), 422, "request-invalid")
    assert_problem(await api.ask("POST", place, {"row": 77}), 404, "row-not-found")
    assert_problem(
        await api.ask("POST", f"{URL}/none/rules/test", {"raw": RAW}), 404, "mailbox-not-found"
    )


async def test_presets_are_listed_and_found_by_address(api: Api) -> None:
    items = (await api.ask("GET", f"{URL}/presets")).json()["items"]
    assert {"gmail", "microsoft365", "fastmail", "ses"} <= {item["name"] for item in items}
    [gmail] = (await api.ask("GET", f"{URL}/presets?address=Ann@Gmail.com")).json()["items"]
    assert (gmail["imap_host"], gmail["imap_port"]) == ("imap.gmail.com", 993)
    assert (await api.ask("GET", f"{URL}/presets?address=a@b.test")).json() == {"items": []}


async def test_a_failed_connection_test_names_the_step_and_no_secret(
    api: Api, question: str
) -> None:
    nowhere = {"imap_host": "imap.everpost.invalid", "smtp_host": "smtp.everpost.invalid"}
    answers = [await api.ask("POST", f"{URL}/test", NEW | nowhere)]
    mailbox = await attached(api, **nowhere)
    answers.append(await api.ask("POST", f"{URL}/{mailbox['id']}/test"))
    for answer in answers:
        report = answer.json()
        assert not report["ok"]
        assert [(step["protocol"], step["step"]) for step in report["steps"]] == [
            ("imap", "dns"),
            ("smtp", "dns"),
        ]
        assert SECRET not in answer.text
    assert len((await api.ask("GET", URL)).json()["items"]) == 1
    assert_problem(await api.ask("POST", f"{URL}/none/test"), 404, "mailbox-not-found")
