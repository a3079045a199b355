"""Fault cases B2, C2, C3, H1 and H2: requests that are cut, come at once, or mean harm."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.protocol import MAX_BODY_BYTES
from server.app import create_app
from server.database import Database
from server.settings import Settings
from server.tables import rows
from tests.server.builders import action, message, request
from tests.server.conftest import Api
from tests.server.live import Live, live
from tests.server.test_hostile import error, fields, send

JSON = "application/json"


def cut_off(server: Live, data: bytes) -> None:
    """Send the beginning of a request and hang up."""
    where = urlsplit(server.url)
    with socket.create_connection((str(where.hostname), where.port or 80), timeout=5) as line:
        line.sendall(data)


def pulled(server: Live) -> list[str]:
    answer = httpx.post(f"{server.url}/api/sync", json=request(client="reader"), timeout=10)
    return [row["id"] for row in answer.raise_for_status().json()["rows"]]


def test_b2_request_cut_at_any_place_or_chunk_has_no_effect(tmp_path: Path) -> None:
    """What is cut is no request; only one that has arrived as a whole is carried out."""
    body = json.dumps(request(message(1), message(2))).encode()
    head = "POST /api/sync HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
    plain = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    pieces = [body[start : start + 50] for start in range(0, len(body), 50)]
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    start = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
    database = f"sqlite:///{tmp_path / 'server.db'}"
    command = ("-m", "tests.server.faulty", "--port", "0", "--database", database)
    with live(*command, environment={"DRIFTLINE_LOG_LEVEL": "WARNING"}) as server:
        for length in range(0, len(plain), 3):
            cut_off(server, plain[:length])
        for number in range(len(chunks) + 1):
            cut_off(server, start + b"".join(chunks[:number]))
        assert pulled(server) == []
        answer = httpx.post(f"{server.url}/api/sync", content=body, headers={"content-type": JSON})
        assert [result["verdict"] for result in answer.json()["results"]] == ["applied"] * 2
        cut_off(server, plain)
        assert sorted(pulled(server)) == ["m1", "m2"]
        server.stop()
        assert server.process.stderr is not None
        assert "Traceback" not in server.process.stderr.read()


async def test_c3_same_batch_many_times_at_once_has_one_effect(api: Api) -> None:
    """For the reference's UNIQUE seq: the receipt of an action id, under the space's lock."""
    batch = [message(seq) for seq in range(1, 6)]
    answers = await asyncio.gather(*(api.sync(*batch) for _ in range(8)))
    verdicts = Counter(result["verdict"] for answer in answers for result in answer["results"])
    assert verdicts == {"applied": 5, "duplicate": 35}
    assert api.count(rows) == 5
    shown = [[result["row"] for result in answer["results"]] for answer in answers]
    assert all(one == shown[0] for one in shown), "all are told the same rows"


async def test_c2_database_that_stays_locked_is_503_within_the_bound_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.sqlite.BUSY_TIMEOUT_MS", 200)
    url = f"sqlite:///{tmp_path / 'server.db'}"
    app = create_app(Settings(database=url))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as http,
    ):
        with Database(url).writing():
            began = time.monotonic()
            refused = await asyncio.gather(
                *(http.post("/api/sync", json=request(message(1), message(2))) for _ in range(5))
            )
            assert time.monotonic() - began < 5
        assert {answer.status_code for answer in refused} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        empty = await http.post("/api/sync", json=request(client="reader"))
        assert empty.json()["rows"] == []
        taken = await http.post("/api/sync", json=request(message(1), message(2)))
        assert [result["verdict"] for result in taken.json()["results"]] == ["applied"] * 2


HARMLESS = [
    "a\u0000b",
    "\u202egnp.exe\u2066",
    "\ufeff\u200b\u2028\u2029",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L",
    "'; DROP TABLE rows; --",
    "<script>alert(1)</script>",
    "\U0001f469\u200d\U0001f4bb" * 50,
    "\ud7ff\ue000\uffff",
]


async def test_h2_strange_text_is_accepted_and_kept_unchanged(api: Api) -> None:
    data: dict[str, Any] = {f"k{number}": text for number, text in enumerate(HARMLESS)}
    data |= {"a\u0000\u202e key": [1e308, -1e308, 5e-324, 0.1, -0.0, 2**53 - 1, -(2**53) + 1]}
    answer = await api.sync(action(1, data=data))
    assert answer["results"][0]["verdict"] == "applied"
    pulled = await api.sync(client="other")
    assert pulled["rows"][0]["data"] == data
    for number, text in enumerate(HARMLESS):
        fields = {"id": f"p{number}", "text": f"x{text}", "sent_at": 1}
        made = await api.http.post("/api/messages", json=fields)
        assert made.status_code == 201
        kept = await api.http.get(f"/api/messages/p{number}")
        assert kept.json()["data"] == {"text": f"x{text}", "sent_at": 1}
    said = await api.sync(*[message(n, text) for n, text in enumerate(HARMLESS[1:], 2)])
    assert [result["row"]["data"]["text"] for result in said["results"]] == HARMLESS[1:]


HARMFUL: list[tuple[str, str, int, str | None]] = [
    ("lone surrogate", '"\\ud800"', 400, None),
    ("lone low surrogate", '"x\\udc00y"', 400, None),
    ("key that is half a pair", '{"\\ud83d": 1}', 400, None),
    ("not a number", "NaN", 422, "actions.1.data"),
    ("infinity", "-Infinity", 422, "actions.1.data"),
    ("too large a number", "1e309", 422, "actions.1.data"),
    ("too large a whole number", "9007199254740993", 422, "actions.1.data"),
    ("ten thousand levels", "[" * 10_000 + "]" * 10_000, 400, None),
    ("seventeen levels", "[" * 17 + "]" * 17, 422, "actions.1.data"),
    ("many digits", "1" * 5_000, 400, None),
    ("bare control character", '"\u0001"', 400, None),
]


@pytest.mark.parametrize(
    ("value", "status", "field"), [case[1:] for case in HARMFUL], ids=[c[0] for c in HARMFUL]
)
async def test_h2_what_not_everyone_can_hold_is_refused_with_its_path_and_nothing_happens(
    api: Api, value: str, status: int, field: str | None
) -> None:
    """Where a body is no JSON at all there is no path in it; the message names the place."""
    bad = action(2, item="n2", data={"x": "HERE"})
    body = json.dumps(request(action(1, data={"x": 1}), bad)).replace('"HERE"', value)
    refused = await send(api, body)
    assert refused.status_code == status
    problem = error(refused)
    assert fields(refused) == ([field] if field else [])
    assert problem["message"]
    for method, path in (("POST", "/api/messages"), ("PUT", "/api/messages/m1")):
        plainly = f'{{"text": "x", "sent_at": 1, "more": {value}}}'
        refused = await api.http.request(
            method, path, content=plainly, headers={"content-type": JSON, "if-match": '"1"'}
        )
        assert refused.status_code == status
        assert error(refused)["message"]
    assert api.count(rows) == 0


async def test_h2_ten_megabytes_are_refused_and_the_next_request_is_taken(api: Api) -> None:
    refused = await send(api, b'{"protocol":1,"x":"' + b"x" * (10 * MAX_BODY_BYTES) + b'"}')
    assert refused.status_code == 413
    assert await api.verdicts(message(1)) == ["applied"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"x":1,"x":2}', {"x": 2}),
        ('{"x":{"y":1,"y":{"z":1}},"x":3,"w":null}', {"x": 3, "w": None}),
    ],
)
async def test_h2_duplicate_keys_mean_the_last_one_and_are_kept_so(
    api: Api, body: str, expected: dict[str, Any]
) -> None:
    sent = json.dumps(request(action(1, data={"HERE": 1}))).replace('{"HERE": 1}', body)
    answer = await send(api, sent)
    assert answer.json()["results"][0]["row"]["data"] == expected
    again = await send(api, sent)
    assert again.json()["results"][0]["verdict"] == "duplicate"


REST_BODIES = ["[", "null", "[]", '"\\ud800"', '{"text":NaN}', '{"text":1e999}', "{}", '{"a":1}']


@pytest.mark.parametrize("body", REST_BODIES)
async def test_h1_plain_rest_answers_whatever_comes_with_a_4xx_and_a_path(
    api: Api, body: str
) -> None:
    for method, path in (("POST", "/api/messages"), ("PUT", "/api/messages/m1")):
        answer = await api.http.request(
            method, path, content=body, headers={"content-type": JSON, "if-match": '"1"'}
        )
        assert 400 <= answer.status_code < 500
        assert error(answer)["message"]
    assert api.count(rows) == 0
