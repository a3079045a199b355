"""Many tabs of one device: all write, one sends, and the lead goes on at once.

Eight tabs are opened once and used by the first tests in turn: each starts a Python of its own.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Playwright, expect
from playwright.sync_api import Error as PlaywrightError

from tests.browser.bench import BLANK, PERMISSIONS, Bench, RecordingServer, wait_until
from tests.browser.chrome import Profile
from tests.browser.conftest import Adopt, OpenApp, OpenProfile
from tests.browser.page import App
from tests.browser.servers import Server
from tests.browser.watch import Watch

TABS = 8
EACH = 200
SHEETS = 40
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
from app.sync.queue import New

actions = Registry()  # nothing is coalesced: each change is one action
actions.action("create")(crud.create)
actions.action("update", checks_version=True)(crud.update)
client = Client(World(
    store=IndexedDBStore("driftline"), http=browser_http, clock=BrowserClock(),
    random=BrowserRandom(), leadership=LockLeadership("driftline"), channel=TabChannel("driftline"),
), "./api", actions)
changes = [
    New("{kind}", {{"title": "{tab} " + str(number)}}, "sheets", "sheet-" + str(number % 40))
    for number in range({count})
]
for start in range(0, len(changes), 10):
    await client.queue.add_many(changes[start : start + 10])
document.documentElement.dataset.edited = "{tab}"
"""


def run_python(app: App, tab: str, kind: str, count: int) -> None:
    """Have a tab change items that no view shows, as fast as it can."""
    app.page.evaluate(RUN_PYTHON, EDIT.format(tab=tab, kind=kind, count=count))


def has_run(app: App, tab: str) -> None:
    """Wait until what a tab was to run has run."""
    expect(app.page.locator("html")).to_have_attribute("data-edited", tab, timeout=120_000)


def kill(app: App, other: App) -> None:
    """Have a tab's process die without warning, and take what is left of the tab away."""
    crashed: list[object] = []
    app.page.on("crash", lambda page: crashed.append(page))
    with contextlib.suppress(PlaywrightError):
        app.page.goto("chrome://crash", wait_until="commit")
    wait_until(lambda: bool(crashed), other.page)
    app.page.close()


@dataclass
class Tabs:
    """The tabs of one device that are open, the leader first, and the server that they use."""

    server: RecordingServer
    tabs: list[App]

    @property
    def leader(self) -> App:
        """The tab that was opened first of those that are open."""
        return self.tabs[0]

    def wait_until_sent(self) -> None:
        """Wait until every tab says that nothing waits."""
        for tab in self.tabs:
            expect(tab.by_test_id("pending-badge")).to_be_hidden(timeout=60_000)


@pytest.fixture(scope="module")
def opened(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tabs]:
    """Open eight tabs on one device."""
    folder = tmp_path_factory.mktemp("tabs")
    server = RecordingServer(folder)
    server.start()
    profile = Profile(playwright, folder / "profile")
    context = profile.launch(permissions=PERMISSIONS)
    watch = Watch(context, server.url, lambda: False)
    first = App(context.pages[0], f"{server.url}/", watch).goto().wait_ready().wait_installed()
    yield Tabs(server, [first, *[first.another_tab() for _ in range(TABS - 1)]])
    profile.close()
    server.close()


@pytest.fixture
def many(opened: Tabs) -> Iterator[Tabs]:
    """Give the tabs that are still open; a test fails for what went on behind them."""
    yield opened
    problems = opened.leader.watch.problems()
    assert not problems, "\n".join(problems)


def test_d1_eight_tabs_of_two_hundred_actions_at_once_have_exactly_that_many_effects(
    many: Tabs,
) -> None:
    run_python(many.leader, "made", "create", SHEETS)
    has_run(many.leader, "made")
    for number, tab in enumerate(many.tabs):
        run_python(tab, f"t{number}", "update", EACH)
    for number, tab in enumerate(many.tabs):
        has_run(tab, f"t{number}")
    many.wait_until_sent()
    assert max(row["version"] for row in many.server.rows("sheets")) == SHEETS + TABS * EACH
    assert_in_order(many.server.pushes())


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
    assert len(seen) == SHEETS + TABS * EACH


def test_d2_leader_killed_before_its_answer_is_replaced_within_a_second_and_sends_once(
    many: Tabs,
) -> None:
    leader, other = many.tabs[:2]
    other.page.evaluate(WATCH_LEADER, leader.page.evaluate(LEADER))
    many.server.fault("delay", seconds=4)
    before = many.server.requests()
    leader.send("under way")
    wait_until(lambda: many.server.requests() > before, other.page)
    killed = time.time()
    kill(leader, other)
    del many.tabs[0]
    wait_until(lambda: other.page.evaluate("window.takenOver") > 0, other.page)
    assert other.page.evaluate("window.takenOver") / 1000 - killed < 1
    other.wait_for_messages(("sent", "under way"))
    assert many.server.stored() == ["under way"]


def test_s14_three_tabs_and_the_worker_send_each_message_once(many: Tabs) -> None:
    for tab in many.tabs[3:]:
        tab.page.close()
    del many.tabs[3:]
    device = many.leader.offline().context
    for number, tab in enumerate(many.tabs):
        tab.send(f"m{number}")
    many.tabs.pop(0).page.close()
    device.set_offline(False)
    texts = ["under way", "m0", "m1", "m2"]
    for tab in many.tabs:
        tab.wait_for_messages(*[("sent", text) for text in texts])
    assert many.server.stored() == texts
    bench = Bench(device, many.server, many.leader.watch)
    many.leader.offline().send("m3")
    for tab in many.tabs:
        tab.page.close()
    device.set_offline(False)
    wait_until(lambda: many.server.stored() == [*texts, "m3"], bench.page)
    pushed = [it["id"] for body in bench.server.pushes() for it in json.loads(body)["actions"]]
    messages = [it for it in pushed if pushed.count(it) > 1]
    assert len(set(messages)) <= 1  # what the killed leader had sent


def test_d3_tab_kept_for_back_lets_go_of_the_lead_and_knows_what_happened_meanwhile(
    server: Server, profile: OpenProfile
) -> None:
    first = profile.open(server, ignore_default_args=["--disable-back-forward-cache"])
    first.wait_installed().wait_for_connection("connected")
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


def test_s11_without_sync_manager_the_page_drains_on_load_visible_online_timer_and_by_hand(
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
    urges: dict[str, tuple[Callable[[], Any], int]] = {
        "visible": (lambda: app.page.evaluate(VISIBLE), SOON),
        "by hand": (app.sync_now, SOON),
        "timer": (lambda: None, AT_LAST),
    }
    for text, (urge, within) in urges.items():
        app.watch.allow.append("ERR_FAILED")
        context.route("**/api/**", lambda route: route.abort())
        app.send(text).wait_for_connection("disconnected", timeout=30_000)
        context.unroute("**/api/**")
        urge()
        app.wait_for_connection("connected", timeout=within)
        expect(app.by_test_id("pending-badge")).to_be_hidden()
    assert server.messages() == ["on load", "online", *urges]


VISIBLE = "document.dispatchEvent(new Event('visibilitychange'))"
SOON = 4_000
AT_LAST = 60_000
"""Milliseconds after which a person, or else the longest backoff, has had the page try again."""
