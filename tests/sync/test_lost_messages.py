"""A message between tabs may be lost: the next one shows it, and the tab reads everything anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from app.core.messages import COLLECTION, Message
from app.sync.numbered import Numbered
from tests.fakes import Device, FakeClock, HubChannel
from tests.sync.test_engine import idle, send

Receive = Callable[[Mapping[str, Any]], None]


class Wire:
    """A channel whose two ends are the same, so that a test chooses what arrives."""

    def __init__(self) -> None:
        self.published: list[Mapping[str, Any]] = []
        self.deliver: Receive = lambda _: None

    def publish(self, message: Mapping[str, Any]) -> None:
        self.published.append(message)

    def subscribe(self, receive: Receive) -> Callable[[], None]:
        self.deliver = receive
        return lambda: None


def missed_at(*arriving: int) -> list[int]:
    """Return at which of the arriving messages, by their numbers, a loss is noticed."""
    sending, hearing = Wire(), Wire()
    noticed: list[int] = []
    sender, receiver = Numbered(sending, "a"), Numbered(hearing, "b")
    for number in range(max(arriving)):
        sender.publish({"number of the test": number + 1})
    for number in arriving:
        receiver.missed = partial(noticed.append, number)
        hearing.deliver(sending.published[number - 1])
    return noticed


def test_a_gap_is_noticed_once() -> None:
    assert missed_at(1, 2, 3) == []
    assert missed_at(1, 3, 4) == [3]
    assert missed_at(1, 2, 5, 7) == [5, 7]


def test_a_sender_that_was_not_heard_from_its_start_may_have_said_something() -> None:
    assert missed_at(4, 5) == [4]


async def test_a_tab_that_was_not_told_of_a_change_shows_it_after_the_next_message(
    device: Device, clock: FakeClock
) -> None:
    writing, watching = await device.open(), await device.open()
    shown = watching.collection(COLLECTION, Message)
    await shown.load()
    await clock.until(lambda: idle(writing) and idle(watching))
    _, end = device._hub.ends
    deliver, end.deliver = end.deliver, lambda text: None  # type: ignore[method-assign]  # deaf
    await send(writing, "hello")
    await clock.until(lambda: idle(writing))
    assert shown.get_view().items == ()
    end.deliver = deliver  # type: ignore[method-assign]  # no more
    assert isinstance(end, HubChannel)
    await clock.advance(70)
    assert [(item.value.text, item.status) for item in shown.get_view().items] == [
        ("hello", "synced")
    ]


async def test_a_tab_that_comes_back_shows_what_another_stored_and_never_said(
    device: Device, clock: FakeClock
) -> None:
    leading, dying = await device.open(), await device.open()
    shown = leading.collection(COLLECTION, Message)
    await shown.load()
    await clock.until(lambda: idle(leading) and idle(dying))
    end, _ = device._hub.ends
    deliver, end.deliver = end.deliver, lambda text: None  # type: ignore[method-assign]  # deaf
    await send(dying, "stored, and not said")
    await clock.settle()
    assert shown.get_view().items == ()
    end.deliver = deliver  # type: ignore[method-assign]  # no more
    leading.resume()
    await clock.settle()
    assert [item.value.text for item in shown.get_view().items] == ["stored, and not said"]
