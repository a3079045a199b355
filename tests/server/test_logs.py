"""The log: one line an event, written once for each turn of the event loop."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from weakref import ref

import pytest

from server.logs import TurnHandler


class Written(io.StringIO):
    """A stream that keeps what it was given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def log(written: Written) -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.turns")
    handler = TurnHandler(written)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger
    logger.removeHandler(handler)


async def test_lines_of_one_turn_are_written_at_its_end_in_one_piece(
    log: logging.Logger, written: Written
) -> None:
    log.info("one")
    log.info("two")
    assert written.pieces == []
    await asyncio.sleep(0)
    assert written.pieces == ["one\ntwo\n"]
    log.info("three")
    await asyncio.sleep(0)
    assert written.pieces == ["one\ntwo\n", "three\n"]


async def test_warning_is_written_at_once_behind_what_came_before(
    log: logging.Logger, written: Written
) -> None:
    log.info("one")
    log.warning("two")
    assert written.pieces == ["one\ntwo\n"]
    log.info("three")
    await asyncio.sleep(0)
    assert written.pieces == ["one\ntwo\n", "three\n"]


def test_line_of_another_thread_is_written_at_once(log: logging.Logger, written: Written) -> None:
    log.info("one")
    assert written.pieces == ["one\n"]


async def test_what_was_not_written_yet_is_written_at_the_end(
    log: logging.Logger, written: Written
) -> None:
    log.info("last")
    handler = next(it for it in log.handlers if isinstance(it, TurnHandler))
    logging.shutdown([ref(handler)])
    assert written.pieces == ["last\n"]


def test_record_that_cannot_be_put_in_words_stops_nobody(
    log: logging.Logger, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.info("%d", "no number")
    log.info("two")
    assert written.pieces == ["two\n"]
