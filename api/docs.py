"""The API's documentation for people, with its scripts from here: it works without Internet."""

import re
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from api.problems import ProblemDetails

ASSETS_PATH = "/docs-assets"
_ASSETS = Path(fastapi_offline.__file__).parent / "static"
_END_OF_CLAUSE = re.compile(r"[.:;](?=\s|$)")


def serve_docs(app: FastAPI) -> None:
    """Serve Swagger UI at /docs and at /swagger."""
    app.mount(ASSETS_PATH, StaticFiles(directory=_ASSETS), name="docs-assets")
    for path in ("/docs", "/swagger"):
        app.add_api_route(path, _docs_page, include_in_schema=False, response_class=HTMLResponse)


def describe_problems(app: FastAPI) -> None:
    """Add problem details to the schemas of /openapi.json, where all error answers point."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:  # Any: OpenAPI's JSON
        document = describe()
        schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document["components"]["schemas"]
        schemas |= schema.pop("$defs", {}) | {"ProblemDetails": schema}
        for methods in document["paths"].values():
            for operation in methods.values():
                operation["summary"] = _summary(operation["description"])
        return document

    # FastAPI names this way to change its document.
    app.openapi = openapi  # type: ignore[method-assign]


def _summary(description: str) -> str:
    """Return the first clause of a description; the names of functions tell too little."""
    return _END_OF_CLAUSE.split(description, maxsplit=1)[0]


async def _docs_page() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Everpost API",
        swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS_PATH}/favicon.png",
        swagger_ui_parameters={"persistAuthorization": True},
    )
