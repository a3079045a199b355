"""What stands in the document for an entry of the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from js import document

from app.core.entry import Entry
from app.ui.dom import part
from app.ui.outbox_words import Card

TEXTS = {
    "state": "state_text",
    "label": "label",
    "kind": "kind",
    "written": "written",
    "attempts": "attempts",
    "waits": "waits",
    "error": "error",
}
"""The parts of an entry's element, and what of its card each shows."""


@dataclass
class Drawn:
    """An entry's element, and what it shows, so that only differences are written.

    `seen` is what of the status its words depend on; `next` the time of the next attempt.
    """

    element: Any
    entry: Entry | None = None
    seen: object = None
    card: Card | None = None
    next: str = ""


def fill(drawn: Drawn, card: Card) -> None:
    """Make an entry's element show `card`, touching only what differs."""
    before, drawn.card = drawn.card, card
    element = drawn.element
    for name, member in TEXTS.items():
        text = getattr(card, member)
        if before is None or getattr(before, member) != text:
            part(element, name).textContent = text
    if before is None or before.action_id != card.action_id:
        _identify(element, card)
    element.dataset.state = card.state
    element.dataset.can = " ".join(card.can)
    if before is None or (before.error, before.fields) != (card.error, card.fields):
        part(element, "problem").hidden = not card.error
        part(element, "fields").replaceChildren(*[_line(*pair) for pair in card.fields])


def _identify(element: Any, card: Card) -> None:
    """Say whose element it is, also to those who hear a button's name without what stands above."""
    element.dataset.id = card.action_id
    element.dataset.type = card.type
    label = part(element, "label")
    label.id = f"entry-{element.dataset.seq}"
    part(element, "verbs").setAttribute("aria-labelledby", label.id)
    if card.address:
        part(element, "open").href = card.address


def _line(name: str, text: str) -> Any:
    line = document.createElement("li")
    line.textContent = f"{name}: {text}"
    return line
