"""The workflow that compares a mailbox's server with the ledger, by schedule or by hand."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.catalogue import RECONCILE, call
    from contracts.mailbox import RECONCILE_WORKFLOW, Watch


@workflow.defn(name=RECONCILE_WORKFLOW)
class ReconcileWorkflow:
    """Reconciles one mailbox once."""

    @workflow.run
    async def run(self, watch: Watch) -> str:
        """Reconcile it, and return what was found in a few words."""
        return await call(
            RECONCILE, watch, tenant=watch.tenant, summary=f"reconciles {watch.mailbox_id}"
        )
