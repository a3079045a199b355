"""Files to and from a person: a download, and the text of a file that was picked."""

from __future__ import annotations

from typing import Any

from js import URL, Blob, Object, document, setTimeout
from pyodide.ffi import to_js

FORGET_AFTER = 60_000
"""Milliseconds after which a download has long begun, and its content can be let go."""


def download(name: str, text: str) -> None:
    """Have the browser save `text`, which is JSON, as a file called `name`."""
    kind = to_js({"type": "application/json"}, dict_converter=Object.fromEntries)
    url = URL.createObjectURL(Blob.new(to_js([text]), kind))
    link = document.createElement("a")
    link.href, link.download = url, name
    link.click()
    setTimeout(URL.revokeObjectURL, FORGET_AFTER, url)


async def picked_text(control: Any) -> str | None:
    """Return the text of the file picked in a file field, and empty the field; `None` without."""
    file = control.files.item(0)
    if not file:
        return None
    text: str = await file.text()
    control.value = ""
    return text
