"""The list of the outbox: entries in blocks, of which only those near the view are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from js import IntersectionObserver, Object, document
from pyodide.ffi import create_proxy, to_js

from app.core.entry import Entry
from app.sync.outbox_view import OutboxPages
from app.sync.report import Status
from app.ui.dom import clone, on, part, place
from app.ui.outbox_blocks import blocks_of
from app.ui.outbox_card import Drawn, fill
from app.ui.outbox_words import card, next_attempt_text

NEAR = "1000px 0px"
"""How far beyond the view blocks are drawn."""
HEIGHT = 170
"""Pixels that an entry is taken for until its block was drawn."""
AT_FIRST = 1
"""Blocks drawn before the browser says what is near."""


@dataclass
class Block:
    """Entries that are drawn together, or not at all; then the block keeps their room."""

    element: Any
    near: bool
    seqs: list[int] = field(default_factory=list)
    drawn: list[int] = field(default_factory=list)
    each: float = HEIGHT


class OutboxList:
    """Draws entries; `act` gets what a person chose to do with one, `more` asks for a page more."""

    def __init__(
        self, scroller: Any, act: Callable[[str, Entry], None], more: Callable[[], None]
    ) -> None:
        self._list = part(scroller, "entries")
        self._title = part(scroller, "title")
        self._more_line = part(scroller, "more")
        self._act = act
        self._more = more
        self._entries: dict[int, Entry] = {}
        self._blocks: dict[int, Block] = {}
        self._drawn: dict[int, Drawn] = {}
        self._status = Status()
        options = to_js({"root": scroller, "rootMargin": NEAR}, dict_converter=Object.fromEntries)
        self._observer = IntersectionObserver.new(create_proxy(self._came_near), options)
        on(self._list, "click", self._clicked)

    def render(self, pages: OutboxPages, status: Status, now: int) -> None:
        """Show the entries as they stand at `now`; what did not change is not touched."""
        self._entries = {entry.seq: entry for entry in pages.entries}
        self._status = status
        layout = blocks_of(self._entries, self._blocks)
        for start in self._blocks.keys() - layout.keys():
            self._take_out(self._blocks.pop(start))
        for start, seqs in layout.items():
            block = self._blocks.get(start) or self._add(start)
            block.seqs = seqs
            self._draw(block)
        self.tick(now)
        self._observer.unobserve(self._more_line)
        self._more_line.hidden = not pages.has_more
        if pages.has_more:
            self._observer.observe(self._more_line)

    def tick(self, now: int) -> None:
        """Show the time until the next attempt of each entry that is drawn."""
        for seq, drawn in self._drawn.items():
            text = next_attempt_text(self._entries[seq], self._status, now)
            if drawn.next != text:
                drawn.next = text
                part(drawn.element, "next").textContent = text

    def focus(self, seq: int) -> None:
        """Put the focus on an entry, or on what is nearest to where it was."""
        behind = [other for other in self._drawn if other >= seq]
        if behind or self._drawn:
            self._drawn[min(behind) if behind else max(self._drawn)].element.focus()
        else:
            self._title.focus()

    def _add(self, start: int) -> Block:
        element = document.createElement("div")
        element.dataset.block = start
        block = self._blocks[start] = Block(element, near=len(self._blocks) < AT_FIRST)
        self._list.append(element)
        self._observer.observe(element)
        return block

    def _take_out(self, block: Block) -> None:
        block.seqs = []
        block.near = True
        self._draw(block)
        self._observer.unobserve(block.element)
        block.element.remove()

    def _draw(self, block: Block) -> None:
        """Make a block show its entries, or keep room for them where it is far from the view."""
        if not block.near:
            block.element.style.height = f"{block.each * len(block.seqs):.0f}px"
            return
        active = document.activeElement
        for seq in block.seqs:
            self._fill(seq, active)
        order = [str(seq) for seq in block.seqs]
        left = [seq for seq in block.drawn if seq not in self._entries]
        before = [str(seq) for seq in block.drawn if seq in self._entries]
        place(block.element, before, order, lambda key: self._drawn[int(key)].element)
        block.drawn = list(block.seqs)
        for seq in left:
            element = self._drawn.pop(seq).element
            had_focus = element.contains(active)
            element.remove()
            if had_focus:
                self.focus(seq)

    def _fill(self, seq: int, active: Any) -> None:
        entry, status = self._entries[seq], self._status
        drawn = self._drawn.get(seq)
        if drawn is None:
            drawn = self._drawn[seq] = Drawn(clone("outbox-entry-template"))
            drawn.element.dataset.seq = seq
        seen = (status.hold, status.connection.status)
        if drawn.entry is entry and drawn.seen == seen and entry.state != "blocked":
            return
        drawn.entry, drawn.seen = entry, seen
        today = datetime.now().astimezone().date()
        fill(drawn, card(entry, status, self._entries, today))
        if drawn.element.contains(active) and not active.offsetParent:
            drawn.element.focus()  # the button that was pressed is not offered any more

    def _came_near(self, records: Any, _observer: Any) -> None:
        for record in records:
            if record.target.isSameNode(self._more_line):
                if record.isIntersecting:
                    self._more()
                continue
            block = self._blocks.get(int(record.target.dataset.block))
            height = record.boundingClientRect.height
            if block is not None and height and block.near != record.isIntersecting:
                self._move(block, record.isIntersecting, height)

    def _move(self, block: Block, near: bool, height: float) -> None:
        """Draw a block that came near; empty one that went far, unless the focus is in it."""
        if near:
            block.near = True
            block.element.style.height = ""
            self._draw(block)
        elif not block.element.contains(document.activeElement):
            block.near = False
            block.each = height / max(1, len(block.seqs))
            block.element.replaceChildren()
            for seq in block.drawn:
                self._drawn.pop(seq, None)
            block.drawn = []
            self._draw(block)

    def _clicked(self, event: Any) -> None:
        button = event.target.closest("button[data-part]")
        element = event.target.closest("[data-seq]")
        if button and element:
            entry = self._entries.get(int(element.dataset.seq))
            if entry is not None:
                self._act(button.dataset.part, entry)
