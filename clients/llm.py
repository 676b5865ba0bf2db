"""Answers from a language model behind any OpenAI-compatible endpoint."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import openai
from openai.types.chat import ChatCompletion
from pydantic import SecretStr

# Timeout, conflict, too early, too many: the same request may succeed later (RFC 9110, 6585).
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
_CONNECT_TIMEOUT_SECONDS = 10.0


class Prompt(Protocol):
    """What is asked: an instruction of ours, and data."""

    @property
    def system(self) -> str:
        """Return the instruction."""
        ...

    @property
    def user(self) -> str:
        """Return the data."""
        ...


@dataclass(frozen=True, slots=True)
class LlmAnswer:
    """What a model said, unchecked, and what it cost."""

    text: str
    model: str
    tokens_in: int
    tokens_out: int


class LlmError(Exception):
    """A question that got no answer; the text holds neither key nor mail."""


class LlmUnreachable(LlmError):
    """The model did not answer this time; the same question may be answered later."""


class LlmRefused(LlmError):
    """The model or its endpoint will not answer this question however often it is asked."""


class LlmClient:
    """One model at one endpoint; usable by many tasks of one event loop."""

    def __init__(self, base_url: str, api_key: SecretStr, model: str, timeout: timedelta) -> None:
        self._model = model
        self._timeout = timeout
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key.get_secret_value(),
            max_retries=0,  # the caller's activity has the one retry loop
            timeout=openai.Timeout(timeout.total_seconds(), connect=_CONNECT_TIMEOUT_SECONDS),
        )

    async def complete(
        self, prompt: Prompt, schema: Mapping[str, Any], model: str | None = None
    ) -> LlmAnswer:
        """Return the model's answer to a prompt, constrained to a JSON Schema where it can be.

        `model` is another model of the same endpoint than the client's own. Raises
        LlmUnreachable for what may pass and LlmRefused for what will not.
        """
        try:
            # The library's timeout is for each read; a body that drips would never end.
            async with asyncio.timeout(self._timeout.total_seconds()):
                completion = await self._ask(prompt, schema, model or self._model)
        # "from None": the library's errors quote the endpoint, which may quote key and mail.
        except (openai.APITimeoutError, TimeoutError):
            raise LlmUnreachable(f"no answer within {self._timeout}") from None
        except openai.APIConnectionError:
            raise LlmUnreachable("the connection failed") from None
        except openai.APIStatusError as error:
            raise _status_error(error.status_code) from None
        # What the library raises for bodies that are no JSON, or none of the right shape.
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError):
            raise LlmUnreachable("the endpoint did not speak the protocol") from None
        return _answer(completion, model or self._model)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(self, prompt: Prompt, schema: Mapping[str, Any], model: str) -> ChatCompletion:
        return await self._client.chat.completions.create(
            model=model,
            messages=[
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "classification", "strict": True, "schema": dict(schema)},
            },
        )


def _status_error(status: int) -> LlmError:
    if status in _TRANSIENT_STATUS or status >= 500:
        return LlmUnreachable(f"the endpoint answered {status}")
    return LlmRefused(f"the endpoint answered {status}: check base URL, model and key")


def _answer(completion: ChatCompletion, model: str) -> LlmAnswer:
    # The library trusts the endpoint: what it hands over may be of any shape.
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list) or not choices:
        raise LlmUnreachable("the endpoint did not speak the protocol")
    choice = choices[0]
    message = getattr(choice, "message", None)
    if getattr(message, "refusal", None):
        raise LlmRefused("the model refused")
    if getattr(choice, "finish_reason", None) == "content_filter":
        raise LlmRefused("a content filter stopped the answer")
    text = getattr(message, "content", None)
    answered_by = getattr(completion, "model", None)
    usage = getattr(completion, "usage", None)
    return LlmAnswer(
        text=text if isinstance(text, str) else "",
        model=answered_by if isinstance(answered_by, str) and answered_by else model,
        tokens_in=_count(getattr(usage, "prompt_tokens", 0)),
        tokens_out=_count(getattr(usage, "completion_tokens", 0)),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
