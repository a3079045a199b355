"""Many tabs of one device: all write, one sends, and the lead goes on at once."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from playwright.sync_api import BrowserContext, expect
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import Adopt, OpenApp, OpenProfile
from tests.browser.device import BLANK, RecordingServer, wait_until
from tests.browser.faulty import FaultyServer
from tests.browser.page import App
from tests.browser.servers import Server

TABS = 8
EACH = 200
NO_LOCKS = "delete Navigator.prototype.locks"
NO_SYNC = "delete window.ServiceWorkerRegistration?.prototype.sync; delete window.SyncManager"
LEADER = """navigator.locks.query().then(
  ({held}) => held.find(({name}) => name === 'driftline')?.clientId ?? '')"""
WATCH_LEADER = """(before) => {
  window.takenOver = 0;
  const look = async () => {
    const { held } = await navigator.locks.query();
    const leader = held.find(({ name }) => name === "driftline")?.clientId;
    if (leader && leader !== before) window.takenOver = Date.now();
    else setTimeout(look, 10);
  };
  look();
}"""
HOLDER = """new Promise((resolve) => {
  const open = indexedDB.open("driftline");
  open.onsuccess = () => {
    const get = open.result.transaction("metadata").objectStore("metadata").get("lease");
    get.onsuccess = () => {
      resolve(get.result?.value.holder ?? "");
      open.result.close();
    };
  };
})"""
RUN_PYTHON = """(code) => {
  const script = document.createElement("script");
  script.type = "py";
  script.textContent = code;
  document.body.append(script);
}"""
EDIT = """
from js import document
from app.browser.ffi import BrowserClock, BrowserRandom
from app.browser.http import browser_http
from app.browser.idb import IndexedDBStore
from app.browser.tabs import LockLeadership, TabChannel
from app.core import crud
from app.core.actions import Registry
from app.sync.client import Client, World

actions = Registry()  # nothing is coalesced: each change is one action
actions.action("create")(crud.create)
actions.action("update", checks_version=True)(crud.update)
client = Client(World(
    store=IndexedDBStore("driftline"), http=browser_http, clock=BrowserClock(),
    random=BrowserRandom(), leadership=LockLeadership("driftline"), channel=TabChannel("driftline"),
), "./api", actions)
for number in range({count}):
    await client.queue.add(
        "{kind}", {{"title": "{tab} " + str(number)}}, collection="notes",
        item_id="note-" + str(number % 4))
document.documentElement.dataset.edited = "{tab}"
"""


def run_python(app: App, tab: str, kind: str, count: int) -> None:
    """Have a tab make changes to four notes, as fast as it can."""
    app.page.evaluate(RUN_PYTHON, EDIT.format(tab=tab, kind=kind, count=count))


def has_run(app: App, tab: str) -> None:
    """Wait until what a tab was to run has run."""
    expect(app.page.locator("html")).to_have_attribute("data-edited", tab, timeout=60_000)


def kill(app: App) -> None:
    """Have the tab's process die without warning; the tab stays where it is, and is dead."""
    crashed: list[object] = []
    app.page.on("crash", crashed.append)
    with contextlib.suppress(PlaywrightError):
        app.page.goto("chrome://crash", wait_until="commit")
    assert crashed


def test_d1_eight_tabs_of_two_hundred_actions_at_once_have_exactly_that_many_effects(
    tmp_path: Path, open_app: OpenApp
) -> None:
    server = RecordingServer(tmp_path)
    server.start()
    try:
        tabs = [open_app(server).wait_installed()]
        run_python(tabs[0], "made", "create", 4)
        has_run(tabs[0], "made")
        tabs += [tabs[0].another_tab() for _ in range(TABS - 1)]
        for number, tab in enumerate(tabs):
            run_python(tab, f"t{number}", "update", EACH)
        for number, tab in enumerate(tabs):
            has_run(tab, f"t{number}")
        for tab in tabs:
            expect(tab.by_test_id("pending-badge")).to_be_hidden(timeout=60_000)
        assert max(row["version"] for row in server.rows("notes")) == 4 + TABS * EACH
        assert_in_order(server.pushes())
    finally:
        server.close()


def assert_in_order(pushes: list[str]) -> None:
    """The actions of an item were first sent in the order of their places in the outbox."""
    latest: dict[str, int] = {}
    seen: set[str] = set()
    for body in pushes:
        for action in json.loads(body)["actions"]:
            if action["id"] not in seen:
                assert action["seq"] > latest.get(action["item_id"], 0)
                latest[action["item_id"]] = action["seq"]
            seen.add(action["id"])
    assert len(seen) == 4 + TABS * EACH


def test_d2_leader_killed_before_its_answer_is_replaced_within_a_second_and_sends_once(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    leader = open_app(faulty).wait_installed().wait_for_connection("connected")
    other = leader.another_tab()
    other.page.evaluate(WATCH_LEADER, leader.page.evaluate(LEADER))
    faulty.fault("delay", seconds=4)
    before = faulty.requests()
    leader.send("under way")
    wait_until(lambda: faulty.requests() > before, other.page)
    killed = time.time()
    kill(leader)
    wait_until(lambda: other.page.evaluate("window.takenOver") > 0, other.page)
    assert other.page.evaluate("window.takenOver") / 1000 - killed < 1
    other.wait_for_messages(("sent", "under way"))
    assert faulty.stored() == ["under way"]


def test_d3_tab_kept_for_back_lets_go_of_the_lead_and_knows_what_happened_meanwhile(
    server: Server, profile: OpenProfile
) -> None:
    options = {"ignore_default_args": ["--disable-back-forward-cache"]}
    first = profile.open(server, **options).wait_installed().wait_for_connection("connected")
    first.page.evaluate("window.kept = true")
    first.page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    second = first.another_tab()
    first.page.goto(server.url + BLANK)
    second.send("meanwhile").wait_for_messages(("sent", "meanwhile"))
    first.page.go_back(wait_until="commit")
    assert first.page.evaluate("window.kept") is True, first.page.evaluate(
        "JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons)"
    )
    first.wait_for_messages(("sent", "meanwhile"))
    first.send("back again").wait_for_messages(("sent", "meanwhile"), ("sent", "back again"))
    second.page.close()
    first.send("alone")
    first.wait_for_statuses("sent", "sent", "sent")
    assert server.messages() == ["meanwhile", "back again", "alone"]


def without_locks(context: BrowserContext) -> None:
    context.add_init_script(NO_LOCKS)


def test_d4_without_web_locks_one_tab_leads_by_a_lease_and_another_takes_over(
    server: Server, open_app: OpenApp
) -> None:
    first = open_app(server, prepare=without_locks).wait_installed()
    first.wait_for_connection("connected")
    assert first.page.evaluate("'locks' in navigator") is False
    second = first.another_tab()
    holder = second.page.evaluate(HOLDER)
    assert holder
    first.send("one")
    second.send("two").wait_for_messages(("sent", "one"), ("sent", "two"))
    assert second.page.evaluate(HOLDER) == holder
    first.page.close()
    second.send("three")
    second.wait_for_statuses("sent", "sent", "sent", timeout=30_000)
    assert second.page.evaluate(HOLDER) != holder
    assert server.messages() == ["one", "two", "three"]


def test_s11_without_sync_manager_the_page_drains_on_load_visible_online_and_by_hand(
    server: Server, profile: OpenProfile, adopt: Adopt
) -> None:
    context = profile.launch(permissions=["background-sync"])
    context.add_init_script(NO_SYNC)
    app = adopt(context, server).goto().wait_ready().wait_installed()
    assert app.page.evaluate("'sync' in ServiceWorkerRegistration.prototype") is False
    app.wait_for_connection("connected").offline().send("on load")
    bench = context.new_page()
    app.page.close()
    context.set_offline(False)
    bench.wait_for_timeout(1_000)
    assert server.messages() == []
    app.page = bench
    app.goto().wait_ready().wait_for_messages(("sent", "on load"))
    app.offline().send("online").online().wait_for_statuses("sent", "sent")
    for text, urge in (("visible", VISIBLE), ("by hand", "")):
        app.watch.allow.append("ERR_FAILED")
        context.route("**/api/**", lambda route: route.abort())
        app.send(text).wait_for_connection("disconnected", timeout=30_000)
        context.unroute("**/api/**")
        if urge:
            app.page.evaluate(urge)
        else:
            app.sync_now()
        app.wait_for_connection("connected", timeout=4_000)
        expect(app.by_test_id("pending-badge")).to_be_hidden()
    assert server.messages() == ["on load", "online", "visible", "by hand"]


VISIBLE = "document.dispatchEvent(new Event('visibilitychange'))"
