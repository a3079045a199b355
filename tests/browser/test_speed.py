"""Bounds on the time of a tap, of a message among many, and of a key while much is synced."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import OpenApp
from tests.browser.log import Log
from tests.browser.servers import Server

SENDS = 40
TRIES = 3
"""Measurements at most: one that something else on the machine disturbed says nothing of us."""
BOUND_MS = 50
MANY = 10_000
ARRIVALS = 15
SCRIPT_BOUND_MS = 16
TASK_BOUND_MS = 100
MEASURE = """async count => {
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
    await new Promise(resolve => setTimeout(resolve, 30));
  }
  return times.sort((a, b) => a - b);
}"""


def test_tap_to_painted_and_durable_with_a_thousand_messages_shown(
    server: Server, open_app: OpenApp
) -> None:
    server.add_messages(*[f"message {number}" for number in range(1000)])
    app = open_app(server)
    expect(app.message("message 999")).to_be_visible()
    app.reload()
    Log(app).load(1_000).to_the_end()
    figures: list[str] = []
    for _ in range(TRIES):
        times: list[float] = app.page.evaluate(MEASURE, SENDS)
        p95 = times[round(len(times) * 0.95) - 1]
        figures.append(f"median {times[len(times) // 2]:.1f} ms, p95 {p95:.1f} ms")
        if p95 <= BOUND_MS:
            return
    pytest.fail("; ".join(figures))


_log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with 10,000 messages."""
    running = Server(tmp_path_factory.mktemp("large"))
    running.start()
    running.add_messages(*[f"message {number} of a long log" for number in range(MANY)])
    yield running
    running.close()


WATCH_TASKS = """
  window.tasks = [];
  new PerformanceObserver(list => tasks.push(...list.getEntries()))
    .observe({type: 'longtask', buffered: true});
"""
LONGEST_SINCE_READY = """() => {
  const [{startTime}] = performance.getEntriesByName('driftline:ready');
  return Math.max(0, ...tasks.filter(it => it.startTime > startTime).map(it => it.duration));
}"""


def watch_tasks(context: BrowserContext) -> None:
    """Note every task that takes longer than 50 ms, from the start of the page on."""
    context.add_init_script(WATCH_TASKS)


def test_typing_never_waits_for_a_first_pull_of_ten_thousand_rows(
    large: Server, open_app: OpenApp
) -> None:
    longest: list[float] = []
    for _ in range(TRIES):
        app = open_app(large, prepare=watch_tasks)
        newest, typed = app.message(f"message {MANY - 1} of a long log"), ""
        while not newest.count():
            app.composer.press_sequentially("typed ", delay=20)
            typed += "typed "
        expect(app.composer).to_have_value(typed)
        longest.append(app.page.evaluate(LONGEST_SINCE_READY))
        app.context.close()
        if longest[-1] <= TASK_BOUND_MS:
            break
    _log.info("longest task of each try: %s ms", longest)
    assert longest[-1] <= TASK_BOUND_MS, longest


# From the answer of the storage to the end of the script that drew it, with whatever came between.
WATCH_DRAWING = """() => {
  const {read} = window.driftlineIdb;
  window.drawing = [];
  let answered = 0;
  window.driftlineIdb.read = (...queries) =>
    read(...queries).then(answer => { answered = performance.now(); return answer; });
  new MutationObserver(() => drawing.push(performance.now() - answered))
    .observe(document.querySelector('[data-part="messages"]'), {childList: true});
}"""


def test_one_new_message_among_ten_thousand_costs_little_script(
    large: Server, open_app: OpenApp
) -> None:
    app = open_app(large)
    expect(app.message(f"message {MANY - 1} of a long log")).to_be_attached(timeout=120_000)
    app.wait_for_connection("connected").reload()
    log = Log(app).load(MANY).to_the_end()
    assert log.drawn <= 80
    app.page.evaluate(WATCH_DRAWING)
    for number in range(ARRIVALS):
        large.add_messages_of("Ada", f"new {number}")
        expect(app.message(f"new {number}")).to_be_visible(timeout=15_000)
    assert log.loaded == MANY + ARRIVALS
    costs: list[float] = sorted(app.page.evaluate("drawing"))
    _log.info("script to draw a new message: %s ms", costs)
    assert costs[len(costs) // 2] < SCRIPT_BOUND_MS, costs
