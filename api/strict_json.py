"""JSON bodies as strictly as both databases and every later reader need them (RFC 8259).

Refused are: what is not UTF-8, NaN and infinities, integers beyond 64 bits, names that come
twice, nesting beyond a cap, NUL characters and surrogates without a partner.
"""

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.exceptions import HTTPException
from fastapi.routing import APIRoute

MAX_DEPTH = 64
MAX_INTEGER = 2**63 - 1
MAX_INTEGER_DIGITS = 20
JSON_TYPE = "application/json"


class BodyRefused(HTTPException):
    """A body that is not JSON as it is taken here; FastAPI lets its own exceptions through."""

    def __init__(self, detail: str) -> None:
        """Say what is wrong with the body."""
        super().__init__(400, detail)


class ContentTypeRefused(HTTPException):
    """A body of another content type."""

    def __init__(self) -> None:
        """Say which one it has to be."""
        super().__init__(415, f"Send the body as JSON, with Content-Type: {JSON_TYPE}.")


class StrictRequest(Request):
    """A request whose body is read by the rules of this module."""

    async def json(self) -> Any:  # Any: as in the class that this one stands in for
        """Return the body's value; raises BodyRefused."""
        return strict_json(await self.body())


class StrictRoute(APIRoute):
    """A route that reads its body by the rules of this module."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with the request replaced by a strict one."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            if self.body_field is not None and not _is_json(request):
                raise ContentTypeRefused
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly


def strict_json(body: bytes) -> Any:  # Any: whatever JSON says
    """Return the value of a JSON text; raises BodyRefused."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise BodyRefused("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BodyRefused(f"The body is not JSON: {error.msg} in {place}.") from None
    except RecursionError:
        raise BodyRefused(_TOO_DEEP) from None
    _check(value)
    return value


_TOO_DEEP = f"The body is nested more than {MAX_DEPTH} levels; make it flatter."


def _is_json(request: Request) -> bool:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return content_type in {"", JSON_TYPE} or content_type.endswith("+json")


def _integer(text: str) -> int:
    number = int(text) if len(text) <= MAX_INTEGER_DIGITS else MAX_INTEGER + 1
    if abs(number) > MAX_INTEGER:
        raise BodyRefused("The body has an integer of more than 64 bits; send it as text.")
    return number


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BodyRefused("The body has a number that is too large; send it as text.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise BodyRefused(f"The body has {name}, which JSON does not have; send null or text.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON
    members = dict(pairs)
    if len(members) < len(pairs):
        raise BodyRefused("The body has an object in which a name comes twice; send it once.")
    return members


def _check(value: Any) -> None:  # Any: JSON
    """Refuse what is nested too deep, or has a character that can't be stored."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        for item in level:
            if isinstance(item, str):
                _check_text(item)
        level = [part for item in level for part in _parts(item)]
    raise BodyRefused(_TOO_DEEP)


def _parts(value: Any) -> list[Any]:  # Any: JSON
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _check_text(text: str) -> None:
    if "\0" in text:
        raise BodyRefused("The body has a NUL character (\\u0000), which can't be stored.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BodyRefused("The body has half of a surrogate pair, which is no text.") from None
