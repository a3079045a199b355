"""B4: a portal that redirects to its log-in host is no server, for either way to talk to one."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenApp
from tests.browser.servers import Server


class PortalServer(Server):
    """A server behind a portal (tests/browser/portal.py)."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, "-m", "tests.browser.portal", port=port)

    def close_portal(self, closed: bool) -> dict[str, int]:
        """Close the portal, or open it; returns how often it redirected, and how often in vain."""
        data = json.dumps({"closed": closed}).encode()
        with urllib.request.urlopen(f"{self.url}/__portal__", data=data, timeout=10) as answer:
            return dict(json.load(answer))


@pytest.fixture(params=["batch", "rest"])
def portal(
    request: pytest.FixtureRequest, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PortalServer]:
    """Start a server behind a portal, its page set up for one of the transports."""
    monkeypatch.setenv("DRIFTLINE_TRANSPORT", request.param)
    running = PortalServer(tmp_path, port)
    running.start()
    yield running
    running.close()


def test_b4_redirect_to_a_login_host_is_no_answer_and_is_not_followed(
    portal: PortalServer, open_app: OpenApp
) -> None:
    app = open_app(portal).wait_for_connection("connected")
    app.watch.went_offline = True
    portal.close_portal(True)
    app.send("Hello").sync_now().wait_for_connection("disconnected")
    app.wait_for_messages(("pending", "Hello"))
    seen = portal.close_portal(False)
    assert seen["redirects"] >= 1
    assert seen["logins"] == 0
    assert portal.messages() == []
    app.sync_now().wait_for_messages(("sent", "Hello"))
    expect(app.by_test_id("pending-badge")).to_be_hidden()
    assert portal.messages() == ["Hello"]
