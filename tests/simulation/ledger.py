"""The server's side of the invariants: what it has done, and whether it was allowed to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.protocol import Action, Row
from tests.simulation.server import Effect, ItemKey
from tests.simulation.stored import entries_of

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.world import World


@dataclass(frozen=True)
class Snapshot:
    """What a backup of the server knows."""

    effects: dict[str, Effect]
    mirror: dict[ItemKey, Row]
    writes: dict[ItemKey, list[tuple[int, str]]]
    last: dict[tuple[str, ItemKey], Action]
    refused: set[str]


class Ledger:
    """What the server has done, and whether it was allowed to.

    `untold_at` is when a late copy of a request brought something last, of which nobody is told.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.effects: dict[str, Effect] = {}
        self.mirror: dict[ItemKey, Row] = {}
        self.writes: dict[ItemKey, list[tuple[int, str]]] = {}
        self.last: dict[tuple[str, ItemKey], Action] = {}
        self.done: set[tuple[Device | None, int]] = set()
        self.newest = 0
        self.untold_at = 0
        self.undone: set[str] = set()
        self.refused: set[str] = set()
        self.unrefused: set[str] = set()
        self.forgotten: dict[ItemKey, Row] = {}
        self._updated_at = 0

    def snapshot(self) -> Snapshot:
        """Return what a backup made now would know."""
        writes = {key: list(written) for key, written in self.writes.items()}
        known = dict(self.effects), dict(self.mirror), writes, dict(self.last)
        return Snapshot(*known, set(self.refused))

    def put_back(self, snapshot: Snapshot, newest: int) -> None:
        """Know what the backup knows: what came later never was."""
        self.undone |= self.effects.keys() - snapshot.effects.keys()
        self.unrefused |= self.refused - snapshot.refused
        self.refused = set(snapshot.refused)
        self.effects, self.mirror = dict(snapshot.effects), dict(snapshot.mirror)
        self.writes = {key: list(written) for key, written in snapshot.writes.items()}
        self.last, self.newest = dict(snapshot.last), newest
        self._updated_at = max((row.updated_at for row in self.mirror.values()), default=0)

    def refuse(self, ids: Iterable[str]) -> None:
        """Take in which actions the server has refused for good."""
        self.refused.update(ids)

    def forget(self, kept: set[ItemKey]) -> None:
        """Take it that only these items are known any more; the others must be tombstones."""
        for key in self.mirror.keys() - kept:
            row = self.forgotten[key] = self.mirror.pop(key)
            self.writes.pop(key, None)
            if not row.deleted:
                self._world.fail(4, f"compaction took {key}, which was not deleted")

    def commit(self, effects: list[Effect]) -> None:
        """Take in the effects of one transaction."""
        for effect in effects:
            action, fail = effect.action, self._world.fail
            place = (effect.client_id, effect.key)
            device = self._world.owners.get(effect.client_id)
            is_older = device is not None and device.is_older  # it may count anew
            wrote = effect.row is not None and effect.row != self.mirror.get(effect.key)
            # Nobody can tell a device that was put back what it made once, and was deleted since,
            # when the server has forgotten that deletion, after its days.
            is_hidden = is_older and effect.key in self.forgotten
            if action.id in self.effects and (wrote or not is_older) and not is_hidden:
                fail(1, f"{action.type} {action.id} took effect twice")
            late = _is_overtaken(action, self.last.get(place)) and not is_older
            # A late copy of a request from before the server was put back is judged once more, for
            # the refusal was lost with the rest: it is not in the line that the device keeps.
            is_astray = action.id in self.unrefused
            is_again = action.id in self.undone or is_astray
            if late and not is_again and not self._world.is_discarded(action.id):
                fail(3, f"{action.id} (seq {action.seq}) took effect after a later one")
            if not is_astray:
                self.last[place] = max(action, self.last.get(place, action), key=_seq)
            for seq in action.depends_on:
                if (device, seq) not in self.done:
                    fail(3, f"{action.id} took effect before seq {seq}, which it depends on")
            self.done.add((device, action.seq))
            self._check_base(effect)
            self.effects[action.id] = effect
            if wrote and effect.row is not None:
                self._wrote(effect, effect.row)
        for effect in effects:
            self._check_overtaking(effect)

    def has_done(self, action_id: str) -> bool:
        """Tell whether an action took effect, even if a restored backup does not know of it."""
        return action_id in self.effects or action_id in self.undone

    def _wrote(self, effect: Effect, row: Row) -> None:
        if row.version <= self.newest:
            self._world.fail(6, f"the server gave version {row.version} after {self.newest}")
        if row.updated_at <= self._updated_at:
            self._world.fail(6, f"version {row.version} is older than the version before it")
        self.newest, self._updated_at = max(self.newest, row.version), row.updated_at
        self.mirror[effect.key] = row
        self.writes.setdefault(effect.key, []).append((row.version, effect.client_id))

    def _check_base(self, effect: Effect) -> None:
        action = effect.action
        if action.type not in ("update", "delete") or effect.before is None:
            return
        if effect.before.data is None and action.type == "delete":
            return
        since = self.writes.get(effect.key, [])
        base = action.base_version or 0
        if any(version > base and client != effect.client_id for version, client in since):
            self._world.fail(7, f"{action.type} {action.id} overwrote what its maker never saw")

    def _check_overtaking(self, effect: Effect) -> None:
        device = self._world.owners.get(effect.client_id)
        if device is not None and not device.is_older:
            for entry in entries_of(device, effect.key):
                if entry.client_id not in ("", effect.client_id):
                    continue  # the device lost its storage since, and counts anew as another client
                if entry.seq < effect.action.seq and entry.id not in self.effects:
                    self._world.fail(3, f"{effect.action.id} overtook {entry.id} ({entry.state})")


def _is_overtaken(action: Action, last: Action | None) -> bool:
    """Tell whether an effect in the action's place, or behind it, came first.

    In the place of an action, only one that was edited into it may have been carried out before it.
    """
    if last is None or last.seq < action.seq:
        return False
    return last.seq > action.seq or last.id not in action.earlier_ids


def _seq(action: Action) -> int:
    return action.seq
