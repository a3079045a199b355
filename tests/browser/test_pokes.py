"""The event stream in the page: early, and silent."""

from __future__ import annotations

import os
import signal
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import OpenApp
from tests.browser.faulty import FaultyServer
from tests.browser.servers import Server

RECORD = """() => {
  window.steps = [];
  const look = () => {
    const shown = [...document.querySelectorAll('[data-testid="message"]')]
      .map(message => message.dataset.status).join();
    if (shown !== window.steps.at(-1)) window.steps.push(shown);
  };
  new MutationObserver(look).observe(
    document.querySelector('[data-part="messages"]'),
    {childList: true, subtree: true, attributes: true});
}"""


def test_s18_poke_before_the_answer_is_shown_without_a_flicker(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    app = open_app(faulty).wait_for_connection("connected")
    app.page.evaluate(RECORD)
    faulty.fault("delay", seconds=2)
    before = faulty.requests()
    app.send("Hello").wait_for_messages(("sent", "Hello"))
    app.page.wait_for_timeout(500)
    steps: Any = app.page.evaluate("window.steps")
    assert steps == ["pending", "sent"]
    assert faulty.requests() - before <= 3
    assert faulty.stored() == ["Hello"]


def test_b9_stream_of_a_frozen_server_is_noticed_in_the_page(
    server: Server, open_app: OpenApp
) -> None:
    """A frozen process answers nothing and breaks nothing off, like a network that swallows all."""
    app = open_app(server, prepare=lambda context: context.clock.install())
    app.wait_for_connection("connected").send("Hello").wait_for_messages(("sent", "Hello"))
    assert server._process is not None
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        server.was_down = True
        app.page.clock.fast_forward(41_000)
        app.page.wait_for_timeout(500)
        app.page.clock.fast_forward(10_000)
        expect(app.by_test_id("connection")).to_have_attribute("data-status", "disconnected")
    finally:
        os.kill(server._process.pid, signal.SIGCONT)
    app.sync_now().wait_for_connection("connected")
