"""The workflows that watch: one for each mailbox, one for each tenant's deliveries."""

from contracts.model import Payload

MAILBOX_WORKFLOW = "MailboxWorkflow"
DELIVERY_WORKFLOW = "DeliveryWorkflow"
RECONCILE_WORKFLOW = "ReconcileWorkflow"
# Sent when a mailbox's row has changed: its settings, its status, or that it is deleted.
CHANGED_SIGNAL = "changed"


class Watch(Payload):
    """Which mailbox a watch is for."""

    tenant: str
    mailbox_id: str


class TenantWatch(Payload):
    """Which tenant a watch is for."""

    tenant: str
