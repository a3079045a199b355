"""Plain REST on the rows that `/api/sync` serves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ConfigDict

from app.core.actions import registry
from app.core.messages import COLLECTION
from server.compaction import compact, forget_answers
from server.identity import LOCAL
from server.rest import RESERVED
from server.tables import receipts, rows
from tests.server.builders import action, message
from tests.server.conftest import Api

DAY = 24 * 3600 * 1_000_000
MESSAGE = {"text": "Hi", "sent_at": 5}


class Thing(BaseModel):
    """An item with any fields."""

    model_config = ConfigDict(extra="allow")


@pytest.fixture(autouse=True)
def _things(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    known = registry._models
    monkeypatch.setattr(registry, "_models", {**known, "things": Thing, "drafts": Thing})
    yield
    assert COLLECTION in known


async def post(api: Api, body: Any, to: str = "things", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.http.post(f"/api/{to}", json=body, headers=named)


async def put(api: Api, body: Any, item: str = "t1", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.http.put(f"/api/things/{item}", json=body, headers=named)


async def delete(api: Api, item: str = "t1", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.http.delete(f"/api/things/{item}", headers=named)


async def test_item_is_made_read_changed_and_deleted(api: Api) -> None:
    made = await post(api, {"id": "t1", "name": "Rope", "length": 30})
    assert made.status_code == 201
    assert made.headers["location"] == "/api/things/t1"
    assert made.headers["etag"] == '"1"'
    assert made.json()["data"] == {"name": "Rope", "length": 30}
    changed = await put(api, {"length": 60}, If_Match=made.headers["etag"])
    assert changed.status_code == 200
    read = await api.http.get("/api/things/t1")
    assert read.json() == changed.json()
    assert read.headers["etag"] == changed.headers["etag"] == '"2"'
    assert read.json()["data"] == {"name": "Rope", "length": 60}
    assert (await delete(api, If_Match='W/"2"')).status_code == 204
    assert (await api.http.get("/api/things/t1")).status_code == 404
    assert (await delete(api, If_Match='"2"')).status_code == 204


async def test_rest_and_sync_see_the_same_rows(api: Api) -> None:
    made = (await post(api, MESSAGE, "messages")).json()
    assert (await api.sync())["rows"] == [made]
    await api.sync(message(1, "From a phone"))
    read = (await api.http.get("/api/messages/m1")).json()
    assert read["data"]["text"] == "From a phone"


async def test_receipts_of_rest_are_forgotten_by_age_and_a_resend_still_has_one_effect(
    api: Api,
) -> None:
    await api.sync(message(1), client="phone")
    changed: dict[str, str] = {"If_Match": '"2"', "Idempotency_Key": "k2"}
    await post(api, {"id": "t1", "n": 1}, Idempotency_Key="k1")
    await put(api, {"n": 2}, **changed)
    api.clock.now += 60 * DAY
    await post(api, {"id": "t2"}, Idempotency_Key="k3")
    assert forget_answers(api.services.database, 90, api.clock()) == 0
    api.clock.now += 31 * DAY
    assert forget_answers(api.services.database, 90, api.clock()) == 2
    assert api.count(receipts) == 2
    again = await post(api, {"id": "t1", "n": 1}, Idempotency_Key="k1")
    assert (again.status_code, again.json()["row"]["data"]) == (409, {"n": 2})
    again = await put(api, {"n": 2}, **changed)
    assert (again.status_code, again.json()["row"]["version"]) == (409, 3)
    again = await post(api, {"id": "t2"}, Idempotency_Key="k3")
    assert (again.status_code, api.count(rows)) == (201, 3)


async def test_write_pokes_the_listeners(api: Api) -> None:
    with api.services.pokes.subscribe(LOCAL.space_id) as subscription:
        await post(api, {"id": "t1"})
        assert await asyncio.wait_for(subscription.take(), 1) == 1


async def test_item_without_an_id_gets_a_new_one_each_time(api: Api) -> None:
    ids = {(await post(api, {"n": 1})).json()["id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(len(item_id) == 36 for item_id in ids)


async def test_change_on_an_old_version_is_409_with_the_current_row(api: Api) -> None:
    await post(api, {"id": "t1", "n": 1})
    current = (await put(api, {"n": 2}, If_Match='"1"')).json()
    stale: list[dict[str, str]] = [{"If_Match": '"1"'}, {"If_Match": '"9"'}, {}]
    for headers in stale:
        for answer in (await put(api, {"n": 3}, **headers), await delete(api, **headers)):
            assert answer.status_code == 409
            assert answer.json()["row"] == current
            assert answer.json()["error"]["code"] == "conflict"
            assert answer.headers["etag"] == '"2"'
    assert (await api.http.get("/api/things/t1")).json() == current


async def test_if_match_is_strict_also_against_ones_own_sync_writes(api: Api) -> None:
    await api.sync(action(1, data={"n": 1}), action(2, "update", data={"n": 2}), client="c1")
    headers = {"If-Match": '"1"', "X-Client-Id": "c1"}
    answer = await api.http.put("/api/drafts/n1", json={"n": 3}, headers=headers)
    assert answer.status_code == 409


async def test_two_that_change_the_same_version_have_one_winner(api: Api) -> None:
    await post(api, {"id": "t1", "n": 0})
    answers = await asyncio.gather(*(put(api, {"n": n}, If_Match='"1"') for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


async def test_making_what_exists_is_409_with_the_row(api: Api) -> None:
    made = (await post(api, {"id": "t1", "n": 1})).json()
    answer = await post(api, {"id": "t1", "n": 2})
    assert answer.status_code == 409
    assert answer.json()["row"] == made
    assert answer.json()["error"]["code"] == "exists"


async def test_resend_under_the_same_key_has_one_effect_and_the_first_answer(api: Api) -> None:
    first = await post(api, {"n": 1}, Idempotency_Key="k1")
    changed = await put(api, {"n": 2}, first.json()["id"], If_Match='"1"', Idempotency_Key="k2")
    again = await post(api, {"n": 1}, Idempotency_Key="k1")
    assert (again.status_code, again.json()) == (201, first.json())
    again = await put(api, {"n": 2}, first.json()["id"], If_Match='"1"', Idempotency_Key='"k2"')
    assert (again.status_code, again.json()) == (200, changed.json())
    assert api.count(rows) == 1
    for _ in range(2):
        gone = await delete(api, first.json()["id"], If_Match='"2"', Idempotency_Key="k3")
        assert gone.status_code == 204
    assert (await api.sync())["rows"][0]["version"] == 3
    assert api.count(receipts) == 3


async def test_conflict_is_answered_again_under_its_key(api: Api) -> None:
    await post(api, {"id": "t1", "n": 1})
    first = await put(api, {"n": 2}, If_Match='"7"', Idempotency_Key="k1")
    await put(api, {"n": 3}, If_Match='"1"')
    again = await put(api, {"n": 2}, If_Match='"7"', Idempotency_Key="k1")
    assert again.status_code == 409
    assert again.json() == first.json()


async def test_key_with_another_body_is_422_key_reuse(api: Api) -> None:
    await post(api, {"n": 1}, Idempotency_Key="k1")
    others = [
        await post(api, {"n": 2}, Idempotency_Key="k1"),
        await post(api, {"n": 1}, "drafts", Idempotency_Key="k1"),
        await delete(api, Idempotency_Key="k1"),
    ]
    assert [answer.status_code for answer in others] == [422] * 3
    assert {answer.json()["error"]["code"] for answer in others} == {"key_reuse"}


async def test_keys_of_different_clients_do_not_meet(api: Api) -> None:
    ids = {
        (await post(api, {"n": 1}, Idempotency_Key="k1", X_Client_Id=client)).json()["id"]
        for client in ("one", "two", "three")
    }
    assert len(ids) == 3


async def test_settling_of_a_device_leaves_the_receipts_of_rest_alone(api: Api) -> None:
    await post(api, {"id": "t1"}, Idempotency_Key="k1", X_Client_Id="c1")
    await api.sync(message(9), client="c1", settled_through=8)
    again = await post(api, {"id": "t1"}, Idempotency_Key="k1", X_Client_Id="c1")
    assert again.status_code == 201


async def test_pages_of_a_collection_hold_every_live_item_once(api: Api) -> None:
    for n in range(5):
        await post(api, {"id": f"t{n}"})
        await post(api, MESSAGE, "messages")
    await delete(api, "t3", If_Match='"7"')
    seen, cursor, more = [], "", True
    while more:
        page = (await api.http.get(f"/api/things?limit=2{cursor}")).json()
        seen += [row["id"] for row in page["rows"]]
        cursor, more = f"&cursor={page['cursor']}", page["has_more"]
    assert seen == ["t0", "t1", "t2", "t4"]
    assert (await api.http.get(f"/api/things?limit=2{cursor}")).json()["rows"] == []


async def test_who_keeps_the_cursor_and_asks_for_deletions_misses_no_change(api: Api) -> None:
    for n in range(4):
        await post(api, {"id": f"t{n}"})
    page = (await api.http.get("/api/things?limit=2")).json()
    await delete(api, "t0", If_Match='"1"')
    await delete(api, "t3", If_Match='"4"')
    seen = {row["id"]: row for row in page["rows"]}
    while page["has_more"]:
        asked = {"limit": "2", "deleted": "true", "cursor": page["cursor"]}
        page = (await api.http.get("/api/things", params=asked)).json()
        seen |= {row["id"]: row for row in page["rows"]}
    assert {key: row["deleted"] for key, row in seen.items()} == {
        "t0": True,
        "t1": False,
        "t2": False,
        "t3": True,
    }
    assert seen["t0"]["data"] is None


async def test_cursor_behind_forgotten_deletions_is_refused_where_they_are_asked_for(
    api: Api,
) -> None:
    await post(api, {"id": "t0"})
    old = (await api.http.get("/api/things")).json()["cursor"]
    await delete(api, "t0", If_Match='"1"')
    api.clock.now += 100 * DAY
    assert compact(api.services.database, 90, api.clock()) == 1
    asked = {"cursor": old, "deleted": "true"}
    refused = await api.http.get("/api/things", params=asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (410, "cursor_expired")
    assert (await api.http.get("/api/things", params={"cursor": old})).status_code == 200
    fresh = (await api.http.get("/api/things")).json()["cursor"]
    again = await api.http.get("/api/things", params={"cursor": fresh, "deleted": "true"})
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("limit=0", 422, "query.limit"),
        ("limit=501", 422, "query.limit"),
        ("cursor=x", 422, "cursor"),
        ("cursor=c99", 410, None),
        ("cursor=c0123456789abcdef.0", 410, None),
    ],
)
async def test_page_that_cannot_be_given(
    api: Api, query: str, status: int, field: str | None
) -> None:
    answer = await api.http.get(f"/api/things?{query}")
    assert answer.status_code == status
    assert list(answer.json()["error"]["fields"]) == ([field] if field else [])


@pytest.mark.parametrize(
    ("body", "to", "status", "field"),
    [
        ("{", "things", 400, None),
        ("[]", "things", 422, "data"),
        ('{"id": "no spaces"}', "things", 422, "id"),
        ('{"id": 7}', "things", 422, "id"),
        ('{"n": 1e999}', "things", 422, "data"),
        ('{"text": "", "sent_at": 1}', "messages", 422, "text"),
        ("{}", "messages", 422, "text"),
        ("{}", "nothing", 404, None),
        ("{}", "Things", 404, None),
        (f'{{"t": "{"x" * 70_000}"}}', "things", 413, None),
        (f'{{"t": "{"x" * 1_100_000}"}}', "things", 413, None),
    ],
)
async def test_body_that_does_not_fit_is_named(
    api: Api, body: str, to: str, status: int, field: str | None
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api.http.post(f"/api/{to}", content=body, headers=headers)
    assert answer.status_code == status
    if field:
        assert field in answer.json()["error"]["fields"]
    assert api.count(rows) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": "*"},
        {"If-Match": "3"},
        {"Idempotency-Key": "no spaces"},
        {"Idempotency-Key": ""},
        {"X-Client-Id": "x" * 60},
    ],
)
async def test_header_that_does_not_fit_is_named(api: Api, headers: dict[str, str]) -> None:
    answer = await api.http.put("/api/things/t1", json={}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"].keys() == headers.keys()


async def test_what_is_not_there_is_404(api: Api) -> None:
    await post(api, {"id": "gone"})
    await delete(api, "gone", If_Match='"1"')
    for item in ("gone", "never", "n%00", "a/b"):
        assert (await api.http.get(f"/api/things/{item}")).status_code == 404
        assert (await put(api, {"n": 1}, item, If_Match='"2"')).status_code == 404
        assert (await put(api, {"n": 1}, item)).status_code == 404


@pytest.mark.parametrize("name", RESERVED)
async def test_names_of_the_api_are_no_collections(
    api: Api, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(registry, "_models", {name: Thing})
    for method in ("GET", "POST", "PUT", "DELETE"):
        for path in (f"/api/{name}", f"/api/{name}/x"):
            if (method, path) in (("GET", "/api/events"), ("POST", "/api/sync")):
                continue
            answer = await api.http.request(method, path, json={})
            is_own = (method, path) in (("GET", "/api/health"), ("GET", "/api/metrics"))
            assert is_own or answer.status_code in (404, 405)
    assert api.count(rows) == 0


async def test_write_from_another_site_is_refused(api: Api) -> None:
    answer = await delete(api, Sec_Fetch_Site="cross-site")
    assert answer.status_code == 403
