"""Limits and hostile bodies: always an answer in the contract's form, never a 5xx."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.protocol import MAX_BODY_BYTES
from server.tables import rows
from tests.server.builders import action, message, request
from tests.server.conftest import Api

JSON = {"content-type": "application/json"}


def fields(answer: httpx.Response) -> list[str]:
    return list(error(answer)["fields"])


def error(answer: httpx.Response) -> dict[str, Any]:
    """Return the error of an answer, which has to have the form that every error has."""
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message", "fields"}
    problem: dict[str, Any] = body["error"]
    return problem


async def send(api: Api, body: bytes | str, **headers: str) -> httpx.Response:
    return await api.http.post("/api/sync", content=body, headers={**JSON, **headers})


async def test_body_past_the_limit_is_413_also_without_a_length(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * (MAX_BODY_BYTES // 16)

    by_length = await send(api, b" " * (MAX_BODY_BYTES + 1))
    streamed = await api.http.post("/api/sync", content=chunks(), headers=JSON)
    assert [by_length.status_code, streamed.status_code] == [413, 413]
    assert error(streamed)["code"] == "too_large"


async def test_body_of_the_limit_is_read(api: Api) -> None:
    body = json.dumps(request(message(1))).encode()
    answer = await send(api, body + b" " * (MAX_BODY_BYTES - len(body)))
    assert answer.status_code == 200


async def test_a_hundred_actions_pass_and_one_more_is_refused_by_field(api: Api) -> None:
    hundred = [message(seq) for seq in range(1, 101)]
    assert (await api.post(request(*hundred))).status_code == 200
    refused = await api.post(request(*hundred, message(101)))
    assert refused.status_code == 422
    assert fields(refused) == ["actions"]


async def test_action_larger_than_its_limit_is_refused_by_field(api: Api) -> None:
    large = action(2, item="n2", data={"body": "x" * 70_000})
    answer = await api.post(request(action(1), large))
    assert answer.status_code == 422
    assert fields(answer) == ["actions.1"]
    assert api.count(rows) == 0


async def test_pull_page_past_the_limit_is_refused_by_field(api: Api) -> None:
    for limit in (0, 501):
        assert fields(await api.post(request(limit=limit))) == ["limit"]


async def test_envelope_errors_name_their_paths_and_change_nothing(api: Api) -> None:
    answer = await api.post(request(message(1), message(2, id="no spaces")))
    assert answer.status_code == 422
    assert fields(answer) == ["actions.1.id"]
    assert api.count(rows) == 0


async def test_action_that_its_own_request_calls_settled_is_refused_by_field(api: Api) -> None:
    answer = await api.post(request(message(3), settled_through=3))
    assert answer.status_code == 422
    assert fields(answer) == ["actions.0.seq"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "nonsense",
        b"\xff\xfe",
        '{"protocol":1,"client_id":"\\ud800"}',
        "[" * 10_000,
        '{"protocol":1,"client_id":"c1","actions":' + '[{"data":' * 10_000,
    ],
)
async def test_what_is_not_json_is_400(api: Api, body: str | bytes) -> None:
    answer = await send(api, body)
    assert answer.status_code == 400
    assert error(answer)["code"] == "bad_json"


@pytest.mark.parametrize(
    "data",
    [
        "NaN",
        "Infinity",
        "1e999",
        "1" + "0" * 400,
        "9007199254740992",
        "{" + ",".join(f'"{n}":1' for n in range(1001)) + "}",
        "[" * 17 + "]" * 17,
    ],
)
async def test_data_that_not_every_client_can_hold_is_422(api: Api, data: str) -> None:
    body = json.dumps(request(action(1, data={"x": "HERE"}))).replace('"HERE"', data)
    answer = await send(api, body)
    assert answer.status_code == 422
    assert fields(answer) == ["actions.0.data"]


async def test_duplicate_keys_take_the_last_value_as_everywhere(api: Api) -> None:
    answer = await send(api, '{"protocol":1,"client_id":"c1","client_id":"no spaces"}')
    assert fields(answer) == ["client_id"]


@pytest.mark.parametrize("body", ["null", "1", '"x"', "[]", "{}", "true", '{"protocol":2}'])
async def test_json_of_another_shape_is_422(api: Api, body: str) -> None:
    answer = await send(api, body)
    assert answer.status_code == 422
    assert error(answer)["code"] == "invalid"


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
async def test_body_of_another_content_type_is_415(api: Api, content_type: str) -> None:
    answer = await send(api, json.dumps(request()), **{"content-type": content_type})
    assert answer.status_code == 415
    assert error(answer)["code"] == "unsupported_media_type"


async def test_content_type_may_name_its_charset(api: Api) -> None:
    content_type = "Application/JSON; charset=utf-8"
    answer = await send(api, json.dumps(request()), **{"content-type": content_type})
    assert answer.status_code == 200


async def test_write_from_another_site_is_refused_before_its_body_is_read(api: Api) -> None:
    answer = await send(api, "nonsense", **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert error(answer)["code"] == "cross_site"


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
async def test_write_from_the_own_site_is_taken(api: Api, site: str) -> None:
    answer = await send(api, json.dumps(request()), **{"sec-fetch-site": site})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("POST", "/api/nothing", 404),
        ("GET", "/api", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/%00/..%2f", 404),
        ("GET", "/api/sync", 405),
        ("DELETE", "/api/health", 405),
    ],
)
async def test_wrong_address_or_method_is_answered_in_json(
    api: Api, method: str, path: str, status: int
) -> None:
    answer = await api.http.request(method, path)
    assert answer.status_code == status
    assert error(answer)["message"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
envelope_keys = st.sampled_from([*request(cursor=None, settled_through=0, limit=1)])
action_keys = st.sampled_from([*action(1, base_version=None), "version"])


anything = hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@anything
@given(st.dictionaries(action_keys, json_values, max_size=3), json_values, envelope_keys)
async def test_no_input_gives_a_5xx(
    api: Api, spoiled: dict[str, Any], value: Any, key: str
) -> None:
    for body in (value, {**request(), key: value}, request({**message(1), **spoiled})):
        answer = await send(api, json.dumps(body))
        assert answer.status_code in (200, 400, 422)


item_keys = st.sampled_from(["id", "text", "sent_at", "title"])


@anything
@given(json_values, st.dictionaries(item_keys, json_values, max_size=3), st.text(max_size=8))
async def test_h1_no_input_of_plain_rest_gives_a_5xx(
    api: Api, value: Any, fields_given: dict[str, Any], text: str
) -> None:
    key = text.encode("ascii", "ignore").decode()
    headers = {**JSON, "if-match": '"1"', "idempotency-key": key}
    for body in (value, fields_given):
        content = json.dumps(body)
        for method, path in (("POST", "/api/messages"), ("PUT", "/api/messages/m1")):
            answer = await api.http.request(method, path, content=content, headers=headers)
            assert answer.status_code in (200, 201, 400, 404, 409, 413, 422), answer.text
    path = quote(text, safe="")
    query = {"limit": text, "cursor": text, "deleted": text}
    for method in ("GET", "DELETE"):
        for where in (f"/api/messages/{path}", f"/api/{path}", f"/api/messages/m1/{path}"):
            answer = await api.http.request(method, where, params=query, headers=headers)
            assert answer.status_code in (200, 204, 404, 405, 409, 422), answer.text
    answer = await api.http.get("/api/messages", params=query)
    assert answer.status_code in (200, 410, 422)


async def test_write_from_another_site_is_refused_as_the_document_says(api: Api) -> None:
    paths = api.app.openapi()["paths"]
    writes = [(m, p) for p in paths for m in paths[p] if m not in ("get", "head")]
    assert len(writes) == 6
    for method, path in writes:
        where = path.format(collection="messages", item_id="m1")
        foreign = {**JSON, "sec-fetch-site": "cross-site"}
        answer = await api.http.request(method, where, content="{}", headers=foreign)
        assert answer.status_code == 403
        assert "403" in paths[path][method]["responses"], (method, path)
