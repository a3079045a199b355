"""The page with 10,000 messages, measured: `make figures`; needs a machine with nothing else to do.

A new message among them is to cost less than 16 ms of script, and typing never to wait for more
than 100 ms while they all arrive. The figures are logged, and the bounds are asserted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import OpenApp
from tests.browser.log import Log
from tests.browser.servers import Server

TRIES = 3
"""Measurements at most: one that something else on the machine disturbed says nothing of us."""
MANY = 10_000
ARRIVALS = 15
SCRIPT_BOUND_MS = 16
TASK_BOUND_MS = 100

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
