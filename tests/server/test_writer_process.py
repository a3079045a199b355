"""A process of its own writes: it answers as the server would, and its end loses nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.core.actions import registry
from app.protocol import SyncRequest
from server.database import Database
from server.exchange import Exchange
from server.identity import LOCAL
from server.refusals import DatabaseUnavailable
from server.writer_link import WriterLink
from server.writer_process import WriterFailed, write_for
from tests.server.builders import message, request
from tests.server.live import Live, children_of, is_running, live, until

SERVER = ("-m", "tests.server.faulty", "--port", "0", "--database")


def exchange(*actions: dict[str, Any], **fields: Any) -> Exchange:
    asked = SyncRequest.model_validate(request(*actions, **fields))
    return Exchange.of(registry, LOCAL, asked, now=1)


def writer_of(server: Live) -> int:
    (writer,) = children_of(server.process.pid)
    return writer


def push(server: Live, *seqs: int) -> httpx.Response:
    body = request(*(message(seq) for seq in seqs))
    return httpx.post(f"{server.url}/api/sync", json=body)


def verdicts(answer: httpx.Response) -> list[str]:
    return [result["verdict"] for result in answer.json()["results"]]


@pytest.fixture
async def link(database: Database) -> AsyncIterator[WriterLink]:
    """Ask a writer that runs in a thread here, so that a test can get at it."""
    ours, theirs = socket.socketpair()
    own = Database(database.engine.url.render_as_string(hide_password=False))
    thread = threading.Thread(target=write_for, args=(theirs, own, registry))
    thread.start()
    link = WriterLink(ours)
    await link.open()
    yield link
    link.close()
    while thread.is_alive():
        await asyncio.sleep(0.001)
    theirs.close()


async def test_each_gets_the_answer_to_its_own_exchange(link: WriterLink) -> None:
    asked = [exchange(message(n, item=f"m{n}"), client=f"c{n}") for n in range(1, 41)]
    answers = await asyncio.gather(*map(link.answer, asked))
    ids = [answer.response().results[0].row for answer in answers]
    assert [row.id for row in ids if row] == [f"m{n}" for n in range(1, 41)]
    (again,) = await asyncio.gather(link.answer(asked[0]))
    assert again.verdicts == ["duplicate"]
    assert again.changed_to == 0


async def test_reply_that_nobody_waits_for_any_more_is_dropped(link: WriterLink) -> None:
    asked = asyncio.create_task(link.answer(exchange(message(1))))
    await asyncio.sleep(0)
    asked.cancel()
    assert (await link.answer(exchange(message(1)))).verdicts == ["duplicate"]


async def test_refusal_of_the_database_reaches_who_asked(
    link: WriterLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise DatabaseUnavailable("The database cannot be used now: it is full.")

    with monkeypatch.context() as patch:
        patch.setattr("server.writer_process.answer_all", refuse)
        with pytest.raises(DatabaseUnavailable, match="it is full"):
            await link.answer(exchange(message(1)))
    assert (await link.answer(exchange(message(1)))).verdicts == ["applied"]


async def test_error_of_ours_is_told_in_the_writers_log_alone(
    link: WriterLink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("what a person wrote")

    with monkeypatch.context() as patch:
        patch.setattr("server.writer_process.answer_all", fail)
        with pytest.raises(WriterFailed) as caught:
            await link.answer(exchange(message(1)))
    assert "person" not in str(caught.value)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert (await link.answer(exchange(message(1)))).verdicts == ["applied"]


async def test_who_asks_when_the_writer_is_gone_is_told_so(database: Database) -> None:
    ours, theirs = socket.socketpair()
    link = WriterLink(ours)
    assert not link.is_open
    await link.open()
    asked = asyncio.create_task(link.answer(exchange(message(1))))
    await asyncio.sleep(0)
    assert link.is_open
    theirs.close()
    with pytest.raises(DatabaseUnavailable, match="has ended"):
        await asked
    assert not link.is_open
    with pytest.raises(DatabaseUnavailable, match="has ended"):
        await link.answer(exchange(message(1)))


def test_writer_that_is_killed_costs_a_503_and_the_server_writes_itself(database_url: str) -> None:
    with live(*SERVER, database_url) as server:
        assert verdicts(push(server, 1)) == ["applied"]
        writer = writer_of(server)
        os.kill(writer, signal.SIGSTOP)
        refused: list[httpx.Response] = []
        waiting = threading.Thread(target=lambda: refused.append(push(server, 1, 2)))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        os.kill(writer, signal.SIGKILL)
        waiting.join(10)
        assert refused[0].status_code == 503
        assert refused[0].headers["retry-after"] == "2"
        assert verdicts(push(server, 1, 2)) == ["duplicate", "applied"]
        assert server.stop() == 0
        assert server.process.stderr is not None
        assert "this one writes from now on" in server.process.stderr.read()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_writer_ends_with_its_server(database_url: str, how: signal.Signals) -> None:
    with live(*SERVER, database_url) as server:
        assert verdicts(push(server, 1)) == ["applied"]
        writer = writer_of(server)
        server.stop(how)
        until(lambda: not is_running(writer))


def test_writer_is_told_to_end_by_nobody_but_its_server(database_url: str) -> None:
    """Who stops a service signals all of its processes at once."""
    with live(*SERVER, database_url) as server:
        writer = writer_of(server)
        assert verdicts(push(server, 1)) == ["applied"]
        for ending in (signal.SIGTERM, signal.SIGINT):
            os.kill(writer, ending)
        assert verdicts(push(server, 1, 2)) == ["duplicate", "applied"]
        assert writer_of(server) == writer
        assert is_running(writer)


def test_writer_holds_nothing_that_the_next_server_needs(database_url: str) -> None:
    with live(*SERVER, database_url) as server:
        writer = writer_of(server)
        os.kill(writer, signal.SIGSTOP)
        server.stop(signal.SIGKILL)
        port = server.url.rpartition(":")[2]
        command = [part if part != "0" else port for part in SERVER]
        with live(*command, database_url) as next_server:
            assert verdicts(push(next_server, 1)) == ["applied"]
        os.kill(writer, signal.SIGCONT)
        until(lambda: not is_running(writer))
