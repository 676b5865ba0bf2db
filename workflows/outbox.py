"""The workflow that sends a mail beside its case, since a person has decided so."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.catalogue import SEND_ROW, call
    from contracts.outbox import OUTBOX_WORKFLOW, OutboxRow


@workflow.defn(name=OUTBOX_WORKFLOW)
class OutboxWorkflow:
    """Sends one row of the outbox; its case hears of the end by the intake ledger."""

    @workflow.run
    async def run(self, row: OutboxRow) -> str:
        """Send it, and return the state that it ended in."""
        outcome = await call(
            SEND_ROW, row, tenant=row.tenant, summary=f"sends mail {row.outbox_id}"
        )
        return outcome.state
