"""The retry policy of an action type decides over all that is put off because of the action."""

from __future__ import annotations

import pytest

from app.core.actions import registry
from app.core.backoff import Backoff, RetryPolicy
from app.ports import HttpResponse
from tests.fakes import Device, FakeClock, FakeNetwork, error_answer
from tests.loopback import Loopback
from tests.scenarios.proxy import Proxy, page
from tests.scenarios.test_deadly_actions import deadly
from tests.sync.test_engine import idle, send

SLOW = RetryPolicy(Backoff(first=1_000, cap=1_000), max_attempts=2)


@pytest.fixture(autouse=True)
def _slow_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare a type with a policy of its own, for one test."""
    monkeypatch.setattr(registry, "_types", dict(registry._types))
    registry.action("slow", retry=SLOW)(lambda _, action: action.data)


@pytest.mark.parametrize("answer", [error_answer(500), error_answer(503), page(502)])
async def test_action_at_which_the_server_fails_goes_by_the_policy_of_its_type(
    clock: FakeClock, server: Loopback, answer: HttpResponse
) -> None:
    proxy = Proxy(server, deadly(answer))
    device = Device(clock, FakeNetwork(clock, proxy))
    client = await device.open()
    bad = await client.queue.add("slow", {"t": "deadly"}, collection="sheets", item_id="bad")
    waits: list[float] = []
    for _ in range(400):
        entry = await client.queue.get(bad)
        if entry.state == "pending" and entry.next_attempt_at > clock.now():
            waits.append((entry.next_attempt_at - clock.now()) / 1000)
        await send(client, f"fine {clock.now()}")
        await clock.advance(30)
    assert (entry.state, entry.attempts) == ("failed", SLOW.max_attempts)
    assert max(waits) > 100, "the default never waits that long after so few failures"
    await device.kill()


async def test_handler_that_fails_goes_by_the_policy_of_its_type(
    device: Device, clock: FakeClock
) -> None:
    client = await device.open()
    attempts: list[int] = []

    @client.handler("slow")
    def slow(_action: object) -> None:
        attempts.append(clock.now())
        raise OSError("Busy.")

    action_id = await client.queue.add("slow", {})
    await clock.until(lambda: client.status.get().failed == 1, within=2_000)
    assert len(attempts) == SLOW.max_attempts
    assert attempts[1] - attempts[0] > 60_000
    assert (await client.queue.get(action_id)).attempts == SLOW.max_attempts


async def test_attempt_that_an_application_counts_goes_by_the_policy_of_the_type(
    device: Device,
) -> None:
    client = await device.open(run=False)
    action_id = await client.queue.add("slow", {})
    await client.queue.increment_retry(action_id)
    assert (await client.queue.get(action_id)).state == "pending"
    await client.queue.increment_retry(action_id)
    assert (await client.queue.get(action_id)).state == "failed"


async def test_network_is_tried_again_by_the_connection_s_own_rules(
    device: Device, clock: FakeClock, network: FakeNetwork
) -> None:
    """Otherwise one slow type would keep all others waiting, or a quick one would press on."""
    client = await device.open()
    await clock.until(lambda: idle(client))
    network.down = True
    await client.queue.add("slow", {}, collection="sheets", item_id="a")
    await clock.advance(5)
    network.down = False
    assert await clock.until(lambda: idle(client)) < 60
