"""Observable values keep Svelte's contract."""

from __future__ import annotations

import logging

import pytest

from app.sync.connection import Connection
from app.sync.stores import Writable, derived
from tests.fakes import START, FakeClock


def test_subscriber_hears_the_value_at_once_and_then_each_change() -> None:
    store = Writable(1)
    heard: list[int] = []
    end = store.subscribe(heard.append)
    store.set(2)
    store.set(2)
    end()
    store.set(3)
    assert heard == [1, 2]


def test_derived_follows_its_source() -> None:
    source = Writable(1)
    double = derived(source, lambda value: value * 2)
    heard: list[int] = []
    double.subscribe(heard.append)
    source.update(lambda value: value + 1)
    assert (double.get(), heard) == (4, [2, 4])


def test_failing_subscriber_is_logged_and_keeps_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Writable(0)
    heard: list[int] = []
    store.subscribe(lambda value: 1 // value)
    store.subscribe(heard.append)
    with caplog.at_level(logging.ERROR):
        store.set(1)
    assert heard == [0, 1]
    assert "A subscriber failed" in caplog.text


def test_connection_has_the_members_of_the_first_seed() -> None:
    connection = Connection(FakeClock())
    assert (connection.status, connection.was_disconnected) == ("connecting", False)
    assert connection.last_connected_at is None
    connection.set_disconnected()
    assert (connection.status, connection.is_connected.get()) == ("disconnected", False)
    connection.set_connected()
    assert (connection.status, connection.is_connected.get()) == ("connected", True)
    assert connection.was_disconnected
    assert connection.last_connected_at == START
