"""Sorting messages by a model, where the definition asks for one; keywords are the net below."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, select, update
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.catalogue import CLASSIFY
from activities.logged import logged
from cases.notation.declarations import ClassifierKind, Definition
from classifiers import keyword
from classifiers.chain import LlmFailure, LlmTrouble, combine
from classifiers.result import Classification, LabelSpec
from contracts.classification import Classified
from contracts.outbox import ClassifyRequest
from ledgers.casework.subcases import family
from ledgers.outbox import letters
from store.database import Database
from store.tables import Case, Message

log = structlog.get_logger()

# The model's turn ends after so many tries; keywords decide then.
LLM_ATTEMPTS = 3

# Labels, subject, text and the model's name, if the definition has one, in; a verdict, or why
# there is none, out.
Ask = Callable[
    [Mapping[str, LabelSpec], str, str, str | None], Awaitable[Classification | LlmFailure]
]


@dataclass(frozen=True, slots=True)
class Sorting:
    """The activities of the LLM workers; without a model, keywords decide."""

    database: Database
    ask: Ask | None

    @activity.defn(name=CLASSIFY.name)
    async def classify(self, request: ClassifyRequest) -> Classified:
        """Sort a message and store the verdict with it."""
        with logged(request):
            verdict = await self._sort(request)
            log.info("mail.sorted", classifier=verdict.classifier, label=verdict.label)
        return verdict

    async def _sort(self, request: ClassifyRequest) -> Classified:
        definition, subject, text = await self._read(request)
        by_keyword = keyword.classify(definition.labels, subject, text)
        by_model = None
        if definition.classifier.kind is ClassifierKind.LLM:
            by_model = await self._ask_model(definition, subject, text)
        threshold = float(definition.classifier.threshold)
        verdict = _classified(combine(by_model, by_keyword, threshold))
        await self._store(request, verdict)
        return verdict

    async def _ask_model(
        self, definition: Definition, subject: str, text: str
    ) -> Classification | LlmFailure:
        if self.ask is None:
            return LlmFailure(LlmTrouble.UNREACHABLE, "no model is configured")
        answer = await self.ask(definition.labels, subject, text, definition.classifier.model)
        unreachable = isinstance(answer, LlmFailure) and answer.trouble is LlmTrouble.UNREACHABLE
        if unreachable and activity.info().attempt < LLM_ATTEMPTS:
            raise ApplicationError("the model is unreachable", type="LlmUnreachable")
        return answer

    async def _read(self, request: ClassifyRequest) -> tuple[Definition, str, str]:
        async with self.database.read() as connection:
            definition = await letters.definition_by_hash(
                connection, request.tenant, request.definition_hash
            )
            row = (
                await connection.execute(
                    select(Message.subject, Message.text, Case.opening_id)
                    .join_from(
                        Message,
                        Case,
                        (Case.tenant == Message.tenant) & (Case.id == Message.case_id),
                    )
                    .where(*_of(request))
                )
            ).one_or_none()
        if row is None:
            return definition, "", ""
        # The subject of an answer is that of the first mail: only its new words count.
        subject = row.subject if row.opening_id == request.event_id else ""
        return definition, subject, row.text

    async def _store(self, request: ClassifyRequest, verdict: Classified) -> None:
        async with self.database.write() as connection:
            await connection.execute(
                update(Message)
                .where(*_of(request))
                .values(classification=verdict.model_dump(mode="json"))
            )


def _of(request: ClassifyRequest) -> tuple[ColumnElement[bool], ...]:
    return (
        Message.tenant == request.tenant,
        # A sub-case sorts its parent's mail.
        Message.case_id.in_(family(request.tenant, request.case_id)),
        Message.intake_id == request.event_id,
    )


def _classified(verdict: Classification) -> Classified:
    return Classified(
        classifier=verdict.classifier,
        label=verdict.label,
        confidence=verdict.confidence,
        reason=verdict.reason,
        model=verdict.model or None,
        prompt_version=verdict.prompt_version or None,
        tokens_in=verdict.tokens_in,
        tokens_out=verdict.tokens_out,
    )
