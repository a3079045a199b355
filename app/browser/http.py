"""The `Http` port on the browser's `fetch`, and what makes `urllib` and `requests` work."""

from __future__ import annotations

from collections.abc import Mapping

from js import AbortSignal, fetch
from pyodide.ffi import JsException

from app.browser.ffi import js_object
from app.errors import Unreachable
from app.ports import HttpResponse

HEADERS = ("content-type", "etag", "link", "location", "retry-after")


async def browser_http(
    method: str,
    url: str,
    body: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float,
) -> HttpResponse:
    """See the port. A redirect counts as no answer: our API has none, login pages do."""
    options = {
        "method": method,
        "cache": "no-store",
        "credentials": "same-origin",
        "redirect": "error",
        "signal": AbortSignal.timeout(round(timeout * 1000)),
    }
    sent = dict(headers or {})
    if body is not None:
        sent["Content-Type"] = "application/json"
        options["body"] = body
    if sent:
        options["headers"] = sent
    try:
        response = await fetch(url, js_object(options))
        text = await response.text()
    except JsException:
        raise Unreachable("The server did not answer.") from None
    came = {name: response.headers.get(name) for name in HEADERS if response.headers.has(name)}
    return HttpResponse(response.status, text, came)


def patch_standard_http() -> None:
    """Let plain `urllib` and `requests` code work in handlers (synchronous, by XMLHttpRequest)."""
    import pyodide_http

    pyodide_http.patch_all()
