"""The application: every resource, with errors, limits and logs around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api.alarms.routes import router as alarms
from api.approvals.routes import router as approvals
from api.auth.routes import router as auth
from api.auth.throttle import LoginThrottle
from api.cases.routes import router as cases
from api.docs import describe_problems, serve_docs
from api.drawings.routes import router as drawings
from api.files.routes import router as files
from api.health.routes import router as health
from api.ledger.routes import router as ledger
from api.mailboxes.connection import router as connections
from api.mailboxes.reconcile import router as reconciliations
from api.mailboxes.routes import router as mailboxes
from api.mailboxes.rules import router as rules
from api.metrics import Metrics
from api.middleware import Limits, RequestLog
from api.outbox.routes import router as outbox
from api.patterns.routes import router as patterns
from api.problems import handle_errors
from api.review.routes import router as review
from api.services import Services
from api.templates.routes import router as templates
from api.workflows.routes import router as workflows

DESCRIPTION = "Every email a durable case. Errors are problem details (RFC 9457)."


def create_app(services: Services) -> FastAPI:
    """Return the application on these services; it closes the database when it ends."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await services.door.settle()
        await services.database.close()

    app = FastAPI(
        title="Everpost",
        version=services.version,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        # An address with a slash too many is another address: no redirect loses a body.
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.metrics = Metrics()
    app.state.login_throttle = LoginThrottle()
    handle_errors(app)
    for router in (
        auth,
        workflows,
        patterns,
        cases,
        drawings,
        connections,
        mailboxes,
        reconciliations,
        rules,
        alarms,
        ledger,
        outbox,
        review,
        templates,
        files,
        approvals,
        health,
    ):
        app.include_router(router)
    serve_docs(app)
    describe_problems(app)
    # The one added last is the outermost.
    app.add_middleware(Limits)
    app.add_middleware(RequestLog, metrics=app.state.metrics)
    return app
