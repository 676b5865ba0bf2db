"""Ask a model what a mail is about; whatever it says, the answer is a declared label or none."""

from collections.abc import Mapping
from dataclasses import dataclass

from classifiers import llm
from classifiers.chain import LlmFailure, LlmTrouble
from classifiers.result import Classification, LabelSpec
from clients.llm import LlmClient, LlmRefused, LlmUnreachable


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one model."""

    model: LlmClient

    async def __call__(
        self, labels: Mapping[str, LabelSpec], subject: str, text: str, model: str | None
    ) -> Classification | LlmFailure:
        """Return the model's verdict, or why it gave none."""
        try:
            answer = await self.model.complete(
                llm.prompt(labels, subject, text), llm.answer_schema(labels), model
            )
        except LlmUnreachable as error:
            return LlmFailure(LlmTrouble.UNREACHABLE, str(error))
        except LlmRefused as error:
            return LlmFailure(LlmTrouble.REFUSED, str(error))
        try:
            return llm.read_answer(
                answer.text, labels, answer.model, answer.tokens_in, answer.tokens_out
            )
        except llm.MalformedAnswer as error:
            return LlmFailure(
                LlmTrouble.MALFORMED,
                str(error),
                answer.model,
                answer.tokens_in,
                answer.tokens_out,
            )
