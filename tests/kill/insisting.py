"""Requests to an API that dies: each is repeated until it is answered."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlencode

from tests.product.instance import Instance

AGAIN_AFTER_SECONDS = 0.3

_T = TypeVar("_T")


def insist(ask: Callable[[], _T]) -> tuple[_T, int]:
    """Send a request until it is answered: the outcome of a lost one is unknown.

    Return the answer, and how many requests were lost before; raises Refused where the answer is
    a refusal.
    """
    repeats = 0
    while True:
        try:
            return ask(), repeats
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise Refused(error, repeats) from error
        except (OSError, http.client.HTTPException):
            pass
        repeats += 1
        time.sleep(AGAIN_AFTER_SECONDS)


class Refused(Exception):
    """A request was answered with a client error."""

    def __init__(self, error: urllib.error.HTTPError, repeats: int) -> None:
        """Keep the status, and how many requests before were lost."""
        super().__init__(f"{error} {getattr(error, '__notes__', '')}")
        self.status = error.code
        self.repeats = repeats


def open_page(product: Instance, path: str, fields: dict[str, str] | None = None) -> str:
    """Open a page as a browser does; with fields, send its form."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{product.api_port}{path}",
        data=None if fields is None else urlencode(fields).encode(),
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  # our own product
        text: bytes = answer.read()
    return text.decode()
