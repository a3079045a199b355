"""Reading everything on the device, page by page, for a file that a person keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from app.core.export import ExportFile
from app.core.schema import METADATA, OUTBOX, ROWS
from app.ports import Get, Scan, Store
from app.sync.preferences import KEY as PREFERENCES

PAGE = 500
"""Rows or entries read in one transaction."""


async def exported(store: Store, facts: Mapping[str, Any]) -> AsyncIterator[str]:
    """Give the pieces of the file with everything in a store (app/core/export.py)."""
    file = ExportFile()
    (kept,) = await store.read(Get(METADATA, PREFERENCES))
    yield file.begin({**facts, "preferences": kept["value"] if kept else {}})
    found = await _page(store, Scan(OUTBOX, limit=PAGE))
    while found:
        yield file.entries(found)
        found = await _page(store, Scan(OUTBOX, lower=found[-1]["seq"] + 1, limit=PAGE))
    found = await _page(store, Scan(ROWS, limit=PAGE))
    while found:
        yield file.rows(found)
        behind = [found[-1]["collection"], found[-1]["id"] + "\0"]  # the very next possible key
        found = await _page(store, Scan(ROWS, lower=behind, limit=PAGE))
    yield file.end()


async def _page(store: Store, scan: Scan) -> list[dict[str, Any]]:
    (found,) = await store.read(scan)
    return list(found)
