"""Reading a request's body: JSON by its content type, and never more than the limit in memory."""

from __future__ import annotations

from starlette.requests import Request

from app.protocol import MAX_BODY_BYTES
from server.problems import RequestRefused

_MOST_DISCARDED = 16 * MAX_BODY_BYTES


async def read_json_body(request: Request) -> bytes:
    """Return the body of a JSON request.

    Raises `RequestRefused`: 415 for another content type, 413 past the limit. What is too much is
    read and thrown away up to a point, since many clients see the answer only once they have sent.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise RequestRefused(415, "unsupported_media_type", "The body must be application/json.")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > _MOST_DISCARDED:
            break
        else:
            chunks.clear()
    if size > MAX_BODY_BYTES:
        limit = f"{MAX_BODY_BYTES:,} bytes"
        raise RequestRefused(413, "too_large", f"The body is larger than {limit}.")
    return b"".join(chunks)
