"""The pages behind approval links: self-contained HTML that works without scripts.

They show what strangers wrote, so everything is escaped, and the browser is told to load nothing,
to run nothing, and to tell nobody the address, which is a secret.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import Response
from jinja2 import Environment
from markupsafe import Markup

from ledgers.outbox.rows import Row
from mail.message import Attachment
from mail.reading.parse import parse_message

REASON_MAX_CHARS = 500
_TEXT_MAX_CHARS = 100_000
_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text("utf-8")
_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    (_FOLDER / "page.html").read_text("utf-8")
)
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class DraftView:
    """What would go out: all that an approver decides about."""

    case_id: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    is_cut: bool
    attachments: tuple[Attachment, ...]


def draft_view(row: Row) -> DraftView:
    """Return a frozen mail as its page shows it, read from the very bytes that would be sent."""
    message = parse_message(row.raw)
    return DraftView(
        case_id=row.case_id,
        recipients=row.recipients,
        subject=message.subject,
        text=message.text[:_TEXT_MAX_CHARS],
        is_cut=len(message.text) > _TEXT_MAX_CHARS,
        attachments=message.attachments,
    )


def page(
    status: int,
    title: str,
    words: str,
    *,
    draft: DraftView | None = None,
    approver: str | None = None,
) -> Response:
    """Return a page that says something, with the draft, and for an approver with the buttons."""
    content = _PAGE.render(
        title=title,
        words=words,
        draft=draft,
        approver=approver,
        is_mistake=status >= 400,
        reason_max_chars=REASON_MAX_CHARS,
        style=Markup(_STYLE),  # noqa: S704 (our own file, whose digest the policy names)
    )
    return Response(content, status, HEADERS, media_type="text/html")
