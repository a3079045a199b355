"""What only `RestTransport` does: forms of answers, requests one by one, and reading lists."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from app.core.messages import COLLECTION, Message
from app.core.schema import ROWS
from app.errors import Unreachable
from app.ports import Batch, HttpResponse, Scan
from app.protocol import Problem
from app.sync.client import Client
from app.sync.rest_items import problem_in
from app.sync.rest_pull import place_of
from tests.contracts.transport import JOBS, Job, edit, entries, jobs_of, shown
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer, json_answer
from tests.loopback import Loopback
from tests.plain_api import PlainApi
from tests.sync.test_engine import idle, send


@pytest.fixture
async def device(clock: FakeClock, network: FakeNetwork) -> AsyncIterator[Device]:
    device = Device(clock, network, rest=True)
    yield device
    await device.kill()


@pytest.fixture
def plain() -> PlainApi:
    return PlainApi()


@pytest.fixture
async def visitor(clock: FakeClock, plain: PlainApi) -> AsyncIterator[Device]:
    """A device of an API that is not ours."""
    device = Device(clock, FakeNetwork(clock, plain), rest=True)
    yield device
    await device.kill()


def writes(network: FakeNetwork) -> list[tuple[str, str, Any]]:
    """Return method, path below the API and key of each request that is to change something."""
    asked = zip(network.requests, network.headers, strict=True)
    return [
        (method, url.partition("/api/")[2], headers.get("Idempotency-Key"))
        for (_, method, url, _), headers in asked
        if method != "GET"
    ]


async def test_each_action_is_a_request_that_its_effect_on_the_item_decides(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    ids = []
    item = await jobs_of(client).save(Job(title="Mend the fence"))
    for step in (None, "finish_job", "update", "delete"):
        if step is not None:
            data = {"note": "at the back"} if step == "update" else None
            await client.queue.add(step, data, collection=JOBS, item_id=item)
        ids += [entry.id for entry in await entries(client)]
        await clock.until(lambda: idle(client))
        await client.sync()
    at = f"{JOBS}/{item}"
    methods = [("POST", JOBS), ("PUT", at), ("PUT", at), ("DELETE", at)]
    assert writes(network) == [(*method, key) for method, key in zip(methods, ids, strict=True)]
    matches = [headers["If-Match"] for headers in network.headers if "If-Match" in headers]
    assert matches == ['"1"', '"2"', '"3"']


async def test_message_is_created_and_those_of_others_are_unread(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    theirs = await Device(clock, network, seed=2).open()
    await send(client, "mine")
    await clock.until(lambda: idle(client))
    await send(theirs, "from afar")
    await clock.until(lambda: idle(theirs))
    await client.sync()
    assert server.texts() == ["mine", "from afar"]
    seen = await client.collection(COLLECTION, Message).all()
    assert [message.text for message in seen] == ["mine", "from afar"]
    assert client.status.get().unread == 1


async def test_verdicts_before_a_failure_are_settled_and_the_rest_keeps_its_ids(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.extend([None, None, Unreachable("Gone."), Unreachable("Gone.")])
    ids = await send(client, "one", "two", "three", "four")
    await clock.advance(0.15)
    assert [entry.id for entry in await entries(client)] == ids[2:]
    assert client.connection.status == "connecting"
    await clock.until(lambda: idle(client))
    keys = [key for _, _, key in writes(network)]
    assert keys[:3] == ids[:3]
    assert set(keys) == set(ids)
    assert server.texts() == ["one", "two", "three", "four"]


async def test_only_what_was_begun_is_in_doubt(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.extend([None, "lost", None])
    await send(client, "one", "two", "three")
    await clock.until(lambda: client.connection.status == "connecting")
    assert [entry.in_doubt for entry in await entries(client)] == [True, False]


async def test_dead_network_is_noticed_probed_and_recovered_from_over_a_restart(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.down = True
    await send(client, "one", "two")
    assert await clock.until(lambda: client.connection.status == "disconnected") <= 10
    await clock.advance(600)
    await device.kill()
    again = await device.open()
    await clock.until(lambda: again.connection.status == "disconnected")
    network.down = False
    await clock.until(lambda: idle(again), within=72)
    assert again.connection.status == "connected"
    assert server.texts() == ["one", "two"]


async def test_slow_requests_are_settled_in_between(device: Device, clock: FakeClock) -> None:
    """So that a healthy but slow line never looks dead, and a crash has little to ask again."""
    answer = device.network._server

    def slow(method: str, url: str, body: str | None, headers: Any) -> HttpResponse:
        clock.time += 3_000 if method == "POST" else 0
        return answer(method, url, body, headers)

    device.network._server = slow
    settled: list[int] = []

    def noted(batch: Batch) -> bool:
        settled.append(getattr(batch.result, "synced", 0))
        return False

    device.store.fail_when = noted
    client = await device.open()
    await send(client, *map(str, range(6)))
    await clock.until(lambda: idle(client))
    assert [count for count in settled if count] == [2, 2, 2]


@pytest.mark.parametrize("status", [400, 403, 404, 410, 422])
async def test_refused_change_fails_with_its_fields_and_is_retried_under_a_new_key(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback, status: int
) -> None:
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.faults.append(error_answer(status, "invalid", {"text": "is rude"}))
    first, second = await send(client, "rude", "fine")
    await clock.until(lambda: client.status.get().failed == 1)
    entry = await client.queue.get(first)
    assert entry.error == Problem(code="invalid", message="No.", fields={"text": "is rude"})
    assert server.texts() == ["fine"]
    await client.queue.retry(first)
    await clock.until(lambda: idle(client))
    keys = [key for _, _, key in writes(network)]
    assert keys[:2] == [first, second]
    assert keys[2] not in (first, second)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"error": {"code": "c", "message": "No.", "fields": {"a": "bad"}}}, {"a": "bad"}),
        ({"title": "No.", "errors": [{"pointer": "#/a/b", "detail": "bad"}]}, {"a.b": "bad"}),
        ({"title": "No.", "errors": {"a": ["bad", "worse"]}}, {"a": "bad worse"}),
        ({"title": "No.", "invalid-params": [{"name": "a", "reason": "bad"}]}, {"a": "bad"}),
        ({"message": "No.", "detail": [{"loc": ["body", "a"], "msg": "bad"}]}, {"a": "bad"}),
        ({"error": "No."}, {}),
        ({"detail": "No."}, {}),
    ],
)
def test_errors_are_read_in_the_common_forms(body: Any, fields: dict[str, str]) -> None:
    assert (problem_in(422, body).message, problem_in(422, body).fields) == ("No.", fields)


@pytest.mark.parametrize("body", [None, [], "no", {"error": 3}, {"detail": [None, {}]}])
def test_error_without_words_gets_some(body: Any) -> None:
    problem = problem_in(418, body)
    assert (problem.code, "418" in problem.message) == ("http_418", True)


async def test_refusal_of_an_api_in_its_own_form_is_shown(
    visitor: Device, clock: FakeClock, plain: PlainApi
) -> None:
    client = await visitor.open()
    item = await jobs_of(client).save(Job(title="forbidden"))
    await clock.until(lambda: client.status.get().failed == 1)
    (entry,) = await entries(client)
    assert entry.error is not None
    assert entry.error.fields == {"title": "is forbidden"}
    assert item not in plain.collections[JOBS]


@pytest.mark.parametrize("status", [404, 410])
async def test_deleting_what_is_gone_by_then_succeeds(
    visitor: Device, clock: FakeClock, plain: PlainApi, status: int
) -> None:
    plain.collections[JOBS] = {"a": {"id": "a", "title": "one"}}
    client = await visitor.open()
    await clock.until(lambda: idle(client))
    visitor.network.faults.extend([None, error_answer(status)])
    await jobs_of(client).delete("a")
    del plain.collections[JOBS]["a"]
    visitor.network.faults[0] = json_answer(200, {"id": "a", "title": "one"})
    await clock.until(lambda: idle(client))
    assert (client.status.get().count, await shown(client)) == (0, {})


async def test_conflict_that_is_about_nothing_is_tried_again_later(
    visitor: Device, clock: FakeClock, plain: PlainApi
) -> None:
    client = await visitor.open()
    await clock.until(lambda: idle(client))
    visitor.network.faults.append(json_answer(409, {"title": "This key is being worked on."}))
    await jobs_of(client).save(Job(title="one"))
    assert await clock.until(lambda: idle(client)) >= 30
    assert plain.effects == 1


async def stored(device: Device) -> list[dict[str, Any]]:
    (rows,) = await device.store.read(Scan(ROWS))
    return [row["data"] for row in rows if row["collection"] == JOBS]


async def test_list_that_did_not_change_costs_no_write(
    visitor: Device, clock: FakeClock, plain: PlainApi
) -> None:
    plain.collections[JOBS] = {"a": {"id": "a", "title": "one", "owner": "them"}}
    client = await visitor.open()
    await clock.until(lambda: idle(client))
    assert await stored(visitor) == [{"title": "one", "owner": "them"}]
    written: list[Any] = []

    def noted(batch: Batch) -> bool:
        written.extend(write for write in batch.writes if write.store == ROWS)
        return False

    visitor.store.fail_when = noted
    await client.sync()
    assert any("If-None-Match" in headers for headers in visitor.network.headers)
    assert written == []


async def test_list_of_linked_pages_is_read_to_its_end_and_only_kept_when_new(
    visitor: Device, clock: FakeClock, plain: PlainApi
) -> None:
    plain.page = 2
    plain.collections[JOBS] = {f"j{n}": {"id": f"j{n}", "title": f"{n}"} for n in range(5)}
    client = await visitor.open()
    await clock.until(lambda: idle(client))
    assert [data["title"] for data in await stored(visitor)] == ["0", "1", "2", "3", "4"]
    del plain.collections[JOBS]["j1"]
    plain.collections[JOBS]["j4"]["title"] = "changed"
    await client.sync()
    assert [data["title"] for data in await stored(visitor)] == ["0", "2", "3", "changed"]


async def test_restored_server_is_followed_and_the_queue_kept(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback
) -> None:
    client = await device.open()
    await send(client, "kept")
    await clock.until(lambda: idle(client))
    backup = server.back_up()
    await send(client, "lost")
    await clock.until(lambda: idle(client))
    network.down = True
    await send(client, "waiting")
    server.restore(backup)
    network.down = False
    await client.sync()
    await clock.until(lambda: client.status.get().count == 0)
    seen = await client.collection(COLLECTION, Message).all()
    assert [message.text for message in seen] == ["kept", "waiting"] == server.texts()


async def test_address_without_any_collection_is_no_server(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    network._server = lambda *_: error_answer(404)
    client = await device.open()
    await clock.until(lambda: client.connection.status == "disconnected")
    assert client.connection.get().no_server


@pytest.mark.parametrize("first", [True, False])
async def test_device_can_change_between_the_ways_to_our_server(
    device: Device, clock: FakeClock, network: FakeNetwork, server: Loopback, first: bool
) -> None:
    texts: list[str] = []
    other = await Device(clock, network, seed=2).open()
    for turn in range(4):
        device.rest = (turn % 2 == 0) is first
        client = await device.open()
        texts += [f"mine {turn}", f"theirs {turn}"]
        await send(client, texts[-2])
        await clock.until(partial(idle, client))
        await send(other, texts[-1])
        await clock.until(lambda: idle(other))
        gone = await jobs_of(other).save(Job(title="Gone"))
        await other.sync()
        await client.sync()
        assert gone in await shown(client)
        await jobs_of(other).delete(gone)
        await other.sync()
        await client.sync()
        await client.sync()
        assert gone not in await shown(client)
        seen = await client.collection(COLLECTION, Message).all()
        assert [message.text for message in seen] == texts == server.texts()
        assert not client.status.get().restored
        await device.kill()


@pytest.mark.parametrize("rest", [True, False])
async def test_what_the_server_lost_meanwhile_goes_when_the_way_to_it_changes(
    device: Device, clock: FakeClock, server: Loopback, rest: bool
) -> None:
    device.rest = rest
    client = await device.open()
    await send(client, "kept")
    await clock.until(lambda: idle(client))
    backup = server.back_up()
    await send(client, "lost")
    await clock.until(lambda: idle(client))
    await device.kill()
    server.restore(backup)
    device.rest = not rest
    again = await device.open()
    await clock.until(lambda: idle(again))
    seen = await again.collection(COLLECTION, Message).all()
    assert [message.text for message in seen] == ["kept"]


async def test_edit_is_no_conflict_where_only_fields_changed_that_the_model_does_not_know(
    visitor: Device, clock: FakeClock, plain: PlainApi
) -> None:
    plain.collections[JOBS] = {"a": {"id": "a", "title": "one", "seen": 1}}
    client = await visitor.open()
    jobs_of(client)
    await clock.until(lambda: idle(client))
    plain.collections[JOBS]["a"]["seen"] = 2
    await edit(client, "a", title="two")
    await clock.until(lambda: idle(client))
    assert client.status.get().count == 0
    assert plain.collections[JOBS]["a"]["title"] == "two"


@pytest.mark.parametrize("cursor", [None, "", "c0123456789abcdef.4", "{", "[]", '{"turn": 3}'])
def test_cursor_of_another_transport_stands_for_the_start(cursor: str | None) -> None:
    assert place_of(cursor).todo is None


async def test_items_without_a_usable_id_are_left_out(
    visitor: Device, clock: FakeClock, plain: PlainApi, caplog: pytest.LogCaptureFixture
) -> None:
    held: list[Any] = [{"id": "fine", "title": "one"}, {"id": "no good", "title": "x"}, 7, {}]
    answers: dict[bool, Callable[..., HttpResponse]] = {
        True: lambda *_: json_answer(200, held),
        False: plain,
    }
    visitor.network._server = lambda method, url, body, headers: answers[url.endswith(JOBS)](
        method, url, body, headers
    )
    client: Client = await visitor.open()
    await clock.until(lambda: idle(client))
    assert await stored(visitor) == [{"title": "one"}]
    assert "no good" not in json.dumps([record.levelname for record in caplog.records])


async def test_resolution_is_a_conditional_request_and_its_record_goes_where_history_is_kept(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    client = await device.open()
    jobs = jobs_of(client)
    item = await jobs.save(Job(title="Mend the fence"))
    await clock.until(lambda: idle(client))
    other = await Device(clock, network, seed=2).open()
    await other.sync()
    await jobs_of(other).save(Job(title="Theirs"), item)
    await jobs.save(Job(title="Mine"), item)
    await other.sync()
    await client.sync()
    conflict = await jobs.conflict(item)
    assert conflict is not None
    assert (conflict.mine or {})["title"] == "Mine"
    await jobs.resolve(item, "mine", seen=conflict)
    await clock.until(lambda: idle(client))
    await other.sync()
    assert await jobs_of(other).get(item) == Job(title="Mine")
    assert [it.choice for it in await jobs_of(other).resolutions(item)] == ["mine"]


async def test_record_of_a_resolution_is_let_go_where_an_api_keeps_no_history(
    visitor: Device, clock: FakeClock, plain: PlainApi
) -> None:
    client = await visitor.open()
    jobs = jobs_of(client)
    item = await jobs.save(Job(title="Mend the fence"))
    await clock.until(lambda: idle(client))
    plain.collections[JOBS][item]["title"] = "Theirs"
    await jobs.save(Job(title="Mine"), item)
    await clock.until(lambda: client.status.get().conflicts == 1)
    await jobs.resolve(item, "mine", seen=await jobs.conflict(item))
    await clock.until(lambda: client.queue.count == 0)
    assert plain.collections[JOBS][item]["title"] == "Mine"
