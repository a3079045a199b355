"""What must hold after every scenario, once the faults are over: the common oracle."""

from __future__ import annotations

import json
from typing import Any

from app.core.schema import ROWS
from app.ports import Scan
from app.protocol import PROTOCOL
from app.sync.client import Client
from tests.fakes import Device, FakeClock
from tests.loopback import Loopback


def server_rows(server: Loopback) -> list[dict[str, Any]]:
    """Return all rows of the server in the order of their versions."""
    rows: list[dict[str, Any]] = []
    cursor, more = None, True
    while more:
        body = {"protocol": PROTOCOL, "client_id": "reader", "cursor": cursor}
        page = json.loads(server("POST", "/api/sync", json.dumps(body)).body)
        rows += page["rows"]
        cursor, more = page["cursor"], page["has_more"]
    return rows


async def device_rows(device: Device) -> list[dict[str, Any]]:
    """Return all rows of a device in the order of their versions."""
    (found,) = await device.store.read(Scan(ROWS))
    rows = [{name: row[name] for name in row if name != "round"} for row in found]
    return sorted(rows, key=lambda row: row["version"])


def drained(client: Client, blocked: int = 0) -> bool:
    """Tell whether all that is left waits for a person, `blocked` of it behind something else."""
    status = client.status.get()
    return status.pending == blocked and not status.syncing and status.last_error is None


async def all_is_well(
    clock: FakeClock,
    server: Loopback,
    *contexts: tuple[Device, Client],
    saved: list[str] | None = None,
    within: float = 90,
    blocked: int = 0,
) -> float:
    """Wait until all is quiet, and check what must hold then; returns the seconds it took.

    Every text in `saved` is on the server exactly once, every device has the server's rows field
    by field, and whatever is left in an outbox says why.
    """
    took = await clock.until(
        lambda: all(drained(client, blocked) for _, client in contexts), within
    )
    if saved is not None:
        assert sorted(server.texts()) == sorted(saved)
    for device, client in contexts:
        report = await client.sync()
        assert report.error is None
        here, there = await device_rows(device), server_rows(server)
        assert [row for row in there if row not in here] == []
        gone = [row for row in here if row not in there]
        assert all(row["deleted"] for row in gone), "only of deletions may the server forget"
        for entry in await client.queue.pending():
            if entry.state != "blocked":
                assert entry.state in ("failed", "conflict")
                assert entry.error is not None or entry.state == "conflict"
    return took
