"""Endpoints of files."""

import asyncio
from datetime import datetime
from typing import Annotated, Self
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response, status
from fastapi.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.auth.principal import PrincipalDep
from api.inputs import Body, Line
from api.problems import documented
from api.services import ServicesDep
from ledgers.outbox import files
from ledgers.outbox.files import MAX_FILE_BYTES, KeptFile
from mail.reading.content_types import true_type
from mail.writing.compose import media_type

router = APIRouter(prefix="/api/v1/files", tags=["files"])

UPLOAD_WITHIN_S = 300
MAX_FILE_MB = MAX_FILE_BYTES // 1024**2

FileId = Annotated[str, Path(max_length=64)]
FileName = Annotated[
    Line,
    Query(
        min_length=1,
        max_length=255,
        description="What a recipient saves it under; folders in it are cut off.",
    ),
]


class FileView(Body):
    """A file; `id` is what `attach`, events and case data refer to."""

    id: str
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    created_at: datetime

    @classmethod
    def of(cls, kept: KeptFile) -> Self:
        """Return what clients see of a file."""
        return cls(
            id=kept.id,
            name=kept.name,
            content_type=kept.content_type,
            size_bytes=kept.size_bytes,
            sha256=kept.sha256,
            created_at=kept.created_at,
        )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=documented(400, 401, 408, 413, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": f"The file's bytes, at most {MAX_FILE_MB} MiB.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(
    request: Request,
    principal: PrincipalDep,
    services: ServicesDep,
    response: Response,
    name: FileName,
) -> FileView:
    """Upload a file that mails can carry; its bytes are the body."""
    content = await _body(request)
    declared = media_type(request.headers.get("content-type", ""))
    kept = await files.keep(
        services.database,
        services.blobs,
        principal.tenant,
        name=name,
        content_type=await asyncio.to_thread(true_type, content, declared, name),
        content=content,
        by=principal.username,
    )
    response.headers["Location"] = f"{router.prefix}/{kept.id}"
    return FileView.of(kept)


@router.get(
    "/{id}",
    response_class=Response,
    responses=documented(401, 404, 422, 503)
    | {200: {"content": {"*/*": {}}, "description": "The file, byte for byte."}},
)
async def download(
    id: FileId,  # noqa: A002 (the name in the address)
    principal: PrincipalDep,
    services: ServicesDep,
) -> Response:
    """Download a file."""
    async with services.database.read() as connection:
        kept = await files.row(connection, principal.tenant, id)
    content = await services.blobs.get(kept.blob)
    # A stranger may have made it: a browser must save it, and neither show, run nor guess.
    headers = {
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(kept.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type=kept.content_type, headers=headers)


async def _body(request: Request) -> bytes:
    """Return the body as far as it keeps to the cap, which is seen before all of it is read."""
    close = {"Connection": "close"}
    content = bytearray()
    declared = request.headers.get("content-length", "")
    too_large = HTTPException(413, f"The file is larger than {MAX_FILE_MB} MiB.", close)
    if declared.isdecimal() and int(declared[:20]) > MAX_FILE_BYTES:
        raise too_large
    try:
        async with asyncio.timeout(UPLOAD_WITHIN_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MAX_FILE_BYTES:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, headers=close) from None
    except ClientDisconnect:
        raise HTTPException(400, "The body ended early; send it again.") from None
    if not content:
        raise HTTPException(400, "The body is empty; send the file's bytes as the body.")
    return bytes(content)
