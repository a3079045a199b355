"""`serve.py` as a process: its ready line, its pokes, its errors, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server.builders import message, request
from tests.server.fake_site import make_tree
from tests.server.live import ROOT, Live, live, start

SERVE = f"import sys; from pathlib import Path; sys.path.insert(0, {str(ROOT)!r})\n" + (
    "from server.cli import main; sys.exit(main(Path(sys.argv.pop(1))))"
)


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    """Return how to start a server of a small site."""
    database = f"sqlite:///{tmp_path / 'server.db'}"
    root = make_tree(tmp_path / "root")
    return ("-c", SERVE, str(root), "--port", "0", "--database", database)


@pytest.fixture
def server(options: tuple[str, ...]) -> Iterator[Live]:
    with live(*options) as running:
        yield running


def pokes(lines: Iterator[str]) -> Iterator[str]:
    """Return the cursors of the `changed` events in a stream."""
    for line in lines:
        if line == "event: changed":
            yield json.loads(next(lines).removeprefix("data: "))["cursor"]


def push(server: Live, seq: int) -> str:
    body = request(message(seq))
    return str(httpx.post(f"{server.url}/api/sync", json=body).json()["cursor"])


def test_ready_line_is_printed_once_the_server_answers(server: Live) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{server.url}/api/health").json()["status"] == "ok"
    assert httpx.get(server.url).headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_well_and_soon_with_an_open_event_stream(
    server: Live, how: signal.Signals
) -> None:
    with httpx.stream("GET", f"{server.url}/api/events") as stream:
        assert next(pokes(stream.iter_lines())).endswith(".0")
        began = time.monotonic()
        assert server.stop(how) == 0
        assert time.monotonic() - began < 2
    out, errors = server.process.communicate()
    assert out == ""
    assert "Traceback" not in errors


def test_streams_are_poked_at_once_and_after_each_commit_that_changed_rows(server: Live) -> None:
    push(server, 1)
    with (
        httpx.stream("GET", f"{server.url}/api/events") as one,
        httpx.stream("GET", f"{server.url}/api/events") as two,
    ):
        assert one.headers["content-type"].startswith("text/event-stream")
        assert one.headers["cache-control"] == "no-store"
        streams = [pokes(stream.iter_lines()) for stream in (one, two)]
        assert [next(stream).endswith(".1") for stream in streams] == [True, True]
        push(server, 1)  # a duplicate changes nothing
        newest = push(server, 2)
        assert [next(stream) for stream in streams] == [newest, newest]


def test_log_has_a_line_for_each_request_and_no_text_of_a_message(server: Live) -> None:
    body = request(message(1, "Meet me at the secret place"), client="c77")
    httpx.post(f"{server.url}/api/sync?token=hidden", json=body)
    httpx.get(f"{server.url}/a%0aforged")
    server.stop()
    _, errors = server.process.communicate()
    assert "POST /api/sync status=200" in errors
    assert "client=c77 actions=1" in errors
    assert "GET /a%0Aforged status=404" in errors
    assert "secret" not in errors
    assert "hidden" not in errors


def test_headers_without_end_are_cut_off(server: Live) -> None:
    address = httpx.URL(server.url)
    line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
    with socket.create_connection((address.host, address.port or 0), timeout=10) as connection:
        connection.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(ConnectionError):  # noqa: PT012 - any of the writes may be the one
            for _ in range(20_000):
                connection.sendall(line)
    assert httpx.get(f"{server.url}/api/health").status_code == 200


def test_chunks_that_are_mostly_not_body_are_cut_off(server: Live) -> None:
    address = httpx.URL(server.url)
    chunk = b"1;" + b"x" * 1000 + b"\r\na\r\n"
    with socket.create_connection((address.host, address.port or 0), timeout=10) as connection:
        connection.sendall(
            b"POST /api/sync HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        with pytest.raises(ConnectionError):  # noqa: PT012 - any of the writes may be the one
            for _ in range(20_000):
                connection.sendall(chunk)
    assert httpx.get(f"{server.url}/api/health").status_code == 200


def test_many_requests_on_one_connection_are_all_answered(server: Live) -> None:
    with httpx.Client(base_url=server.url, headers={"X-Filler": "x" * 4_000}) as client:
        assert {client.get("/api/health").status_code for _ in range(40)} == {200}


def test_taken_port_is_one_clear_sentence(options: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(*options, "--port", port)
        out, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert out == ""
    said = f"Port {port} on 127.0.0.1 is in use already: choose another with --port.\n"
    assert errors == said


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--database", "sqlite:////proc/nowhere/server.db"), "cannot be made"),
        (("--database", "nonsense"), "not a database URL"),
        (("--workers", "2"), "SQLite is served by one worker"),
        (("--workers", "0"), "At least one worker"),
        (("--port", "many"), "whole number"),
        (("--host", "no.such.host.invalid"), "cannot listen on no.such.host.invalid"),
    ],
)
def test_start_that_cannot_be_is_one_clear_sentence(
    options: tuple[str, ...], option: tuple[str, ...], words: str
) -> None:
    process = start(*options, *option)
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert out == ""
    assert words in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_serve_py_says_what_it_takes() -> None:
    process = start("serve.py", "--help")
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    for option in ("--host", "--port", "--database", "--workers", "build", "compact", "new-epoch"):
        assert option in out
