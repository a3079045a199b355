"""Whatever dies on the way, each message has one effect on the server."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import OpenApp
from tests.browser.faulty import FaultyServer
from tests.browser.page import App

KILLS = 20


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for something that no page shows."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def test_server_killed_twenty_times_between_commit_and_reply_has_each_message_once(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    app = open_app(faulty).wait_for_connection("connected")
    texts: list[str] = []
    for number in range(KILLS):
        faulty.fault("kill_after_commit")
        texts.append(f"before kill {number}")
        app.send(texts[-1])
        faulty.wait_for_death()
        texts.append(f"while dead {number}")
        app.send(texts[-1])
        faulty.start()
        app.sync_now()
    app.wait_for_messages(*[("sent", text) for text in texts], timeout=90_000)
    assert faulty.stored() == texts
    expect(app.by_test_id("pending-badge")).to_be_hidden()


def test_s03_tab_killed_while_the_answer_is_on_its_way(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    app = open_app(faulty).wait_installed().wait_for_connection("connected")
    faulty.fault("delay", seconds=20)
    app.send("Hello")
    wait_until(lambda: faulty.stored() == ["Hello"])
    app.watch.went_offline = True
    app.page.close(run_before_unload=False)
    faulty.fault("none", 0)
    survivor = App(app.context.new_page(), app.url, app.watch).goto().wait_ready()
    survivor.wait_for_messages(("sent", "Hello"))
    assert faulty.stored() == ["Hello"]


def test_s03_tab_killed_between_the_answer_and_its_settling(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    app = open_app(faulty).wait_installed().wait_for_connection("connected")
    app.page.evaluate("""() => {
      const {transact} = window.driftlineIdb;
      window.driftlineIdb.transact = (db, stores, queries, decide) => {
        const {store, key} = JSON.parse(queries)[0] ?? {};
        if (store !== "metadata" || key !== "cursor") return transact(db, stores, queries, decide);
        document.title = "held";
        return new Promise(() => {});
      };
    }""")
    app.send("Hello")
    expect(app.page).to_have_title("held")
    assert faulty.stored() == ["Hello"]
    assert app.messages() == [("pending", "Hello")]
    app.page.close(run_before_unload=False)
    survivor = App(app.context.new_page(), app.url, app.watch).goto().wait_ready()
    survivor.wait_for_messages(("sent", "Hello"))
    assert faulty.stored() == ["Hello"]


WITHOUT_STACK = """
const real = window.fetch;
window.fetch = (...request) => real(...request).catch((error) => {
  delete error.stack;
  throw error;
});"""
"""As WebKit gives the errors of requests that failed."""


def test_request_that_failed_with_a_bare_error_is_made_again(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    app = open_app(faulty, prepare=lambda context: context.add_init_script(WITHOUT_STACK))
    app.wait_for_connection("connected").offline()
    app.send("Hello").wait_for_connection("disconnected")
    app.online().wait_for_messages(("sent", "Hello"))
    assert faulty.stored() == ["Hello"]


def test_s03_answer_lost_after_the_commit(faulty: FaultyServer, open_app: OpenApp) -> None:
    app = open_app(faulty).wait_for_connection("connected")
    app.watch.went_offline = True
    faulty.fault("drop_after_commit")
    app.send("Hello").wait_for_messages(("sent", "Hello"))
    assert faulty.stored() == ["Hello"]


def test_s04_three_errors_then_success(faulty: FaultyServer, open_app: OpenApp) -> None:
    app = open_app(faulty).wait_for_connection("connected")
    app.watch.allow.append("status of 500")
    before = faulty.requests()
    faulty.fault("error_500", times=3)
    app.send("Hello").wait_for_messages(("sent", "Hello"), timeout=30_000)
    assert faulty.stored() == ["Hello"]
    assert faulty.requests() - before >= 4


def test_s08_captive_portal_acknowledges_and_caches_nothing(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    app = open_app(faulty).wait_installed().wait_for_connection("connected")
    faulty.fault("html_200", times=1000)
    app.send("Hello").wait_for_connection("disconnected")
    app.wait_for_messages(("pending", "Hello"))
    expect(app.by_test_id("connection")).to_contain_text("Not connected to a server")
    cached = app.page.evaluate("""async () => {
      const texts = [];
      for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const request of await cache.keys()) {
          const type = (await cache.match(request)).headers.get("content-type");
          if (type.startsWith("text/html")) texts.push(await (await cache.match(request)).text());
        }
      }
      return texts;
    }""")
    assert len(cached) == 1
    assert "Log in to this network" not in cached[0]
    faulty.fault("none", 0)
    assert faulty.stored() == []
    app.sync_now().wait_for_messages(("sent", "Hello"))
    assert faulty.stored() == ["Hello"]


def test_s13_message_written_during_a_drain_keeps_its_place(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    app = open_app(faulty).wait_for_connection("connected")
    faulty.fault("delay", seconds=2)
    app.send("one").send("two").send("three")
    app.wait_for_messages(("sent", "one"), ("sent", "two"), ("sent", "three"))
    assert faulty.stored() == ["one", "two", "three"]
