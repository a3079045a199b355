"""The few things widgets do to the document. Text goes in as text, never as markup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from js import document
from pyodide.ffi import create_proxy


def by_test_id(name: str) -> Any:
    """Return the element that the page contract calls `name`."""
    return document.querySelector(f'[data-testid="{name}"]')


def part(element: Any, name: str) -> Any:
    """Return the part of a widget called `name`."""
    return element.querySelector(f'[data-part="{name}"]')


def clone(template_id: str) -> Any:
    """Return a fresh copy of a template's only element."""
    return document.getElementById(template_id).content.firstElementChild.cloneNode(True)


def on(element: Any, event: str, fn: Callable[[Any], Any]) -> None:
    """Call `fn` with each `event` of `element`, for the life of the page."""
    element.addEventListener(event, create_proxy(fn))


def set_text(element: Any, text: str) -> None:
    """Show `text`, touching the document only if it differs (live regions announce each touch)."""
    if element.textContent != text:
        element.textContent = text


def place(
    parent: Any, before: Sequence[str], order: Sequence[str], element: Callable[[str], Any]
) -> None:
    """Bring the children of `parent`, now in the order `before`, into `order`, both by key.

    Only what lies between the common beginning and the common end is touched.
    """
    start = 0
    while start < min(len(before), len(order)) and before[start] == order[start]:
        start += 1
    end = 0
    while end < min(len(before), len(order)) - start and before[-1 - end] == order[-1 - end]:
        end += 1
    anchor = element(order[len(order) - end]) if end else None
    for key in order[start : len(order) - end]:
        parent.insertBefore(element(key), anchor)
