"""A page that is set up for plain REST sends and receives, offline first, without our protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Request

from tests.browser.conftest import OpenApp
from tests.browser.servers import Server


@pytest.fixture
def rest_server(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Start a server whose page talks to it by plain REST."""
    monkeypatch.setenv("DRIFTLINE_TRANSPORT", "rest")
    running = Server(tmp_path, port=port)
    running.start()
    yield running
    running.close()


def test_page_set_up_for_rest_sends_and_receives(rest_server: Server, open_app: OpenApp) -> None:
    app = open_app(rest_server)
    asked: set[tuple[str, str]] = set()

    def note(request: Request) -> None:
        asked.add((request.method, urlsplit(request.url).path))

    app.page.on("request", note)
    app.wait_for_connection("connected").send("Hello")
    app.wait_for_messages(("sent", "Hello"))
    rest_server.add_messages("From afar")
    app.sync_now().wait_for_messages(("sent", "Hello"), ("sent", "From afar"))
    rest_server.stop()
    app.sync_now().wait_for_connection("disconnected")
    app.send("Later")
    rest_server.start()
    app.sync_now().wait_for_statuses("sent", "sent", "sent")
    assert rest_server.messages() == ["Hello", "From afar", "Later"]
    assert {("POST", "/api/messages"), ("GET", "/api/messages")} <= asked
    assert not {path for _, path in asked} & {"/api/sync", "/api/events"}
