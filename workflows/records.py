"""What a case has done and not yet recorded, and the record of it in the order of its life."""

from collections.abc import Sequence
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from cases.trace import TraceKind
    from contracts import search_attributes
    from contracts.case import CaseInput
    from contracts.model import Json
    from contracts.steps import Snapshot, StepRecord, TraceLine
    from workflows import views

# Waiting for a record gives the workflow's thread back: steps that fire a thousand tasks each would
# otherwise hold it beyond the two seconds after which Temporal takes it for dead.
LINES_A_RECORD = 2_000


class Records:
    """The trace and the taken events of a case, until a record takes them along."""

    def __init__(self, start: CaseInput) -> None:
        """Go on counting where the run before left off."""
        carried = start.carried
        self._tenant = start.tenant
        self._case_id = start.case_id
        self.revision = carried.revision if carried else 0
        self.trace_seq = carried.trace_seq if carried else 0
        self.applied: list[int] = []
        self.correlation_id = start.opening.correlation_id
        self._trace: list[TraceLine] = []
        self._lines = 0
        self._recorded: Snapshot | None = None
        self.shown_reading: datetime | None = None
        self._shown: tuple[str, str | None] | None = None

    @property
    def is_full(self) -> bool:
        """Whether what is noted has to be written, and waited for, before there is more."""
        return self._lines >= LINES_A_RECORD

    def have_been_written(self) -> None:
        """Begin anew to count the lines."""
        self._lines = 0

    def note(self, entry: dict[str, Json]) -> None:
        """Add an entry to the trace."""
        # Counted, not taken from the clock: a workflow task that is done again gives each entry
        # the number that it had, and so writes it once.
        self.trace_seq += 1
        self._lines += 1
        self._trace.append(TraceLine(seq=self.trace_seq, at=workflow.now(), entry=entry))

    def put_back(self, record: StepRecord | None) -> None:
        """Put back what a failed activity may not have written."""
        if record is not None:
            self.applied = record.applied + self.applied
            self._trace = record.trace + self._trace
            self._recorded = None

    def take(
        self, view: Snapshot, returned: Sequence[int] = (), *, whatever: bool = False
    ) -> StepRecord | None:
        """Return what is to be recorded; with `whatever`, also what could wait."""
        unchanged = self._recorded is not None and view == self._recorded.model_copy(
            update={"revision": view.revision}
        )
        # That an action beside the case is done is in the outbox already: its trace can wait
        # for the next record, and saves each mail one.
        telling = any(whatever or line.entry["kind"] != TraceKind.ENDED for line in self._trace)
        if unchanged and not self.applied and not telling and not returned:
            return None
        # Greater also than any that a run before an operator's reset gave.
        self.revision = max(self.revision + 1, int(workflow.now().timestamp() * 1000))
        self._recorded = view.model_copy(update={"revision": self.revision})
        record = StepRecord(
            tenant=self._tenant,
            case_id=self._case_id,
            snapshot=self._recorded,
            applied=self.applied,
            returned=list(returned),
            trace=self._trace,
            correlation_id=self.correlation_id,
        )
        self.applied, self._trace = [], []
        return record

    def show(self, view: Snapshot) -> None:
        """Let Temporal's Web UI and its lists say where the case stands."""
        self.shown_reading = view.waits_for_mailbox_until
        workflow.set_current_details(views.current_details(view))
        shown = (", ".join(view.states)[:200], view.label)
        if shown != self._shown:
            self._shown = shown
            updates = [search_attributes.STATE.value_set(shown[0])]
            if view.label:
                updates.append(search_attributes.LABEL.value_set(view.label))
            workflow.upsert_search_attributes(updates)
