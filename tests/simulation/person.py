"""The simulated person: what is done in a tab."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from app.core.entry import HOLDING, Outcome
from app.core.resolutions import Choice
from app.errors import InvalidInput, NotFound, Rejected, StorageError
from app.sync.client import Client
from app.sync.queue import New
from tests.simulation.notes import Note
from tests.simulation.stored import entries_of

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.tab import Tab
    from tests.simulation.world import World

ACTS = {
    "send": 8,
    "create": 8,
    "update": 14,
    "turn": 10,
    "delete": 5,
    "remove": 4,
    "retry": 8,
    "edit": 4,
    "depend": 8,
    "sync": 4,
}
"""What a person does, and how often each is chosen."""

ASKED_FOR = 120.0
"""Seconds for which somebody asks whether the server took a write."""

ITEMS = ("n1", "n2", "n3")


class Person:
    """Acts on tabs; everything it does dies with the tab."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made = 0
        self.asking: list[Any] = []

    def act(self, device: Device, kind: str | None = None) -> None:
        """Do something, or this, in one of the device's tabs, if one is open and ready."""
        rng = self._world.rng
        ready = [tab for tab in device.tabs if tab.client is not None and not tab.frozen]
        if not ready:
            return
        tab = rng.choice(ready)
        kind = kind or self._answer(device) or rng.choices(list(ACTS), list(ACTS.values()))[0]
        if self._world.faulty and rng.random() < 0.05:
            device.store.abort_in = 1
        device.tapped()
        getattr(self, f"_{kind}")(tab)

    def _answer(self, device: Device) -> str | None:
        """Return what a person does about a conflict, or about what they just chose, if they do."""
        answers = [
            *("resolve" for entry in entries_of(device) if entry.state == "conflict"),
            *("undo" for entry in entries_of(device) if entry.replaced is not None),
        ]
        return self._world.rng.choice([*answers, None, None]) if answers else None

    def send_message(self, tab: Tab) -> None:
        """Send a message."""
        self._send(tab)

    def _text(self) -> str:
        self._made += 1
        return f"t{self._made}"

    def _send(self, tab: Tab) -> None:
        client = tab.client
        if client is not None:
            data = {"text": self._text()}
            self._add(tab, New("send_message", data, "messages"))

    def _create(self, tab: Tab) -> None:
        data = Note(a=self._text(), b=self._maybe_poison()).model_dump()
        self._note(tab, "create", data)

    def _update(self, tab: Tab) -> None:
        field = self._world.rng.choice(("a", "b", "c"))
        text = self._maybe_poison() if field == "b" else self._text()
        self._note(tab, "update", {field: text})

    def _turn(self, tab: Tab) -> None:
        self._note(tab, "turn", {"c": self._world.rng.choice(("x", "y", "z"))})

    def _delete(self, tab: Tab) -> None:
        self._note(tab, "delete", None)

    def _note(self, tab: Tab, kind: str, data: dict[str, Any] | None) -> None:
        item = self._world.rng.choice(ITEMS)
        waiting = [e.item_id for e in entries_of(tab.device) if e.collection == "notes"]
        if waiting and self._world.rng.random() < 0.5:
            item = waiting[-1]
        self._add(tab, New(kind, data, "notes", item))

    def _add(self, tab: Tab, new: New) -> None:
        """Save something, and now and then ask what becomes of it."""
        client, asks = tab.client, self._world.rng.random() < 0.2

        async def add() -> None:
            assert client is not None
            (queued,) = await client.queue.add_many([new])
            if asks:
                self._hear_outcome(tab.device, queued, await queued.settled(ASKED_FOR))

        _spawn(tab, add)

    def _hear_outcome(self, device: Device, action_id: str, outcome: Outcome | None) -> None:
        world = self._world
        if outcome is not None:
            world.coverage["settled", outcome] += 1
        watch = world.watches[device.number]
        if outcome == "applied" and not any(map(world.ledger.has_done, watch.names_of(action_id))):
            world.fail(1, f"{action_id} is told as applied and was not")
        if outcome == "discarded" and action_id not in watch.discarded:
            world.fail(1, f"{action_id} is told as discarded and was not")

    def _maybe_poison(self) -> str:
        """Return, now and then, what the server fails at."""
        if self._world.faulty and self._world.rng.random() < 0.08:
            self._world.coverage["poison", "made"] += 1
            return "poison"
        return self._text()

    def _remove(self, tab: Tab) -> None:
        entries, client = entries_of(tab.device), tab.client
        if entries and client is not None:
            chosen = self._world.rng.choice(entries).id
            _spawn(tab, lambda: client.queue.remove(chosen))

    def _retry(self, tab: Tab) -> None:
        held, client = [e for e in entries_of(tab.device) if e.state in HOLDING], tab.client
        if held and client is not None:
            if self._world.faulty and self._world.rng.random() < 0.2:
                tab.device.store.abort_in = 1
            chosen = self._world.rng.choice(held).id
            _spawn(tab, lambda: client.queue.retry(chosen))

    def _edit(self, tab: Tab) -> None:
        entries, client = entries_of(tab.device), tab.client
        if entries and client is not None:
            held = [entry for entry in entries if entry.state in HOLDING]
            chosen = self._world.rng.choice(held or entries)
            words = {"send_message": {"text": self._text()}, "turn": {"c": "x"}, "delete": None}
            data = words.get(chosen.type, {"a": self._text()})
            _spawn(tab, lambda: client.queue.edit(chosen.id, data))

    def _depend(self, tab: Tab) -> None:
        """Write what is to be sent after something that waits, or after something else new."""
        rng, client = self._world.rng, tab.client
        entries = entries_of(tab.device)
        chosen: list[str | New] = [e.id for e in rng.sample(entries, min(len(entries), 2))]
        first = New("send_message", {"text": self._text()}, "messages")
        new = [first] if rng.random() < 0.4 or not chosen else []
        data = Note(a=self._text(), b=self._maybe_poison()).model_dump()
        kind = rng.choice(("create", "update"))
        new.append(New(kind, data, "notes", rng.choice(ITEMS), [*chosen, *new]))
        if client is not None:
            _spawn(tab, lambda: client.queue.add_many(new))

    def _resolve(self, tab: Tab) -> None:
        """Look at a conflict, and choose a while later, as it is then or as it was seen."""
        rng, world = self._world.rng, self._world
        held = [e for e in entries_of(tab.device) if e.state == "conflict"]
        if not held or not tab.views:
            return
        notes, item = tab.views[0], rng.choice(held).item_id
        choice: Choice = rng.choice(("mine", "theirs", "merge"))
        value = Note(a=self._text(), b=self._maybe_poison()) if choice == "merge" else None
        looks, thinks = rng.random() < 0.7, rng.choice((0.0, 0.5, 30.0))

        async def choose() -> None:
            seen = await notes.conflict(item) if looks else None
            if looks:
                await tab.device.clock.sleep(thinks)
            await notes.resolve(item, choice, value, seen=seen)
            world.coverage["resolved", choice] += 1

        _spawn(tab, choose)

    def _undo(self, tab: Tab) -> None:
        """Take back the last choice, or the last deletion, of an item."""
        world = self._world
        replacing = [e for e in entries_of(tab.device) if e.replaced is not None]
        item = world.rng.choice(replacing).item_id if replacing else ""
        if item not in ITEMS or not tab.views:
            return

        async def undo() -> None:
            await tab.views[0].undo(item)
            world.coverage["resolved", "taken_back"] += 1

        _spawn(tab, undo)

    def look_at_history(self, tab: Tab) -> None:
        """Look at how conflicts were resolved: a damaged record of that is not met before."""
        for item in ITEMS:
            _spawn(tab, partial(tab.views[0].resolutions, item))

    def _sync(self, tab: Tab) -> None:
        if tab.client is not None:
            _spawn(tab, partial(self._hear, tab, tab.client))

    async def _hear(self, tab: Tab, client: Client) -> None:
        asked = [tab, self._world.clock.time]
        self.asking.append(asked)
        await client.sync()
        self.asking.remove(asked)


def _spawn(tab: Tab, do: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async def quietly() -> None:
        with contextlib.suppress(InvalidInput, NotFound, Rejected, StorageError):
            await do()

    tab.spawn(quietly())
