"""Conversations as the corpus writes them, and what they look like to the ledgers."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from contracts.clock import utc_now
from ledgers.intake import routing
from ledgers.intake import rows as intake
from ledgers.intake.mails import Arrived
from ledgers.intake.rows import Attached
from mail.message import Authentication, Verdict
from mail.reading.parse import parse_message
from mail.threading import mint_token, plus_address, subject_tag
from store.tables import Intake
from tests.ledgers.letters import ADDRESS, letter
from tests.ledgers.sent_mails import delivery_report, sent
from tests.ledgers.world import TENANT, World

CORPUS = Path(__file__).parent / "threading_corpus.yaml"
MAILBOXES = {"support": "mailbox1", "sales": "mailbox2"}
SALES = "sales@everpost.test"


def corpus() -> list[dict[str, Any]]:
    """Return the corpus's conversations (Any: YAML)."""
    conversations: list[dict[str, Any]] = yaml.safe_load(CORPUS.read_text())
    return conversations


def interleaved(conversations: Sequence[dict[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    """Yield the first step of each conversation with its name, then the second of each, …"""
    longest = max(len(conversation["steps"]) for conversation in conversations)
    for at in range(longest):
        yield [
            (conversation["name"], conversation["steps"][at])
            for conversation in conversations
            if at < len(conversation["steps"])
        ]


@dataclass
class Stage:
    """A world in which conversations run; mails and what we send are kept by name."""

    world: World
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    raws: dict[tuple[str, str], bytes] = field(default_factory=dict)
    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    attached: dict[str, Attached] = field(default_factory=dict)
    uid: int = 0

    async def open(self) -> None:
        """Attach both mailboxes."""
        await self.world.mailbox("mailbox2", address=SALES)
        for mailbox_id in MAILBOXES.values():
            self.attached[mailbox_id] = await self.world.attach(mailbox_id)

    async def play(self, steps: Sequence[tuple[str, Any]]) -> None:
        """Do one step of each conversation; the mails of a mailbox come in one batch."""
        batches: dict[str, list[tuple[tuple[str, str], bytes, Authentication | None]]] = {}
        for name, step in steps:
            if "sends" in step:
                await self._send(name, step["sends"])
            elif "closes" in step:
                await self.world.close(await self.case_of(name, step["closes"]["case"]))
            else:
                spec = step.get("mail") or step["report"]
                build = self._mail if "mail" in step else self._report
                raw = self.raws[(name, spec["id"])] = await build(name, spec)
                mailbox = MAILBOXES[spec.get("mailbox", "support")]
                batches.setdefault(mailbox, []).append(((name, spec["id"]), raw, _checked(spec)))
        for mailbox, batch in batches.items():
            await self._take(mailbox, batch)

    async def row_of(self, name: str, mail: str) -> Any:
        """Return a mail's row in the ledger."""
        return await self.world.row(Intake, id=self.rows[(name, mail)])

    async def case_of(self, name: str, mail: str) -> str:
        """Return the case that a mail is in, or that it points at."""
        row = await self.row_of(name, mail)
        return str(row.case_id or row.suggested_case_id)

    async def _take(
        self,
        mailbox: str,
        batch: Sequence[tuple[tuple[str, str], bytes, Authentication | None]],
    ) -> None:
        attached = self.attached[mailbox]
        uids = range(self.uid + 1, self.uid + 1 + len(batch))
        self.uid += len(batch)
        claims = await intake.claim(self.world.database, attached.watcher, uids, utc_now())
        arrived = []
        for claim, (key, raw, authentication) in zip(claims, batch, strict=True):
            self.rows[key] = claim.row_id
            message = replace(parse_message(raw), authentication=authentication)
            at = utc_now() + timedelta(milliseconds=claim.uid)
            arrived.append(Arrived(claim.row_id, len(raw), at, f"blob/{claim.uid}", message))
        await routing.accept(self.world.database, attached, self.world.keys, arrived, utc_now())

    async def _send(self, name: str, spec: dict[str, Any]) -> None:
        mail = await sent(
            self.world,
            await self.case_of(name, spec["case"]),
            *spec["to"],
            subject=spec.get("subject", "Re: Hello"),
            provider=spec.get("provider"),
        )
        self.ids[(name, spec["id"])] = mail.message_id

    async def _mail(self, name: str, spec: dict[str, Any]) -> bytes:
        if "again" in spec:
            return b"Received: by another way\r\n" + self.raws[(name, spec["again"])]
        own = f"<{secrets.token_hex(8)}@mails.test>"
        self.ids[(name, spec["id"])] = self.ids.get((name, spec.get("reuses", "")), own)
        references = [self.ids[(name, answered)] for answered in spec.get("answers", ())]
        references += spec.get("unknown", ())
        more = [f"Cc: {', '.join(spec['cc'])}"] if "cc" in spec else []
        more += [f"References: {' '.join(references)}"] if references else []
        more += [spec["more"]] if "more" in spec else []
        subject = spec.get("subject", f"Hello {spec['id']}")
        if "tag" in spec:
            subject += f" {subject_tag(await self._token(name, spec['tag']))}"
        to = SALES if spec.get("mailbox") == "sales" else ADDRESS
        if "token" in spec:
            to = plus_address(ADDRESS, await self._token(name, spec["token"]))
        return letter(
            subject,
            f"This is mail {spec['id']} to you.",
            sender=spec["from"],
            to=to.upper() if spec.get("upper") else to,
            message_id=self.ids[(name, spec["id"])],
            answers=references[-1] if references else None,
            more="\r\n".join(more),
        )

    async def _report(self, name: str, spec: dict[str, Any]) -> bytes:
        known = self.ids.get((name, spec["of"] or ""), "<nobody@elsewhere.test>")
        to = ADDRESS
        if "token" in spec:
            to = plus_address(ADDRESS, await self._token(name, spec["token"]))
        return delivery_report(
            spec["recipient"],
            message_id=None if spec.get("hides") else known,
            to=to,
            status=spec["status"],
            action=spec.get("action", "failed"),
        )

    async def _token(self, name: str, mail: str) -> str:
        case_id = await self.case_of(name, mail)
        return mint_token(self.world.keys, TENANT, MAILBOXES["support"], case_id)


def _checked(spec: dict[str, Any]) -> Authentication | None:
    return Authentication("mx.test", dmarc=Verdict(spec["dmarc"])) if "dmarc" in spec else None
