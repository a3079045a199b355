"""The bound on a tap: a message is painted and durable soon after it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenApp
from tests.browser.log import Log
from tests.browser.page import TIMEOUT
from tests.browser.servers import Server

SENDS = 40
TRIES = 3
"""Measurements at most: one that something else on the machine disturbed says nothing of us."""
BOUND_MS = 50
PACE_MS = 300
"""From one message to the next tap: nobody writes one faster. It is sent meanwhile."""
MEASURE = """async ([count, pace]) => {
  const field = document.getElementById("composer-text");
  const form = document.querySelector('[data-testid="composer"]');
  const list = document.querySelector('[data-part="messages"]');
  const painted = () => new Promise(resolve =>
    requestAnimationFrame(() => { const {port1, port2} = new MessageChannel();
      port1.onmessage = () => resolve(performance.now()); port2.postMessage(null); }));
  const times = [];
  for (let i = 0; i < count; i++) {
    const text = `measured ${i}`;
    field.value = text;
    const shown = new Promise(resolve => {
      const observer = new MutationObserver(() => {
        if (list.lastElementChild?.querySelector('[data-part="text"]').textContent === text) {
          observer.disconnect(); resolve(painted());
        }
      });
      observer.observe(list, {childList: true});
    });
    const durable = new Promise(resolve => {
      const check = () => field.value === "" ? resolve(performance.now()) : setTimeout(check, 1);
      check();
    });
    const tapped = performance.now();
    document.querySelector('[data-part="send"]').click();
    times.push(Math.max(await shown, await durable) - tapped);
    await new Promise(resolve => setTimeout(resolve, pace));
  }
  return times.sort((a, b) => a - b);
}"""


def test_tap_to_painted_and_durable_with_a_thousand_messages_shown(
    server: Server, open_app: OpenApp
) -> None:
    server.add_messages(*[f"message {number}" for number in range(1000)])
    app = open_app(server)
    expect(app.message("message 999")).to_be_visible(timeout=TIMEOUT)
    app.reload()
    Log(app).load(1_000).to_the_end()
    figures: list[str] = []
    for _ in range(TRIES):
        times: list[float] = app.page.evaluate(MEASURE, [SENDS, PACE_MS])
        p95 = times[round(len(times) * 0.95) - 1]
        figures.append(f"median {times[len(times) // 2]:.1f} ms, p95 {p95:.1f} ms")
        if p95 <= BOUND_MS:
            return
    pytest.fail("; ".join(figures))
