"""What every log entry of an activity says: whose case it is about, and what caused it."""

from contextlib import AbstractContextManager

from structlog.contextvars import bound_contextvars

from contracts.outbox import ClassifyRequest, SendRequest
from contracts.steps import StepRecord


def logged(request: StepRecord | SendRequest | ClassifyRequest) -> AbstractContextManager[None]:
    """Bind tenant, case and correlation id to the log entries of a block."""
    return bound_contextvars(
        tenant=request.tenant,
        case_id=request.case_id,
        correlation_id=request.correlation_id,
    )
