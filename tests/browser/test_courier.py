"""What the service worker sends is what Python would send, wherever the browser ends it."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.claim import Claim, claim, requeue
from app.core.schema import OUTBOX
from app.memory import MemoryStore
from app.ports import Scan, Value
from app.sync.transport import Push, render_request
from tests.browser.device import (
    NOW,
    Bench,
    RecordingServer,
    Stores,
    kept,
    on_cpython,
    wait_until,
    written,
)
from tests.courier import settle_all

LOCAL = "carried_out_here"
LATER = NOW + 10_000_000_000_000
STATES = (
    {"state": "pending", "next_attempt_at": 0},
    {"state": "pending", "next_attempt_at": 0},
    {"state": "pending", "next_attempt_at": 0},
    {"state": "pending", "next_attempt_at": 1_700_000_000_000},
    {"state": "pending", "next_attempt_at": LATER},
    {"state": "in_flight", "next_attempt_at": LATER, "sent": True},
    {"state": "blocked", "waits_for": [1]},
    {"state": "failed"},
    {"state": "conflict"},
    {"state": "pending", "type": LOCAL},
    {"state": "pending", "damaged": {"seq": 1}},
    {"state": "pending", "action": "{"},
)
TEXTS = ("plain", "“quoted” \\ \"'", "ünïcödé \u2028 \U0001f300", "line\nbreak\ttab", "x" * 3_000)


def python_would_send(stores: Stores) -> str:
    """Return the body of the request that a page would make of what is stored."""
    store = kept(stores)
    metadata = {it["key"]: it["value"] for it in stores["metadata"]}
    _, claimed = on_cpython(
        store,
        requeue(),
        claim(NOW, 100, lambda entry: entry.type in metadata["courier"]["local_types"]),
    )
    assert isinstance(claimed, Claim)
    return render_request(
        Push(metadata["client_id"], claimed.cursor, claimed.settled_through, claimed.entries)
    )


def test_worker_sends_what_python_would_send_byte_for_byte(
    recording: RecordingServer, bench: Bench
) -> None:
    metadata = {it["key"]: it for it in bench.stores()["metadata"]}
    metadata["courier"]["value"]["local_types"] = [LOCAL]
    for seed in range(12):
        rng = random.Random(seed)
        store = kept({"metadata": [metadata["seq"]]})
        count = rng.choice([1, 5, 40, 160])
        outbox = written(store, f"s{seed}", [rng.choice(TEXTS) for _ in range(count)])
        items = [rng.choice(outbox)["item_id"] for _ in range(5)]
        for entry in outbox[:-1]:
            entry |= rng.choice(STATES)
            entry["item_id"] = rng.choice([entry["item_id"], *items])
        if seed % 3 == 0:
            metadata.pop("cursor", None)
        else:
            metadata["cursor"] = {"key": "cursor", "value": f"c{seed}"}
        bench.load(outbox=outbox, metadata=list(metadata.values()), inbox=[])
        expected = python_would_send(bench.stores())
        before = len(recording.pushes())
        bench.sync()
        wait_until(lambda before=before: len(recording.pushes()) > before, bench.page)
        assert recording.pushes()[before] == expected, f"seed {seed}"
        wait_until(bench.idle, bench.page)


class Kills:
    """Trips of a worker that stops at one of its awaits, is killed there, and comes back."""

    def __init__(self, server: RecordingServer, bench: Bench) -> None:
        self._server = server
        self._bench = bench
        self._metadata = bench.stores()["metadata"]
        self._seq = next(it for it in self._metadata if it["key"] == "seq")

    def trip(self, at: int) -> int:
        """Have three actions sent by a worker killed at its await number `at`; 0 lets it live.

        Returns the number of awaits that a worker got to.
        """
        bench, texts = self._bench, [f"k{at}-{n}" for n in range(3)]
        outbox = written(kept({"metadata": [self._seq]}), f"k{at}", texts)
        bench.load(outbox=outbox, metadata=self._metadata, inbox=[])
        worker = bench.worker()
        worker.evaluate("at => { self.steps = 0; self.stopAt = at || Infinity; }", at)
        bench.sync()
        if at:
            wait_until(lambda: worker.evaluate("self.steps") >= at, bench.page)
            bench.stop_worker()
            bench.sync()
        wait_until(lambda: bench.idle() and len(bench.sent()) == 3, bench.page)
        assert settled(kept(bench.stores())) == [], f"killed at {at}"
        assert [it for it in self._server.stored() if it.startswith(f"k{at}-")] == texts
        return 0 if at else int(worker.evaluate("self.steps"))


@pytest.mark.parametrize("recording", [True], indirect=True)
def test_e2_worker_killed_at_every_await_loses_nothing_and_has_one_effect_each(
    recording: RecordingServer, bench: Bench
) -> None:
    kills = Kills(recording, bench)
    steps = kills.trip(0)
    assert steps > 20
    for at in range(1, steps + 1):
        kills.trip(at)


def settled(store: MemoryStore) -> list[Value]:
    """Return what is left of the outbox once the inbox is settled."""

    async def settle() -> list[Value]:
        await settle_all(store, NOW)
        (left,) = await store.read(Scan(OUTBOX))
        return list(left)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, settle()).result()


def test_worker_drains_a_hundred_actions_without_any_python(
    recording: RecordingServer, bench: Bench
) -> None:
    known = {it["key"]: it for it in bench.stores()["metadata"]}
    store = kept({"metadata": [known["seq"]]})
    bench.load(outbox=written(store, "m", [f"m{n}" for n in range(100)]), inbox=[])
    requested: list[str] = []
    bench.context.on("request", lambda request: requested.append(request.url))
    bench.sync()
    wait_until(lambda: len(recording.stored()) == 100, bench.page)
    wait_until(bench.idle, bench.page)
    assert recording.stored() == [f"m{n}" for n in range(100)]
    assert set(requested) <= {f"{recording.url}/api/sync"}
