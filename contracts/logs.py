"""One JSON stream of logs, from structlog and from the standard library alike.

Keys that every room uses: `tenant`, `case_id`, `mailbox`, `message_id`, `correlation_id`.
Never bodies, addresses or secrets.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.contextvars import merge_contextvars
from structlog.typing import EventDict, Processor

CORRELATION_ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
HIDDEN = "[hidden]"
# A last net under the rule, for values that a library puts into its own entries.
_SECRET_KEYS = frozenset(
    {"authorization", "body", "cookie", "password", "raw", "secret", "token", "access_token"}
)
# These say at `info` what each request of ours says already.
_TALKATIVE = ("alembic", "httpcore2", "httpx2", "openai", "sqlalchemy", "uvicorn.access")


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Send every log entry of this process to `stream` (stderr) as one line of JSON."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_colours,
                _hide_secrets,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=repr),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def correlation_id_of(header: str | None) -> str | None:
    """Return a correlation id that came from outside, or None when it is not fit for logs."""
    if header is None or CORRELATION_ID_PATTERN.fullmatch(header) is None:
        return None
    return header


def _shared() -> list[Processor]:
    return [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _without_colours(_logger: Any, _method: str, event: EventDict) -> EventDict:  # as below
    # uvicorn's second copy of each message, for terminals.
    event.pop("color_message", None)
    return event


def _hide_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:  # Any: structlog's
    return _without_secrets(event)


def _without_secrets(values: Mapping[str, Any]) -> MutableMapping[str, Any]:
    """Return the values with those of telling names hidden, at any depth of mappings."""
    return {
        key: HIDDEN
        if key.lower() in _SECRET_KEYS
        else _without_secrets(value)
        if isinstance(value, Mapping)
        else value
        for key, value in values.items()
    }
