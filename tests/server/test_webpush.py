"""Web push: browsers are told that there is something new, and nobody else can be asked for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.errors import InvalidInput
from server import webpush_sender
from server.app import create_app
from server.settings import Settings
from server.tables import subscriptions
from server.webpush_message import CURVE, Keys, Signer, decoded, encoded, encrypt
from server.webpush_target import Forbidden, parse_target, post
from tests.server.builders import message
from tests.server.conftest import Api, StepClock
from tests.server.push_service import PushService, running

UPDATE = {"type": "sync-update"}


@pytest.fixture
def service() -> Iterator[PushService]:
    with running() as service:
        yield service


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webpush_sender, "PAUSE", 0.01)
    monkeypatch.setattr(webpush_sender, "INTERVAL", 0.05)
    monkeypatch.setattr(webpush_sender, "DELAYS", (0.01, 0.02))


@asynccontextmanager
async def opened(database: str, *, loopback: bool = True) -> AsyncIterator[Api]:
    clock = StepClock()
    app = create_app(Settings(database=database, push_loopback=loopback), clock)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://server") as http,
    ):
        yield Api(app, http, clock)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(f"sqlite:///{tmp_path / 'server.db'}") as api:
        yield api


async def subscribe(api: Api, body: Any) -> int:
    return (await api.http.post("/api/push/subscribe", json=body)).status_code


async def until(condition: Callable[[], bool]) -> None:
    """Wait until what goes on in other threads has come about."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not happen.")


async def test_other_devices_are_told_that_there_is_something_new_and_not_what(
    server: Api, service: PushService
) -> None:
    mine, other = service.subscribe("writer"), service.subscribe("reader")
    for browser in (mine, other):
        assert await subscribe(server, browser.subscription()) == 204
    await server.sync(message(1, text="secret"), client_id="writer")
    await until(lambda: bool(other.messages))
    assert (mine.messages, other.messages) == ([], [UPDATE])
    (headers,) = service.headers
    assert headers["content-encoding"] == "aes128gcm"
    assert (headers["topic"], int(headers["ttl"])) == ("sync-update", 86_400)


async def test_answer_to_a_push_does_not_wait_for_a_push_service(
    server: Api, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = service.subscribe("reader")
    await subscribe(server, other.subscription())
    taken = asyncio.Event()
    loop = asyncio.get_running_loop()

    def never(*_: Any) -> tuple[int, str]:
        loop.call_soon_threadsafe(taken.set)
        return 201, ""

    monkeypatch.setattr(webpush_sender, "post", never)
    await server.sync(message(1), client_id="writer")
    assert not taken.is_set()
    await asyncio.wait_for(taken.wait(), 5)


async def test_many_changes_in_a_row_are_told_once(server: Api, service: PushService) -> None:
    other = service.subscribe("reader")
    await subscribe(server, other.subscription())
    for seq in range(1, 21):
        await server.sync(message(seq), client_id="writer")
    await until(lambda: len(other.messages) >= 2)
    assert len(other.messages) < 20


async def test_change_by_another_device_meanwhile_is_told_to_both(
    server: Api, service: PushService
) -> None:
    browsers = [service.subscribe(name) for name in ("first", "second")]
    for browser in browsers:
        await subscribe(server, browser.subscription())
    await asyncio.gather(
        server.sync(message(1, id="one", item="a"), client_id="first"),
        server.sync(message(1, id="two", item="b"), client_id="second"),
    )
    await until(lambda: all(browser.messages for browser in browsers))


@pytest.mark.parametrize("status", [404, 410])
async def test_browser_that_is_no_more_is_forgotten(
    server: Api, service: PushService, status: int
) -> None:
    await subscribe(server, service.subscribe("reader").subscription())
    service.statuses = [status]
    await server.sync(message(1), client_id="writer")
    await until(lambda: server.count(subscriptions) == 0)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_push_service_in_trouble_is_asked_again(
    server: Api, service: PushService, status: int
) -> None:
    other = service.subscribe("reader")
    await subscribe(server, other.subscription())
    service.statuses = [status, status]
    await server.sync(message(1), client_id="writer")
    await until(lambda: other.messages == [UPDATE])
    assert len(service.headers) == 3


async def test_redirect_is_not_followed(server: Api, service: PushService) -> None:
    await subscribe(server, service.subscribe("reader").subscription())
    service.statuses = [307]
    await server.sync(message(1), client_id="writer")
    await until(lambda: bool(service.headers) and not server.services.webpush._deliveries)
    assert len(service.headers) == 1


async def test_subscription_is_one_user_s_and_can_be_taken_back(
    server: Api, service: PushService
) -> None:
    other = service.subscribe("reader")
    for _ in range(2):
        assert await subscribe(server, other.subscription()) == 204
    assert server.count(subscriptions) == 1
    gone = await server.http.post("/api/push/unsubscribe", json={"endpoint": other.endpoint})
    assert (gone.status_code, server.count(subscriptions)) == (204, 0)


async def test_oldest_browser_makes_room_for_one_too_many(
    server: Api, service: PushService
) -> None:
    browsers = [service.subscribe(f"c{number}") for number in range(51)]
    for browser in browsers:
        server.clock.now += 1
        await subscribe(server, browser.subscription())
    assert server.count(subscriptions) == 50
    await server.sync(message(1), client_id="writer")
    await until(lambda: all(browser.messages for browser in browsers[1:]))
    assert browsers[0].messages == []


async def test_key_is_made_once_and_stays_over_a_restart(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'server.db'}"
    keys = []
    for _ in range(2):
        async with opened(database) as api:
            keys.append((await api.http.get("/api/push/key")).json()["key"])
    assert keys[0] == keys[1]
    assert len(decoded(keys[0])) == 65


ENDPOINTS = {
    "http://push.example/x": "must begin with https",
    "https://127.0.0.1/x": "is no public address",
    "https://169.254.169.254/latest": "is no public address",
    "https://10.0.0.8/x": "is no public address",
    "https://[::1]/x": "is no public address",
    "https://[fd00::1]/x": "is no public address",
    "https://[::ffff:10.0.0.1]/x": "is no public address",
    "https://[64:ff9b::a00:1]/x": "is no public address",
    "https://100.64.0.1/x": "is no public address",
    "https://224.0.0.1/x": "is no public address",
    "https://localhost/x": "is no address of a push service",
    "https://push.example:8443/x": "is no address of a push service",
    "https://user@push.example/x": "is no address of a push service",
    "https://push.example/a b": "is no address of a push service",
    "https://push.example/" + "x" * 2_000: "is no address of a push service",
    "https://[/x": "is no address",
    "ftp://push.example/x": "must begin with https",
}


@pytest.mark.parametrize(("endpoint", "why"), ENDPOINTS.items())
def test_address_that_is_none_of_a_push_service_is_refused(endpoint: str, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_target(endpoint)
    assert refused.value.fields == {"endpoint": why}


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1", "::ffff:192.168.0.1"]
)
def test_name_that_leads_into_the_network_around_here_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def looked_up(host: str, port: int, **_: Any) -> list[Any]:
        public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port))
        return [public, (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connected(*_: Any) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket, "create_connection", connected)
    with pytest.raises(Forbidden):
        post(parse_target("https://push.example/x"), {}, b"")


def test_address_that_was_checked_is_the_one_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def looked_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port))]

    def connected(address: Any, timeout: float) -> None:
        asked.append(address)
        raise OSError("far enough")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket, "create_connection", connected)
    with pytest.raises(OSError, match="far enough"):
        post(parse_target("https://push.example/x"), {}, b"")
    assert asked == [("93.184.215.14", 443)]


async def test_service_on_this_machine_is_refused_unless_a_setting_allows_it(
    tmp_path: Path, service: PushService
) -> None:
    async with opened(f"sqlite:///{tmp_path / 'server.db'}", loopback=False) as api:
        body = service.subscribe("reader").subscription()
        answer = await api.http.post("/api/push/subscribe", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"] == {"endpoint": "must begin with https"}


@pytest.mark.parametrize("keys", [{"p256dh": "AAAA"}, {"auth": "AAAA"}, {"p256dh": "B" * 87}])
async def test_keys_for_which_nothing_can_be_encrypted_are_refused(
    server: Api, service: PushService, keys: dict[str, str]
) -> None:
    body = service.subscribe("reader").subscription()
    body["keys"] |= keys
    assert await subscribe(server, body) == 422


def test_message_is_the_one_of_the_standard_s_example() -> None:
    """RFC 8291, appendix A."""
    keys = Keys.parse(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
    number = int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    salt, key = decoded("DGv6ra1nlYgDCS1FRnbzlw"), ec.derive_private_key(number, CURVE)
    sealed = encrypt(b"When I grow up, I want to be a watermelon", keys, salt, key)
    assert encoded(sealed) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz"
        "AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_signature_is_shorter_than_push_services_allow() -> None:
    header = Signer("1" * 64, "mailto:me@example.org").authorization("https://push.example", 1_000)
    claims = decoded(header.split(".")[1]).decode()
    assert '"exp": 44200' in claims
