"""Drafts: text that was begun and not saved yet, kept in the metadata until it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app.core.schema import METADATA
from app.ports import Batch, Clock, Delete, Get, Put, Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draft:
    """A text as it was last kept, at `kept_at` in milliseconds since the epoch."""

    text: str
    kept_at: int


class Drafts:
    """The drafts of this device, by the names of the fields they were written in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def get(self, name: str) -> Draft | None:
        """Return what was kept for a field; what cannot be read any more counts as nothing."""
        (kept,) = await self._store.read(Get(METADATA, _key(name)))
        if kept is None:
            return None
        try:
            return Draft(str(kept["value"]["text"]), int(kept["value"]["kept_at"]))
        except (KeyError, TypeError, ValueError) as error:
            _log.warning("The draft %r on this device cannot be read: %r", name, error)
            return None

    async def keep(self, name: str, text: str) -> None:
        """Keep what a field holds now; nothing is kept of an empty one. Raises `StorageError`."""
        value = {"text": text, "kept_at": self._clock.now()}
        write = Put(METADATA, {"key": _key(name), "value": value})
        nothing = Delete(METADATA, _key(name))
        await self._store.transact([], lambda: Batch([write if text else nothing]))


def _key(name: str) -> str:
    return f"draft:{name}"
