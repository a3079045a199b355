"""Lists of more pages than are read at once: all of it is there, and nothing of it is swept out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.core.schema import ROWS
from app.ports import Batch, Scan
from app.sync import rest_pull
from tests.contracts.transport import JOBS
from tests.fakes import Device, FakeClock, FakeNetwork, json_answer
from tests.plain_api import PlainApi
from tests.sync.test_engine import idle

ITEMS = 23
PAGES = 5


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> PlainApi:
    """An API with one item on each page, of which few are read at once."""
    monkeypatch.setattr(rest_pull, "MOST_PAGES", PAGES)
    api = PlainApi()
    api.page = 1
    api.collections[JOBS] = {f"j{n}": {"id": f"j{n}", "title": f"{n}"} for n in range(ITEMS)}
    return api


@pytest.fixture
async def device(clock: FakeClock, plain: PlainApi) -> AsyncIterator[Device]:
    device = Device(clock, FakeNetwork(clock, plain), rest=True)
    yield device
    await device.kill()


async def stored(device: Device) -> set[str]:
    (rows,) = await device.store.read(Scan(ROWS))
    return {row["data"]["title"] for row in rows}


def titles(plain: PlainApi) -> set[str]:
    return {item["title"] for item in plain.collections[JOBS].values()}


async def test_list_longer_than_is_read_at_once_is_there_to_its_end(
    device: Device, clock: FakeClock, plain: PlainApi
) -> None:
    most: list[int] = []

    def counted(batch: Batch) -> bool:
        most.append(sum(write.store == ROWS for write in batch.writes))
        return False

    device.store.fail_when = counted
    client = await device.open()
    await clock.until(lambda: idle(client))
    assert await stored(device) == titles(plain)
    assert max(most) == PAGES, "never more at once"


async def test_change_anywhere_in_a_long_list_is_noticed_and_nothing_else_is_lost(
    device: Device, clock: FakeClock, plain: PlainApi
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    jobs = plain.collections[JOBS]
    jobs["j1"] = jobs.pop("j1")
    await client.sync()
    assert await stored(device) == titles(plain), "what moved to the end is still there"
    jobs["j20"]["title"] = "changed"
    del jobs["j21"]
    await client.sync()
    assert await stored(device) == titles(plain)
    jobs["new"] = {"id": "new", "title": "new"}
    await client.sync()
    assert await stored(device) == titles(plain)


async def test_long_list_that_did_not_change_costs_no_write(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    written: list[object] = []

    def noted(batch: Batch) -> bool:
        written.extend(write for write in batch.writes if write.store == ROWS)
        return False

    device.store.fail_when = noted
    await client.sync()
    assert written == []


async def test_page_that_is_lost_in_the_middle_of_a_long_list_is_read_later(
    device: Device, clock: FakeClock, plain: PlainApi
) -> None:
    device.network.faults.extend([None] * 13 + [json_answer(404, {"title": "No."})])
    client = await device.open()
    await clock.until(lambda: idle(client))
    assert not device.network.faults
    assert titles(plain) <= await stored(device)


async def test_list_whose_pages_lead_in_a_circle_is_no_endless_reading(
    device: Device, clock: FakeClock, plain: PlainApi
) -> None:
    link = {"link": '<?page=0>; rel="next"'}
    item = {"id": "a", "title": "one"}
    device.network._server = lambda method, url, *rest: (
        json_answer(200, [item], **link) if f"/{JOBS}" in url else plain(method, url, *rest)
    )
    client = await device.open()
    await clock.advance(60)
    assert len(device.network.requests) < 100
    assert "no end" in (client.status.get().last_error or "")
