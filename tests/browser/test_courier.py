"""What the service worker sends is what Python would send, wherever the browser ends it."""

from __future__ import annotations

import asyncio
import json
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from app.core.claim import Claim, claim, requeue
from app.core.schema import OUTBOX
from app.memory import MemoryStore
from app.ports import Scan, Value
from app.sync.transport import Push, render_request
from tests.browser.bench import Bench, wait_until
from tests.browser.stored import NOW, Stores, kept, on_cpython, written
from tests.courier import settle_all

FAILS = "status of [45]"
"""How the browser's console begins to speak of a server that refuses."""
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
    {"state": "pending", "client_id": "before"},
    {"state": "in_flight", "next_attempt_at": LATER, "sent": True, "client_id": "before"},
)
PULLED: tuple[dict[str, Any], ...] = (
    {"cursor": None, "reset": None},
    {"cursor": "c1", "reset": {"round": 0, "phase": "none"}},
    {"cursor": "c2", "reset": {"round": 3, "phase": "pulling"}},
    {"cursor": "c3", "reset": {"round": 1, "phase": "?"}},
    {"cursor": 7, "reset": {"round": 1, "phase": "none"}},
)
TEXTS = ("plain", "“quoted” \\ \"'", "ünïcödé \u2028 \U0001f300", "line\nbreak\ttab", "x" * 3_000)


def python_would_send(stores: Stores) -> str:
    """Return the body of the request that a page would make of what is stored."""
    store = kept(stores)
    courier = next(it["value"] for it in stores["metadata"] if it["key"] == "courier")
    _, claimed = on_cpython(
        store,
        requeue(NOW, None),
        claim(NOW, 100, lambda entry: entry.type in courier["local_types"]),
    )
    assert isinstance(claimed, Claim)
    return render_request(
        Push(claimed.client_id, claimed.cursor, claimed.settled_through, claimed.entries)
    )


def test_worker_sends_what_python_would_send_byte_for_byte(bench: Bench) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        told = {"api": "./api", "local_types": [LOCAL]}
        metadata = bench.metadata(courier=told, **PULLED[seed % len(PULLED)])
        count = rng.choice([1, 5, 40, 160])
        texts = [rng.choice(TEXTS) for _ in range(count)]
        outbox = written(kept({"metadata": [metadata["seq"]]}), f"s{seed}", texts)
        items = [rng.choice(outbox)["item_id"] for _ in range(5)]
        for entry in outbox[:-1]:
            entry |= rng.choice(STATES)
            entry["item_id"] = rng.choice([entry["item_id"], *items])
        bench.load(outbox=outbox, metadata=list(metadata.values()), inbox=[])
        expected = python_would_send(bench.stores())
        before = len(bench.requests())
        bench.sync()
        wait_until(partial(has_asked_more, bench, before), bench.page)
        assert bench.requests()[before] == expected, f"seed {seed}"
        wait_until(bench.idle, bench.page)


def has_asked_more(bench: Bench, than: int) -> bool:
    return len(bench.requests()) > than


def killed_at(bench: Bench, at: int) -> int:
    """Have three actions sent by a worker killed at its await number `at`; 0 lets it live.

    Returns the number of awaits that a worker got to.
    """
    bench.begin()
    texts = [f"k{at}-{n}" for n in range(3)]
    bench.queue(*texts)
    worker = bench.worker()
    worker.evaluate("at => { MOST_ACTIONS = 2; self.steps = 0; self.stopAt = at || Infinity; }", at)
    bench.sync()
    if at:
        wait_until(lambda: worker.evaluate("self.steps") >= at, bench.page)
        bench.stop_worker()
        bench.sync()
    wait_until(lambda: bench.idle() and len(bench.sent()) == 3, bench.page)
    assert settled(kept(bench.stores())) == [], f"killed at {at}"
    assert bench.stored() == texts
    return 0 if at else int(worker.evaluate("self.steps"))


def settled(store: MemoryStore) -> list[Value]:
    """Return what is left of the outbox once the inbox is settled."""

    async def settle() -> list[Value]:
        await settle_all(store, NOW)
        (left,) = await store.read(Scan(OUTBOX))
        return list(left)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, settle()).result()


def test_e2_worker_killed_at_every_await_loses_nothing_and_has_one_effect_each(
    bench: Bench,
) -> None:
    steps = killed_at(bench, 0)
    assert steps > 20
    for at in range(1, steps + 1):
        killed_at(bench, at)


def test_worker_drains_a_hundred_actions_without_any_python(bench: Bench) -> None:
    texts = [f"m{n}" for n in range(100)]
    bench.queue(*texts)
    requested: list[str] = []
    bench.context.on("request", lambda request: requested.append(request.url))
    bench.leave()
    bench.stop_worker()
    bench.sync()
    wait_until(lambda: len(bench.stored()) == 100, bench.page)
    assert set(requested) == {f"{bench.url}/api/sync"}
    bench.come_back()
    wait_until(bench.idle, bench.page)
    assert bench.stored() == texts
    assert settled(kept(bench.stores())) == []


def test_e1_failing_server_leaves_the_queue_and_tells_the_person_at_the_last_chance(
    bench: Bench,
) -> None:
    bench.watch.allow.append(FAILS)
    bench.queue("one", "two", "three")
    outbox = bench.stores()["outbox"]
    bench.server.fault("error_500", times=2)
    bench.leave()
    bench.sync()
    wait_until(lambda: len(bench.requests()) == 1, bench.page)
    bench.come_back()
    wait_until(bench.idle, bench.page)
    assert (bench.notifications(), bench.stores()["outbox"]) == ([], outbox)
    bench.leave()
    bench.sync(last_chance=True)
    wait_until(lambda: len(bench.requests()) == 2, bench.page)
    wait_until(lambda: bool(bench.told()), bench.page)
    bench.come_back()
    assert bench.notifications() == ["3 changes wait on this device"]
    assert (bench.stores()["outbox"], bench.stored()) == (outbox, [])


def test_s12_last_chance_registers_again_and_says_nothing_to_whom_the_page_is_open(
    bench: Bench,
) -> None:
    bench.watch.allow.append(FAILS)
    bench.queue("one")
    bench.server.fault("error_500", times=1)
    bench.sync(last_chance=True)
    wait_until(lambda: bench.stored() == ["one"], bench.page)
    assert bench.notifications() == []


@pytest.mark.parametrize("fault", ["html_200", "drop_after_commit", "unavailable_503"])
def test_attempt_without_an_answer_is_made_again_under_the_same_ids(
    bench: Bench, fault: str
) -> None:
    bench.watch.allow += [FAILS, "net::ERR_"]
    ids = bench.queue(f"{fault} one", f"{fault} two")
    bench.server.fault(fault)
    bench.sync()
    wait_until(lambda: bool(bench.requests()) and bench.idle(), bench.page)
    assert bench.sent() == []
    bench.sync()
    wait_until(lambda: bench.sent() == ids, bench.page)
    (record,) = bench.stores()["inbox"]
    assert record["again"] is True
    assert bench.stored() == [f"{fault} one", f"{fault} two"]
    assert len(set(bench.pushed())) == 1


def test_request_that_the_server_refuses_is_left_to_the_page(bench: Bench) -> None:
    bench.watch.allow.append(FAILS)
    (only,) = bench.queue("one")
    (entry,) = bench.stores()["outbox"]
    action = json.dumps({**json.loads(entry["action"]), "created_at": "never"})
    bench.load(outbox=[{**entry, "action": action}])
    bench.sync()
    wait_until(lambda: len(bench.requests()) == 1 and bench.idle(), bench.page)
    assert bench.stores()["inbox"] == []
    assert [it["id"] for it in bench.stores()["outbox"]] == [only]


def test_what_stands_behind_a_refused_action_of_its_item_waits_for_python(bench: Bench) -> None:
    ids = bench.queue("kept", "refused", "behind", "other")
    outbox = bench.stores()["outbox"]
    action = json.loads(outbox[1]["action"])
    outbox[1]["action"] = json.dumps({**action, "type": "unheard_of"})
    outbox[2]["item_id"] = outbox[1]["item_id"]
    bench.load(outbox=outbox)
    bench.worker().evaluate("MOST_ACTIONS = 2")
    bench.sync()
    wait_until(lambda: bench.stored() == ["kept", "other"] and bench.idle(), bench.page)
    assert bench.sent() == [ids[0], ids[1], ids[3]]


def test_s20_actions_of_an_older_app_are_sent_as_they_stand(bench: Bench) -> None:
    bench.queue("one")
    (entry,) = bench.stores()["outbox"]
    action = json.loads(entry["action"])
    del action["version"]
    older = {key: entry[key] for key in ("seq", "id", "type", "collection", "item_id", "state")}
    stored = {**older, "next_attempt_at": 0, "action": json.dumps(action)}
    bench.load(outbox=[stored])
    bench.sync()
    wait_until(lambda: bench.stored() == ["one"] and bench.idle(), bench.page)
    assert settled(kept(bench.stores())) == []


@pytest.mark.parametrize("lost", ["courier", "client_id", "seq", "reset"])
def test_device_whose_records_were_lost_sends_nothing_that_python_would_not(
    bench: Bench, lost: str
) -> None:
    bench.queue("one")
    metadata = bench.metadata(cursor="c9", reset={"round": 0, "phase": "none"})
    del metadata[lost]
    bench.load(metadata=list(metadata.values()))
    worker = bench.worker()
    worker.evaluate("self.steps = 0")
    bench.sync()
    if lost in ("courier", "client_id"):
        wait_until(lambda: worker.evaluate("self.steps") > 3 and bench.idle(), bench.page)
        assert (bench.requests(), bench.stores()["inbox"]) == ([], [])
        return
    wait_until(lambda: bench.stored() == ["one"] and bench.idle(), bench.page)
    assert json.loads(bench.pushed()[0])["cursor"] == (None if lost == "reset" else "c9")
