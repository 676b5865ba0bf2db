"""A small real HTTP server that answers as the API would, and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = Any  # what JSON may hold
PASSWORD = "right password"
TOKEN = "good-token"


@dataclass
class SmallApi:
    """Answers by method and path without the query; every path but the login wants the token."""

    port: int = 0
    answers: dict[str, tuple[int, Json]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)

    def answer(self, request: str, body: Json, authorization: str) -> tuple[int, Json]:
        """Return status and body for a request such as `GET /api/v1/cases`."""
        self.asked.append(request)
        self.bodies.append(body)
        bare = request.partition("?")[0]
        if bare == "POST /auth/token":
            if body["password"] == PASSWORD:
                return 200, {"access_token": TOKEN, "token_type": "bearer", "expires_in": 60}
            return 401, {"title": "Wrong login", "detail": "Name or password is wrong."}
        if bare != "GET /health" and authorization != f"Bearer {TOKEN}":
            return 401, {"title": "No login", "detail": "The token has expired."}
        return self.answers.get(bare, (404, {"title": "Not found", "detail": bare}))


@contextmanager
def small_api() -> Iterator[SmallApi]:
    """Give a server that runs while the block does."""
    api = SmallApi()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(size)) if size else None
            status, answer = api.answer(
                f"{self.command} {self.path}", body, self.headers.get("Authorization", "")
            )
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = respond  # noqa: N815 -- the names that http.server wants

        def log_message(self, *_arguments: object) -> None:
            """Say nothing: the test's output is for failures."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
