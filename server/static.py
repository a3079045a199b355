"""Serving the site: right types, compression, ETags, and headers that keep the page to itself."""

from __future__ import annotations

from urllib.parse import urlsplit

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.compression import Compressor
from server.site import Site, SiteFile

INDEX = "index.html"


class StaticSite:
    """An ASGI app that serves a site from memory."""

    def __init__(self, site: Site, compressor: Compressor, api_url: str) -> None:
        self._site = site
        self._compressor = compressor
        self._shell_headers = shell_headers(api_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise HTTPException(404)
        file = self._site.get(scope["path"].removeprefix("/") or INDEX)
        if file is None:
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        response = await self._answer(file, Headers(scope=scope))
        if scope["method"] == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def _answer(self, file: SiteFile, asked: Headers) -> Response:
        compressed: bytes | None = None
        if accepts_gzip(asked.get("accept-encoding", "")):
            if self._compressor.made(file):
                compressed = self._compressor.gzipped(file)
            else:
                compressed = await to_thread.run_sync(self._compressor.gzipped, file)
        etag = f'"{file.sha256.hex()[:32]}{"-gzip" if compressed is not None else ""}"'
        headers = {
            "ETag": etag,
            "Cache-Control": file.cache_control,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if not file.versioned:
            headers |= self._shell_headers
        if matches(asked.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        headers["Content-Type"] = file.content_type
        if compressed is None:
            return Response(file.body, headers=headers)
        return Response(compressed, headers={**headers, "Content-Encoding": "gzip"})


def shell_headers(api_url: str) -> dict[str, str]:
    """Return the headers of the page and its worker; PyScript cannot do without `unsafe-eval`."""
    api = urlsplit(api_url)
    api_origin = f" {api.scheme}://{api.netloc}" if api.netloc else ""
    policy = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-eval' 'wasm-unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "connect-src": f"'self'{api_origin}",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding header takes gzip."""
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def matches(if_none_match: str, etag: str) -> bool:
    """Tell whether an If-None-Match header names `etag`."""
    given = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in given or "*" in given
