"""What must hold between steps (the view), and once all is quiet: nothing lost, all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from app.core.entry import HOLDING, Entry
from app.core.metadata import CURSOR, RESET
from app.core.reset import read_reset
from app.core.schema import ROWS
from app.core.view import project
from app.protocol import Row
from app.sync.engine import POLL
from tests.simulation.server import ItemKey
from tests.simulation.stored import answer, cursor_of, entries_of, parsed_row

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.tab import Tab
    from tests.simulation.world import World

REQUESTS_A_MINUTE = 60
REST_BEGUN = 2.0
"""Seconds after a request from which on a device that has nothing to do is at rest."""
HEARD_WITHIN = 100.0
"""Seconds within which “Sync now” is answered: longer than the longest request, and a probe."""


def rows_of(device: Device) -> dict[ItemKey, Row]:
    """Return the rows on a device."""
    rows = [parsed_row(text) for text in device.store.texts(ROWS)]
    return {(row.collection, row.id): row for row in rows if row is not None}


def check_view(world: World, tab: Tab) -> None:
    """What is shown is the rows with all that waits on top of them."""
    if wrong := wrongly_shown(world, tab):
        world.fail(6, wrong)


def misshown(world: World) -> str:
    """Return what some tab shows wrong, or an empty text: a lost message is made up for later."""
    shown = (wrongly_shown(world, tab) for device in world.devices for tab in device.tabs)
    return next(filter(None, shown), "")


def wrongly_shown(world: World, tab: Tab) -> str:
    """Return what a tab shows that is not on its device, or an empty text."""
    if not tab.views or not tab.alive or tab.frozen:
        return ""
    rows = rows_of(tab.device)
    waiting: dict[ItemKey, list[Entry]] = {key: [] for key in rows}
    for entry in entries_of(tab.device):
        waiting.setdefault((entry.collection, entry.item_id), []).append(entry)
    for view in tab.views:
        shown = {item.id: (item.value.model_dump(), item.status) for item in view.get_view().items}
        expected = {}
        for key, entries in waiting.items():
            if key[0] != view.name:
                continue
            if any(entry.damaged for entry in entries):
                shown.pop(key[1], None)  # until it is found, it is shown as waiting or as failed
                continue
            item = project(*key, rows.get(key), entries, world.registry)
            if item.data is not None:
                expected[key[1]] = (item.data, item.status)
        if shown != expected:
            wrong = {k for k in shown | expected if shown.get(k) != expected.get(k)}
            pairs = [(k, shown.get(k), expected.get(k)) for k in sorted(wrong)[:2]]
            return f"device {tab.device.number} shows {view.name} wrong: {pairs}"
    return ""


def note_status(world: World, device: Device) -> None:
    """Count what a person is told."""
    for tab in device.tabs:
        status = tab.client.status.get() if tab.client else None
        if status is not None and status.hold:
            world.coverage["hold", status.hold] += 1
        if status is not None and status.restored:
            world.coverage["restored", "told"] += 1


def check_requests(world: World, device: Device) -> None:
    """No device asks more often than a bounded number of times a minute, beside its taps."""
    since = world.clock.time - 60_000
    times = device.link.times = [time for time in device.link.times if time > since]
    taps = world.taps[device.number] = [t for t in world.taps[device.number] if t > since]
    if len(times) > REQUESTS_A_MINUTE + 4 * len(taps):
        world.fail(10, f"device {device.number}: {len(times)} requests in a minute")


def check_saved(world: World) -> None:
    """Everything that was saved is somewhere."""
    for device in world.devices:
        watch = world.watches[device.number]
        waiting = {entry.id for entry in entries_of(device)}
        for action_id in sorted(watch.saved):
            known = (
                action_id in waiting
                or world.ledger.has_done(action_id)
                or action_id in watch.wiped
                or action_id in watch.discarded
                or action_id in watch.renamed
            )
            if not known:
                world.fail(2, f"{action_id} was saved on device {device.number} and is lost")


def check_heard(world: World) -> None:
    """Whoever tapped “Sync now” in a tab that lives hears what came of it."""
    for tab, asked in world.person.asking:
        if tab.alive and world.clock.time - asked > HEARD_WITHIN * 1000:
            world.fail(11, f"device {tab.device.number}: “Sync now” was never answered")


def check_server(world: World) -> None:
    """The database holds what the ledger says, and a receipt for what was not settled."""
    rows = {
        (collection, item): (version, None if data is None else json.loads(data))
        for collection, item, version, data in world.server.query(
            "SELECT collection, item_id, version, data FROM rows"
        )
    }
    mirror = {key: (row.version, row.data) for key, row in world.ledger.mirror.items()}
    if rows != mirror:
        world.fail(4, "the server's rows are not what its effects amount to")
    settled = dict(world.server.query("SELECT client_id, settled_through FROM clients"))
    receipts = {row[0] for row in world.server.query("SELECT action_id FROM receipts")}
    for action_id, effect in world.ledger.effects.items():
        if effect.action.seq > settled.get(effect.client_id, 0) and action_id not in receipts:
            world.fail(4, f"{action_id} took effect and has no receipt")


def is_resting(world: World) -> bool:
    """Wait until no device asks, none asked just now, and none will ask by itself very soon."""
    for _ in range(40):
        latest = [max(device.link.times, default=0) for device in world.devices]
        asking = any(device.link.in_flight for device in world.devices)
        since = [(world.clock.time - time) / 1000 for time in latest]
        if not asking and all(REST_BEGUN < seconds < POLL - 2 * REST_BEGUN for seconds in since):
            return True
        world.clock.advance(1.5)
    return False


def check_idle(world: World) -> None:
    """Whoever was told a second ago what it knows already did not ask."""
    for device in world.devices:
        if any(time >= world.clock.time - 1_000 for time in device.link.times):
            world.fail(10, f"device {device.number} asked though nothing is new")


def check_poked(world: World, devices: list[Device], version: int) -> None:
    """Whoever was told that there is something new, up to `version`, has it within seconds."""
    for device in devices:
        place = cursor_of(answer(device, CURSOR))
        if place is None or place.version < version:
            world.fail(11, f"device {device.number} was told of something new and has not got it")


def unfinished(world: World) -> str:
    """Return what is not quiet yet, or an empty text."""
    for device in world.devices:
        held: set[ItemKey] = set()
        stuck: set[int] = set()
        for entry in entries_of(device):
            waits = entry.item in held or not stuck.isdisjoint(entry.depends_on)
            if entry.state in HOLDING or waits:
                held.add(entry.item)
                stuck.add(entry.seq)
            else:
                return f"device {device.number}: {entry.type} {entry.id} is {entry.state}"
        place, reset = cursor_of(answer(device, CURSOR)), read_reset(answer(device, RESET), -1)
        if place is None or place.version != world.ledger.newest:
            return f"device {device.number} has not pulled everything"
        if place.epoch != world.server.epoch or reset.round < 0 or reset.phase != "none":
            return f"device {device.number} has not started over to its end"
    return ""


def troubled(world: World) -> str:
    """Return what a person would still read of troubles that are over, or an empty text."""
    for device in world.devices:
        for tab in device.tabs:
            status = tab.client.status.get() if tab.client else None
            if status is None or status.syncing or status.last_error or status.hold:
                return f"a tab of device {device.number} says {status}"
            if status.connection.status != "connected":
                return f"a tab of device {device.number} is {status.connection.status}"
    return ""


def check_converged(world: World) -> None:
    """Every device's rows equal the server's, field by field."""
    for device in world.devices:
        forgotten = {
            k: v for k, v in world.ledger.forgotten.items() if k not in world.ledger.mirror
        }
        rows = {key: row for key, row in rows_of(device).items() if row != forgotten.get(key)}
        if rows != world.ledger.mirror:
            wrong = [
                k for k in rows | world.ledger.mirror if rows.get(k) != world.ledger.mirror.get(k)
            ]
            world.fail(5, f"device {device.number} differs from the server in {sorted(wrong)[:3]}")
        for entry in entries_of(device):
            if entry.state in HOLDING and entry.error is None and entry.verdict != "conflict":
                world.fail(11, f"{entry.id} is {entry.state} and does not say why")
