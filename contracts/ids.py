"""Workflow ids and the ids that Everpost mints, each built in one place.

Nothing that a sender controls becomes part of a workflow id: case ids are random, and
mailbox ids are minted when a mailbox is created.
"""

import base64
import hashlib
import secrets

CASE_ID_LENGTH = 16


def new_case_id() -> str:
    """Return a random case id: 16 characters of lowercase base32 (80 bits)."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def case_id_of_key(tenant: str, idempotency_key: str) -> str:
    """Return the case id that an `Idempotency-Key` stands for, the same on every retry."""
    digest = hashlib.sha256(f"{tenant}\0{idempotency_key}".encode()).digest()
    return base64.b32encode(digest[:10]).decode().lower()


def subcase_id(tenant: str, parent: str, firing: int, index: int) -> str:
    """Return the case id of an action's sub-case, the same however often it is asked for."""
    digest = hashlib.sha256(f"{tenant}\0{parent}\0{firing}\0{index}".encode()).digest()
    return base64.b32encode(digest[:10]).decode().lower()


def new_mailbox_id() -> str:
    """Return a random mailbox id, short enough to be read aloud (40 bits)."""
    return base64.b32encode(secrets.token_bytes(5)).decode().lower()


def new_file_id() -> str:
    """Return a random file id: 16 characters of lowercase base32 (80 bits)."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def case_workflow_id(tenant: str, case_id: str) -> str:
    """Return the workflow id of a case."""
    return f"{tenant}/case/{case_id}"


def mailbox_workflow_id(tenant: str, mailbox_id: str) -> str:
    """Return the workflow id of a mailbox's watch."""
    return f"{tenant}/mailbox/{mailbox_id}"


def outbox_workflow_id(tenant: str, outbox_id: int) -> str:
    """Return the workflow id that sends a mail on which a person has decided."""
    return f"{tenant}/outbox/{outbox_id}"


def reconcile_schedule_id(tenant: str, mailbox_id: str) -> str:
    """Return the id of the schedule, and of the workflow, that reconciles a mailbox."""
    return f"{tenant}/reconcile/{mailbox_id}"


def delivery_workflow_id(tenant: str) -> str:
    """Return the workflow id of the tenant's delivery watch."""
    return f"{tenant}/delivery"


def tenant_of_workflow(workflow_id: str | None) -> str:
    """Return the tenant that a workflow's id begins with; `shared` where it names none."""
    tenant, slash, _ = (workflow_id or "").partition("/")
    return tenant if slash else "shared"
