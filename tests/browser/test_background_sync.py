"""What was written offline reaches the server with every tab closed, by the worker alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import OpenProfile
from tests.browser.device import PERMISSIONS, RecordingServer, wait_until


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[RecordingServer]:
    """Start a server that keeps what is pushed to it."""
    running = RecordingServer(tmp_path)
    running.start()
    yield running
    running.close()


def test_messages_reach_the_server_with_every_tab_closed(
    recording: RecordingServer, profile: OpenProfile
) -> None:
    app = profile.open(recording, permissions=PERMISSIONS).wait_installed()
    app.wait_for_connection("connected").reload().offline()
    for number in range(3):
        app.send(f"m{number}")
    bench = app.context.new_page()
    app.page.close()
    requests = len(app.watch.requests)
    app.context.set_offline(False)
    wait_until(lambda: recording.stored() == ["m0", "m1", "m2"], bench)
    assert {url.rsplit("/", 1)[1] for url in app.watch.requests[requests:]} <= {"sync"}
    bench.wait_for_timeout(300)
    pushed = len(recording.pushes())
    app.page = bench
    app.goto().wait_ready().wait_for_messages(*[("sent", f"m{number}") for number in range(3)])
    assert app.badge("pending") == ""
    assert not [body for body in recording.pushes()[pushed:] if '"actions":[{' in body]
