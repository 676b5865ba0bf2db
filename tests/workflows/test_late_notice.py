"""A case whose last mail goes out after its end."""

import asyncio

import pytest

from tests.product.mails import customer_mail
from tests.servers.smtp_sink import Fault
from tests.workflows.definitions import SUPPORT
from tests.workflows.office import ADDRESS, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_case_ends_when_its_last_mail_is_a_notice_of_one_that_failed(desk: Office) -> None:
    received = {
        "enter": ["classify", {"reply": {"template": "acknowledged"}}],
        "on": [{"event": "classified", "to": "closed"}],
    }
    states = {"received": received, "closed": {"final": True}}
    await desk.register({**SUPPORT, "states": states})
    desk.sink.script.append(Fault.DROP_LOST)
    await desk.start_workers()
    mail = customer_mail("first@customer.test", ADDRESS, "a question", "Hello")
    case_id = await desk.receive(mail)
    assert await asyncio.wait_for(desk.workflow(case_id).result(), 20) == "closed"
    reply, notice = await desk.outbox(case_id)
    assert (reply.state, notice.state) == ("unknown", "sent")
