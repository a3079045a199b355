"""What every way to a server must do, seen from the devices that use it.

Run by tests/transports/test_contract.py over the batch protocol and over REST on the real server's
code, and over REST on an API that knows nothing of Driftline.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, Field

from app.core.actions import Data, registry
from app.core.entry import Entry
from app.ports import HttpResponse
from app.protocol import Action
from app.sync.client import Client
from app.sync.collection import Collection
from tests.fakes import HTML, Device, FakeClock, FakeNetwork, error_answer

JOBS = "jobs"


class Job(BaseModel):
    """Something to do."""

    title: str = Field(min_length=1)
    note: str = ""
    done: bool = False


registry.declare(JOBS, Job)


@registry.action("finish_job")
def finish_job(current: Data | None, action: Action) -> Data | None:
    """Tick a job off, whatever it looks like by then."""
    return {**(current or {}), "done": True}


TOO_LARGE = HttpResponse(413, "<h1>Too large</h1>", {"content-type": "text/html"})
BROKEN: list[bool] = []
"""Not empty while `mend_job` has a defect, on devices and on our server."""


@registry.action("mend_job")
def mend_job(current: Data | None, action: Action) -> Data | None:
    """Note that a job is about mending, unless it is broken itself."""
    if BROKEN:
        raise KeyError("no such field")
    return {**(current or {}), "note": "mending"}


@dataclass
class Stage:
    """A server behind a network with faults, and devices that reach it in one way.

    `items` gives what the server has, by id; `effects` how often anything changed there.
    """

    clock: FakeClock
    network: FakeNetwork
    device: Callable[[], Device]
    items: Callable[[], dict[str, Data]]
    effects: Callable[[], int]

    async def open(self) -> Client:
        """Open a new device and return its client, idle."""
        client = await self.device().open()
        await self.rest(client)
        return client

    async def rest(self, *clients: Client) -> None:
        """Let the clients come to rest, with nothing left to send."""
        for client in clients:
            await self.clock.until(partial(is_idle, client), within=36_000)


Case = Callable[[Stage], Awaitable[None]]


def is_idle(client: Client) -> bool:
    status = client.status.get()
    return status.pending == 0 and not status.syncing and status.last_synced is not None


def jobs_of(client: Client) -> Collection[Job]:
    return client.collection(JOBS, Job)


async def shown(client: Client) -> dict[str, Data]:
    """Return what a device shows, by id."""
    view = jobs_of(client)
    await view.load(1000)
    return {item.id: item.value.model_dump() for item in view.get_view().items}


async def made(stage: Stage, client: Client, **fields: Any) -> str:
    """Make a job and bring it to the server."""
    item = await jobs_of(client).save(Job(**{"title": "Mend the fence", **fields}))
    await stage.rest(client)
    return item


async def entries(client: Client) -> list[Entry]:
    return list(await client.queue.pending())


async def edit(client: Client, item: str, **fields: Any) -> str:
    return str(await client.queue.add("update", fields, collection=JOBS, item_id=item))


async def change_reaches_the_server_and_leaves_the_outbox(stage: Stage) -> None:
    client = await stage.open()
    item = await made(stage, client, title="Mend the fence")
    assert stage.items() == {item: {"title": "Mend the fence", "note": "", "done": False}}
    await edit(client, item, note="at the back")
    await stage.rest(client)
    assert stage.items()[item]["note"] == "at the back"
    await jobs_of(client).delete(item)
    await stage.rest(client)
    assert (stage.items(), await shown(client), stage.effects()) == ({}, {}, 3)


async def lost_answers_have_one_effect_each(stage: Stage) -> None:
    client = await stage.open()
    item = ""
    for step in range(3):
        stage.network.faults.extend(["lost"] * 3)
        if step == 0:
            item = await jobs_of(client).save(Job(title="Mend the fence"))
        elif step == 1:
            await edit(client, item, note="at the back")
        else:
            await jobs_of(client).delete(item)
        await stage.rest(client)
        assert (stage.effects(), len(stage.network.faults)) == (step + 1, 0)
        assert client.status.get().count == 0


async def answer_lost_in_the_middle_loses_and_doubles_nothing(stage: Stage) -> None:
    for position in range(6):
        client = await stage.device().open(run=False)
        before = stage.effects()
        for number in range(4):
            await jobs_of(client).save(Job(title=f"{position}.{number}"))
        running = asyncio.ensure_future(client.run())
        stage.network.faults.extend([None] * position + ["lost"])
        await stage.rest(client)
        assert stage.effects() - before == 4
        assert await shown(client) == stage.items()
        running.cancel()
        stage.network.faults.clear()


async def changes_of_one_item_take_effect_in_order(stage: Stage) -> None:
    client = await stage.open()
    item = await made(stage, client)
    stage.network.gate = asyncio.Event()
    await edit(client, item, note="1")
    await stage.clock.advance(0.1)
    await edit(client, item, note="2")
    await stage.clock.advance(0.1)
    await edit(client, item, title="Mended", note="3")
    stage.network.gate.set()
    stage.network.gate = None
    await stage.rest(client)
    assert client.status.get().count == 0, "one's own earlier changes are no conflict"
    assert stage.items()[item] == {"title": "Mended", "note": "3", "done": False}


async def item_made_changed_and_deleted_while_it_is_on_its_way(stage: Stage) -> None:
    client = await stage.open()
    stage.network.gate = asyncio.Event()
    item = await jobs_of(client).save(Job(title="Mend the fence"))
    await stage.clock.advance(0.1)
    await edit(client, item, note="at the back")
    await stage.clock.advance(0.1)
    await client.queue.add("finish_job", collection=JOBS, item_id=item)
    gone = await jobs_of(client).save(Job(title="Gone"))
    await jobs_of(client).delete(item)
    again = await jobs_of(client).save(Job(title="Made again"), item)
    assert again == item
    stage.network.gate.set()
    await stage.rest(client)
    assert client.status.get().count == 0
    assert {key: value["title"] for key, value in stage.items().items()} == {
        item: "Made again",
        gone: "Gone",
    }


async def conflict_keeps_both_sides(stage: Stage) -> None:
    mine, theirs = await stage.open(), await stage.open()
    item = await made(stage, mine)
    await theirs.sync()
    await edit(theirs, item, note="theirs")
    await stage.rest(theirs)
    await edit(mine, item, note="mine")
    await edit(mine, item, title="Mine")
    await mine.sync()
    await stage.rest(mine)
    assert mine.status.get().conflicts == 1
    (held,) = await entries(mine)
    assert held.state == "conflict"
    assert held.theirs is not None
    assert held.theirs["note"] == "theirs"
    assert held.base is not None
    assert held.base["note"] == ""
    assert stage.items()[item]["note"] == "theirs"
    assert (await shown(mine))[item]["note"] == "mine"
    await mine.queue.retry(held.id)
    await stage.rest(mine)
    assert stage.items()[item] == {"title": "Mine", "note": "mine", "done": False}


async def change_of_a_conflict_holds_those_behind_it(stage: Stage) -> None:
    mine, theirs = await stage.open(), await stage.open()
    item, other = await made(stage, mine), await made(stage, mine)
    await theirs.sync()
    await edit(theirs, item, note="theirs")
    await stage.rest(theirs)
    stage.network.gate = asyncio.Event()
    await edit(mine, item, note="mine")
    await stage.clock.advance(0.1)
    await edit(mine, item, title="Behind")
    await edit(mine, other, title="Beside")
    stage.network.gate.set()
    await stage.clock.until(lambda: mine.status.get().conflicts == 1)
    await stage.clock.until(lambda: stage.items()[other]["title"] == "Beside")
    assert [entry.state for entry in await entries(mine)] == ["conflict", "blocked"]
    assert stage.items()[item]["title"] == "Mend the fence"


async def change_that_checks_no_version_goes_on_top_of_what_others_did(stage: Stage) -> None:
    mine, theirs = await stage.open(), await stage.open()
    item = await made(stage, mine)
    await theirs.sync()
    await edit(theirs, item, note="theirs")
    await stage.rest(theirs)
    await mine.queue.add("finish_job", collection=JOBS, item_id=item)
    stage.network.faults.extend([None, "lost", "lost"])
    await mine.sync()
    await stage.rest(mine)
    assert stage.items()[item] == {"title": "Mend the fence", "note": "theirs", "done": True}
    assert (stage.effects(), mine.status.get().count) == (3, 0)


async def what_the_server_will_not_have_fails_and_the_others_go_on(stage: Stage) -> None:
    client = await stage.open()
    item = await made(stage, client, note="x" * 40_000)
    big = await edit(client, item, title="y" * 40_000)
    after = await edit(client, item, done=True)
    fine = await jobs_of(client).save(Job(title="Fine"))
    await stage.clock.until(lambda: client.status.get().failed == 1)
    await stage.clock.until(lambda: fine in stage.items())
    entry = await client.queue.get(big)
    assert entry.state == "failed"
    assert entry.error is not None
    assert entry.error.message
    assert after in (big, *(await client.queue.get(after)).id.split())
    assert stage.items()[item]["title"] == "Mend the fence"


async def server_that_asks_for_time_gets_it_and_costs_no_attempt(stage: Stage) -> None:
    client = await stage.open()
    for status in (408, 425, 429, 503):
        before = stage.clock.now()
        stage.network.faults.append(error_answer(status, retry_after="30"))
        await jobs_of(client).save(Job(title=f"{status}"))
        await stage.rest(client)
        assert stage.clock.now() - before >= 30_000
    assert {item["title"] for item in stage.items().values()} == {"408", "425", "429", "503"}
    assert client.status.get().failed == 0


async def queue_is_held_in_order_until_somebody_signs_in(stage: Stage) -> None:
    client = await stage.open()
    stage.network.faults.extend([error_answer(401, "signed_out")] * 2)
    await jobs_of(client).save(Job(title="one"))
    await jobs_of(client).save(Job(title="two"))
    await stage.clock.until(lambda: client.status.get().hold == "sign_in")
    asked = len(stage.network.requests)
    await jobs_of(client).save(Job(title="three"))
    await stage.clock.advance(600)
    assert (len(stage.network.requests), stage.items()) == (asked, {})
    await stage.clock.advance(600)
    await client.sync()
    await stage.rest(client)
    assert [item["title"] for item in stage.items().values()] == ["one", "two", "three"]


async def queue_is_held_until_the_app_is_updated(stage: Stage) -> None:
    client = await stage.open()
    stage.network.faults.append(error_answer(426, "too_old"))
    await jobs_of(client).save(Job(title="one"))
    await stage.clock.until(lambda: client.status.get().hold == "update")
    assert (client.status.get().pending, client.status.get().failed) == (1, 0)


async def page_of_a_captive_portal_acknowledges_nothing(stage: Stage) -> None:
    client = await stage.open()
    stage.network.faults.extend([HTML] * 6)
    await jobs_of(client).save(Job(title="one"))
    await stage.clock.until(lambda: client.connection.status == "disconnected")
    assert client.connection.get().no_server
    assert (client.status.get().pending, stage.items()) == (1, {})
    await stage.rest(client)
    assert stage.effects() == 1


async def action_at_which_the_server_fails_is_put_off_and_the_others_go_on(stage: Stage) -> None:
    client, answer = await stage.open(), stage.network._server

    def poisoned(
        method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        bad = body is not None and "poison" in body
        return error_answer(500) if bad else answer(method, url, body, headers)

    stage.network._server = poisoned
    await jobs_of(client).save(Job(title="poison"))
    for number in range(6):
        await jobs_of(client).save(Job(title=f"good {number}"))
        await stage.clock.advance(120)
    assert stage.effects() == 6
    (entry,) = await entries(client)
    assert (entry.state, entry.attempts) == ("failed", 3)


async def action_whose_function_has_a_defect_fails_alone(stage: Stage) -> None:
    client = await stage.open()
    item = await made(stage, client)
    stage.network.down = True
    bad = await client.queue.add("mend_job", collection=JOBS, item_id=item)
    fine = await jobs_of(client).save(Job(title="Fine"))
    BROKEN.append(True)
    try:
        stage.network.down = False
        await client.sync()
        await stage.clock.until(lambda: client.status.get().failed == 1)
        await stage.clock.until(lambda: fine in stage.items())
        entry = await client.queue.get(bad)
        assert (entry.state, entry.error and entry.error.code) == ("failed", "failed")
    finally:
        BROKEN.clear()
    await client.queue.retry(bad)
    await stage.rest(client)
    assert stage.items()[item]["note"] == "mending"


async def proxy_that_finds_one_action_too_large_fails_it_alone(stage: Stage) -> None:
    client, answer = await stage.open(), stage.network._server

    def small(method: str, url: str, body: str | None, headers: Mapping[str, str]) -> HttpResponse:
        too_large = method != "GET" and body is not None and len(body) > 5_000
        return TOO_LARGE if too_large else answer(method, url, body, headers)

    stage.network._server = small
    big = await jobs_of(client).save(Job(title="x" * 6_000))
    fine = await jobs_of(client).save(Job(title="Fine"))
    await stage.clock.until(lambda: client.status.get().failed == 1)
    await stage.clock.until(lambda: fine in stage.items())
    assert big not in stage.items()
    assert client.connection.status == "connected"


async def answer_nested_without_end_counts_as_no_network(stage: Stage) -> None:
    client = await stage.open()
    deep = HttpResponse(200, "[" * 100_000, {"content-type": "application/json"})
    stage.network.faults += [deep, deep]
    item = await jobs_of(client).save(Job(title="Kept"))
    await stage.clock.advance(0.5)
    assert client.status.get().pending == 1
    assert client.connection.status == "disconnected"
    await stage.rest(client)
    assert item in stage.items()


async def page_of_a_proxy_that_asks_for_time_gets_it(stage: Stage) -> None:
    client = await stage.open()
    for status in (429, 503):
        before = stage.clock.now()
        headers = {"content-type": "text/html", "retry-after": "100"}
        stage.network.faults.append(HttpResponse(status, "<h1>Wait</h1>", headers))
        await jobs_of(client).save(Job(title=f"{status}"))
        await stage.rest(client)
        assert stage.clock.now() - before >= 100_000
    assert {item["title"] for item in stage.items().values()} == {"429", "503"}


async def pull_shows_what_others_made_changed_and_deleted(stage: Stage) -> None:
    mine, theirs = await stage.open(), await stage.open()
    one, two = await made(stage, theirs, title="one"), await made(stage, theirs, title="two")
    await mine.sync()
    assert await shown(mine) == stage.items()
    assert list(await shown(mine)) == [one, two]
    await edit(theirs, one, done=True)
    await jobs_of(theirs).delete(two)
    await stage.rest(theirs)
    await mine.sync()
    assert await shown(mine) == stage.items() == {one: stage.items()[one]}
    assert (await shown(mine))[one]["done"]


async def deleting_what_others_deleted_succeeds(stage: Stage) -> None:
    mine, theirs = await stage.open(), await stage.open()
    item = await made(stage, mine)
    await theirs.sync()
    await jobs_of(theirs).delete(item)
    await stage.rest(theirs)
    await jobs_of(mine).delete(item)
    await mine.sync()
    await stage.rest(mine)
    assert (mine.status.get().count, stage.items(), await shown(mine)) == (0, {}, {})


async def page_killed_at_each_step_has_one_effect(stage: Stage) -> None:
    for turns in range(0, 40, 3):
        device = stage.device()
        client = await device.open()
        before = stage.effects()
        item = await jobs_of(client).save(Job(title=f"{turns}"))
        await stage.clock.advance(0.04)
        await edit(client, item, note="changed")
        await stage.clock.advance(0.03)
        for _ in range(turns):
            await asyncio.sleep(0)
        await device.kill()
        survivor = await device.open()
        await stage.rest(survivor)
        assert stage.effects() - before in (1, 2), "made, and changed unless that was joined"
        assert stage.items()[item]["note"] == "changed"
        assert survivor.status.get().count == 0
        await device.kill()


async def any_order_of_two_clients_ends_alike(stage: Stage) -> None:
    for seed in range(4):
        await _play(stage, random.Random(seed))


async def _play(stage: Stage, rng: random.Random) -> None:
    devices = [stage.device(), stage.device()]
    clients = [await device.open() for device in devices]
    made_here: set[str] = set()
    for _ in range(30):
        who = rng.randrange(2)
        known = sorted(await shown(clients[who]))
        step = rng.choice(["make", "edit", "edit", "delete", "finish", "wait", "fault", "restart"])
        if step == "make" or not known:
            made_here.add(await jobs_of(clients[who]).save(Job(title=f"{rng.random()}")))
        elif step == "edit":
            await edit(clients[who], rng.choice(known), note=f"{rng.random()}")
        elif step == "delete":
            await jobs_of(clients[who]).delete(rng.choice(known))
        elif step == "finish":
            await clients[who].queue.add("finish_job", collection=JOBS, item_id=rng.choice(known))
        elif step == "fault":
            stage.network.faults.append(rng.choice(["lost", HTML, error_answer(503), None]))
        elif step == "restart":
            await devices[who].kill()
            clients[who] = await devices[who].open()
        await stage.clock.advance(rng.choice([0, 0.01, 0.05, 1, 10]))
    stage.network.faults.clear()
    for client in (*clients, *clients):
        await client.sync()
        while client.status.get().count:
            for held in await entries(client):
                if held.state in ("conflict", "failed"):
                    await client.queue.remove(held.id)
            await client.sync()
            await stage.clock.advance(3600)
    for client in (*clients, *clients):
        await client.sync()
        await stage.rest(client)
        assert await shown(client) == stage.items()
    for device in devices:
        await device.kill()


_HELPERS = {"shown", "made", "entries", "edit"}
ALL: list[Case] = [
    value
    for name, value in list(globals().items())
    if inspect.iscoroutinefunction(value) and name not in _HELPERS and not name.startswith("_")
]
