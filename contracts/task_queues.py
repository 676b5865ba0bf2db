"""Task queues: one set for each tenant, so that one can be given workers of its own."""

from enum import StrEnum


class Queue(StrEnum):
    """A kind of work that is scaled by itself."""

    CASES = "cases"
    MAIL = "mail"
    LLM = "llm"


def task_queue(tenant: str, queue: Queue) -> str:
    """Return the name of a tenant's task queue."""
    return f"{tenant}.{queue}"
