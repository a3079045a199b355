"""S20 from end to end: an app is updated with old actions queued, or sends to an older server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from app.core.actions import registry
from app.ports import HttpResponse
from app.sync.client import Client
from tests.contracts.transport import JOBS, Job, jobs_of
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback
from tests.scenarios.oracle import server_rows
from tests.sync.test_engine import idle


@pytest.fixture(autouse=True)
def _first_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test with the app's first version."""
    for name in ("_types", "_upcasters"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    registry.action("note_job")(lambda _, action: {"title": (action.data or {})["name"]})


def update_the_app() -> None:
    """Register the second version, whose data has other fields, and the way up to it."""
    registry.action("note_job", version=2)(lambda _, action: action.data)
    registry.upcast("note_job", 1, 2)(lambda data: {"title": data["name"].upper()})


async def queue_an_old_one(device: Device) -> None:
    client = await device.open(run=False)
    await client.queue.add("note_job", {"name": "Mend"}, collection=JOBS, item_id="a")
    await device.kill()


async def titles(client: Client) -> list[str]:
    return [job.title for job in await jobs_of(client).all()]


@pytest.mark.parametrize("rest", [False, True], ids=["batch", "rest"])
async def test_s20_old_action_is_shown_brought_up_and_brought_up_by_the_server_too(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback, rest: bool
) -> None:
    device.rest = rest
    await queue_an_old_one(device)
    update_the_app()
    network.down = True
    client = await device.open()
    assert await titles(client) == ["MEND"]
    (entry,) = await client.queue.pending()
    assert (entry.parsed().version, entry.parsed().data) == (1, {"name": "Mend"})
    network.down = False
    await client.sync()
    await clock.until(lambda: idle(client))
    sent = [body for _, method, _, body in network.requests if method == "POST" and body]
    if not rest:
        (action,) = [action for body in sent for action in body["actions"]][-1:]
        assert (action["version"], action["data"]) == (1, {"name": "Mend"})
    (row,) = server_rows(server)
    assert row["data"] == Job(title="MEND").model_dump()
    assert await titles(client) == ["MEND"]


class OlderServer:
    """The real server, as it was before the app was updated, until it is updated itself."""

    def __init__(self, server: Loopback) -> None:
        self._server = server
        self._types = dict(registry._types)
        self.updated = False

    def __call__(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        with self._its_own_types():
            return self._server(method, url, body, headers)

    @contextmanager
    def _its_own_types(self) -> Iterator[None]:
        newer: dict[str, Any] = dict(registry._types)
        if not self.updated:
            registry._types.update(self._types)
        yield
        registry._types.update(newer)


async def test_s20_action_of_a_version_that_the_server_does_not_know_is_kept_until_it_does(
    clock: FakeClock, server: Loopback
) -> None:
    older = OlderServer(server)
    device = Device(clock, FakeNetwork(clock, older))
    update_the_app()
    client = await device.open()
    new = await client.queue.add("note_job", {"title": "Mend"}, collection=JOBS, item_id="a")
    fine = await jobs_of(client).save(Job(title="Fine"))
    await clock.until(lambda: client.status.get().failed == 1 and client.queue.count == 1)
    entry = await client.queue.get(new)
    assert entry.error is not None
    assert (entry.error.code, entry.parsed().data) == ("unsupported_version", {"title": "Mend"})
    assert [row["id"] for row in server_rows(server)] == [fine]
    assert await titles(client) == ["Fine", "Mend"]
    older.updated = True
    await client.queue.retry(new)
    await clock.until(lambda: idle(client))
    assert await titles(client) == ["Fine", "Mend"]
    await device.kill()
