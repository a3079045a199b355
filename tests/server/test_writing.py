"""Answers go out in one piece, whole, and never too much at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.writing import MOST_WAITING, OneWrite


class Transport:
    """A transport that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("close")

    def abort(self) -> None:
        self.told.append("abort")

    def is_closing(self) -> bool:
        return self.told[-1:] in (["close"], ["abort"])


@pytest.fixture
def transport() -> Transport:
    return Transport()


def one_write(transport: Any) -> OneWrite:
    return OneWrite(transport, asyncio.get_running_loop())


async def test_what_is_written_in_one_turn_goes_out_in_one_piece(transport: Transport) -> None:
    to = one_write(transport)
    to.write(b"head ")
    to.write(b"body")
    assert transport.told == []
    await asyncio.sleep(0)
    to.write(b"next")
    await asyncio.sleep(0)
    assert transport.told == [b"head body", b"next"]


async def test_what_waits_goes_out_before_the_end(transport: Transport) -> None:
    to = one_write(transport)
    to.write(b"last")
    to.close()
    await asyncio.sleep(0)
    assert transport.told == [b"last", "close"]


async def test_nothing_is_written_to_a_connection_that_was_cut(transport: Transport) -> None:
    to = one_write(transport)
    to.write(b"lost")
    to.abort()
    await asyncio.sleep(0)
    assert to.is_closing()
    assert transport.told == ["abort"]


async def test_much_does_not_wait_so_that_a_slow_client_is_noticed(transport: Transport) -> None:
    to = one_write(transport)
    to.write(b"head")
    to.write(b"x" * MOST_WAITING)
    assert transport.told == [b"head" + b"x" * MOST_WAITING]
    await asyncio.sleep(0)
    assert len(transport.told) == 1
