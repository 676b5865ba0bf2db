"""Mailboxes: what is stored, what is shown, and who is told of it."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from contracts.clock import utc_now
from store.tables import Mailbox
from tests.api.conftest import Api, assert_problem

URL = "/api/v1/mailboxes"
SECRET = "s3cret-of-the-mailbox"
NEW = {
    "address": "support@example.com",
    "definition": "question",
    "imap_host": "imap.example.com",
    "imap_username": "support",
    "imap_password": SECRET,
    "smtp_host": "smtp.example.com",
    "smtp_username": "support",
    "smtp_password": SECRET,
}


async def attached(api: Api) -> str:
    """Attach a mailbox and return its id."""
    answer = await api.ask("POST", URL, NEW)
    assert answer.status_code == 201, answer.text
    mailbox_id: str = answer.json()["id"]
    return mailbox_id


async def test_an_attached_mailbox_has_safe_defaults_and_its_watch_is_told(
    api: Api, question: str
) -> None:
    answer = await api.ask("POST", URL, NEW)
    mailbox = answer.json()
    assert (mailbox["imap_port"], mailbox["imap_tls"]) == (993, "implicit")
    assert (mailbox["smtp_port"], mailbox["smtp_tls"]) == (465, "implicit")
    assert (mailbox["folder"], mailbox["status"], mailbox["name"]) == (
        "INBOX",
        "active",
        "support@example.com",
    )
    assert mailbox["health"]["connected"] is False
    assert api.temporal.told == [("default", mailbox["id"])]
    assert (await api.ask("GET", answer.headers["location"])).json() == mailbox
    assert (await api.ask("GET", URL)).json() == {"items": [mailbox]}


async def test_passwords_are_encrypted_and_never_shown(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    answers = [
        await api.ask("GET", URL),
        await api.ask("GET", f"{URL}/{mailbox_id}"),
        await api.ask("PATCH", f"{URL}/{mailbox_id}", {"imap_password": SECRET}),
        await api.ask("POST", f"{URL}/{mailbox_id}/pause"),
        # A refusal must not repeat it either.
        await api.ask("POST", URL, NEW | {"smtp_tls": SECRET}),
        await api.ask("POST", URL, NEW | {"imap_password": SECRET + "\n"}),
    ]
    for answer in answers[:4]:
        assert "password" not in answer.text
        assert "secret" not in answer.text
    for answer in answers:
        assert SECRET not in answer.text
    async with api.services.database.read() as connection:
        stored = (await connection.execute(select(Mailbox.imap_secret))).scalar_one()
    assert SECRET not in stored
    assert api.services.secrets.decrypt(stored) == SECRET


async def test_a_change_changes_what_it_names_and_nothing_else(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    before = (await api.ask("GET", f"{URL}/{mailbox_id}")).json()
    change = {"imap_port": 1993, "name": "Help", "sent_folder": "Sent"}
    answer = await api.ask("PATCH", f"{URL}/{mailbox_id}", change)
    assert answer.json() == before | change
    assert (await api.ask("PATCH", f"{URL}/{mailbox_id}", {})).json() == before | change


async def test_a_login_can_be_taken_away(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    answer = await api.ask("PATCH", f"{URL}/{mailbox_id}", {"smtp_username": None})
    assert (answer.status_code, answer.json()["smtp_username"]) == (200, None)
    async with api.services.database.read() as connection:
        assert (await connection.execute(select(Mailbox.smtp_secret))).scalar_one() is None


async def test_a_stored_password_does_not_follow_to_another_host(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    moved = {"imap_host": "elsewhere.example.net"}
    answer = await api.ask("PATCH", f"{URL}/{mailbox_id}", moved)
    assert_problem(answer, 422, "mailbox-invalid")
    assert answer.json()["problems"][0]["place"] == "imap_password"
    again = await api.ask("PATCH", f"{URL}/{mailbox_id}", moved | {"imap_password": "new"})
    assert again.json()["imap_host"] == "elsewhere.example.net"


@pytest.mark.parametrize("host", ["imap.example.com", "10.0.0.1", "localhost.example.com"])
async def test_plain_is_refused_for_other_machines(api: Api, question: str, host: str) -> None:
    answer = await api.ask("POST", URL, NEW | {"imap_tls": "plain", "imap_host": host})
    assert_problem(answer, 422, "mailbox-invalid")
    assert answer.json()["problems"][0]["place"] == "imap_tls"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_plain_is_taken_for_this_machine(api: Api, question: str, host: str) -> None:
    answer = await api.ask("POST", URL, NEW | {"imap_tls": "plain", "imap_host": host})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "support"},
        {"address": "a@b@c.test"},
        {"imap_host": "http://imap.example.com"},
        {"imap_host": "imap example"},
        {"imap_host": "-a.test"},
        {"imap_port": 0},
        {"imap_port": 65536},
        {"imap_username": "a\r\nLOGOUT"},
        {"imap_password": "a\r\nLOGOUT"},
        {"folder": "IN\nBOX"},
        {"name": "Support\r\nBcc: all@example.com"},
        {"replies_per_day": -1},
        {"epoch": 7},
        {"name": None, "imap_host": None},
    ],
)
async def test_a_wrong_setting_is_refused(
    api: Api, question: str, wrong: dict[str, object]
) -> None:
    answer = await api.ask("POST", URL, NEW | wrong)
    assert_problem(answer, 422, "request-invalid")
    assert answer.json()["problems"][0]["place"].split(".")[1] in wrong


async def test_a_user_name_without_a_password_is_refused(api: Api, question: str) -> None:
    answer = await api.ask("POST", URL, NEW | {"smtp_password": None})
    assert_problem(answer, 422, "mailbox-invalid")


async def test_address_and_folder_are_attached_once(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    answer = await api.ask("POST", URL, NEW)
    assert_problem(answer, 409, "mailbox-taken")
    assert f"change mailbox {mailbox_id} instead" in answer.json()["detail"]
    assert (await api.ask("POST", URL, NEW | {"folder": "Orders"})).status_code == 201


async def test_address_and_folder_are_for_ever(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    for change in ({"address": "other@example.com"}, {"folder": "Other"}):
        answer = await api.ask("PATCH", f"{URL}/{mailbox_id}", change)
        assert_problem(answer, 422, "request-invalid")


async def test_a_definition_has_to_be_there(api: Api) -> None:
    assert_problem(await api.ask("POST", URL, NEW), 404, "definition-not-found")


async def test_pause_resume_and_delete_are_told_to_the_watch(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    paused = await api.ask("POST", f"{URL}/{mailbox_id}/pause")
    resumed = await api.ask("POST", f"{URL}/{mailbox_id}/resume")
    deleted = await api.ask("DELETE", f"{URL}/{mailbox_id}")
    assert (paused.json()["status"], resumed.json()["status"]) == ("paused", "active")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert api.temporal.told == [("default", mailbox_id)] * 4
    assert_problem(await api.ask("GET", f"{URL}/{mailbox_id}"), 404, "mailbox-not-found")


async def test_a_change_is_kept_while_temporal_is_away(api: Api, question: str) -> None:
    api.temporal.answers = False
    mailbox_id = await attached(api)
    assert (await api.ask("POST", f"{URL}/{mailbox_id}/pause")).json()["status"] == "paused"


async def test_another_tenant_sees_and_touches_no_mailbox(api: Api, question: str) -> None:
    mailbox_id = await attached(api)
    assert (await api.ask("GET", URL, tenant="other")).json() == {"items": []}
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "Mine"}),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("DELETE", "", None),
    ):
        answer = await api.ask(method, f"{URL}/{mailbox_id}{path}", body, tenant="other")
        assert_problem(answer, 404, "mailbox-not-found")
    assert (await api.ask("GET", f"{URL}/{mailbox_id}")).json()["name"] == "support@example.com"


@pytest.mark.parametrize(
    "again",
    [
        {"address": "SUPPORT@example.com", "imap_username": "other"},
        {"address": "support@EXAMPLE.com", "imap_username": "other", "folder": "inbox"},
        {"address": "help@example.com"},
        {"address": "help@example.com", "imap_host": "IMAP.Example.com", "folder": "Inbox"},
    ],
)
async def test_mail_that_is_watched_already_is_not_watched_again_under_another_spelling(
    api: Api, question: str, again: dict[str, str]
) -> None:
    await attached(api)
    answer = await api.ask("POST", URL, NEW | again)
    assert_problem(answer, 409, "mailbox-taken")
    assert "support@example.com" in answer.json()["detail"].lower()


async def test_another_account_of_the_same_server_is_another_mailbox(
    api: Api, question: str
) -> None:
    await attached(api)
    other = NEW | {"address": "Help@Example.COM", "imap_username": "help"}
    answer = await api.ask("POST", URL, other)
    assert (answer.status_code, answer.json()["address"]) == (201, "Help@example.com")
    moved = {"imap_username": "support"}
    answer = await api.ask("PATCH", f"{URL}/{answer.json()['id']}", moved)
    assert_problem(answer, 409, "mailbox-taken")


async def test_a_wrong_choice_is_told_the_right_ones_as_they_are_written(
    api: Api, question: str
) -> None:
    answer = await api.ask("POST", URL, NEW | {"imap_tls": "tls"})
    assert answer.json()["problems"][0]["message"] == "must be one of implicit, starttls, plain"


async def test_what_keeps_a_mailbox_from_its_work_is_listed_with_what_to_do(
    api: Api, question: str
) -> None:
    mailbox = (await api.ask("POST", URL, NEW)).json()
    assert (await api.ask("GET", "/api/v1/alarms")).json() == {"items": []}
    async with api.services.database.write() as connection:
        await connection.execute(
            update(Mailbox).values(checked_at=utc_now() - timedelta(hours=1), connected=True)
        )
    [alarm] = (await api.ask("GET", "/api/v1/alarms")).json()["items"]
    assert (alarm["mailbox_id"], alarm["address"]) == (mailbox["id"], mailbox["address"])
    assert alarm["problems"] == ["its folder has not been listed for two poll intervals"]
    assert f"everpost mailboxes test {mailbox['id']}" in alarm["what_to_do"]
    assert (await api.ask("GET", "/api/v1/alarms", tenant="other")).json() == {"items": []}
