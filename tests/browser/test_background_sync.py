"""What was written offline reaches the server with every tab closed, by the worker alone."""

from __future__ import annotations

from tests.browser.bench import PERMISSIONS, Bench, RecordingServer, wait_until
from tests.browser.conftest import Adopt, OpenProfile
from tests.browser.page import POLLING, App


def left_alone(app: App, recording: RecordingServer) -> Bench:
    """Close the app's tab; returns what the test goes on with."""
    bench = Bench(app.context, recording, app.watch)
    app.page.close()
    return bench


def test_messages_reach_the_server_with_every_tab_closed_and_a_start_offline_shows_them(
    recording: RecordingServer, profile: OpenProfile
) -> None:
    app = profile.open(recording, permissions=PERMISSIONS).wait_installed()
    app.wait_for_connection("connected").offline()
    texts = [f"m{number}" for number in range(3)]
    for text in texts:
        app.send(text)
    bench = left_alone(app, recording)
    assert bench.tags() == ["sync-actions"]
    bench.leave()
    requests = len(app.watch.requests)
    app.context.set_offline(False)
    wait_until(lambda: recording.stored() == texts, bench.page)
    assert set(app.watch.requests[requests:]) == {f"{recording.url}/api/sync"}
    bench.come_back()
    wait_until(lambda: bench.idle() and bench.tags() == [], bench.page)
    recording.add_messages("from afar")
    bench.sync("sync-data")
    wait_until(lambda: len(bench.stores()["inbox"]) == 2 and bench.idle(), bench.page)
    sent = len(bench.pushed())
    app.context.set_offline(True)
    app.page = bench.page
    app.goto().wait_ready()
    app.wait_for_messages(*[("sent", text) for text in [*texts, "from afar"]])
    assert app.badge("pending") == ""
    app.online().wait_for_connection("connected")
    assert len(bench.pushed()) == sent


def test_d5_page_and_worker_side_by_side_send_each_action_once(
    recording: RecordingServer, profile: OpenProfile
) -> None:
    app = profile.open(recording, permissions=PERMISSIONS).wait_installed()
    bench = Bench(app.context, recording, app.watch)
    app.wait_for_connection("connected")
    recording.fault("delay", seconds=2)
    app.send("one")
    bench.sync()
    app.send("two").wait_for_messages(("sent", "one"), ("sent", "two"))
    assert bench.stores()["inbox"] == []
    app.offline().send("three").page.close()
    recording.fault("delay", seconds=8)
    before = len(bench.pushed())
    app.context.set_offline(False)
    wait_until(lambda: len(bench.pushed()) == before + 1, bench.page)
    app.page = app.context.new_page()
    app.goto().wait_ready().send("four")
    app.wait_for_messages(*[("sent", text) for text in ("one", "two", "three", "four")])
    assert recording.stored() == ["one", "two", "three", "four"]


GRANTED = """
window.periods = [];
PeriodicSyncManager.prototype.register = async (...asked) => void periods.push(asked);
const {query} = navigator.permissions;
navigator.permissions.query = async (asked) => asked.name === "periodic-background-sync"
  ? {state: "granted"} : query.call(navigator.permissions, asked);"""
"""As in an installed app that is used often: Chromium grants it nowhere else."""


def test_where_it_is_granted_the_worker_pulls_now_and_then_with_every_tab_closed(
    recording: RecordingServer, profile: OpenProfile, adopt: Adopt
) -> None:
    context = profile.launch(permissions=PERMISSIONS)
    context.add_init_script(GRANTED)
    app = adopt(context, recording).goto().wait_ready().wait_installed()
    app.page.wait_for_function("periods.length", polling=POLLING)
    twice_a_day = {"minInterval": 12 * 3_600_000}
    assert app.page.evaluate("periods") == [["sync-data", twice_a_day]]
    app.wait_for_connection("connected")
    bench = left_alone(app, recording)
    recording.add_messages("from afar")
    bench.periodic_sync("sync-data")
    wait_until(lambda: len(bench.stores()["inbox"]) == 1 and bench.idle(), bench.page)
    app.page = bench.page
    app.context.set_offline(True)
    app.watch.went_offline = True
    app.goto().wait_ready().wait_for_messages(("sent", "from afar"))
