"""What was written offline reaches the server with every tab closed, by the worker alone."""

from __future__ import annotations

import pytest

from tests.browser.conftest import OpenProfile
from tests.browser.device import PERMISSIONS, Bench, RecordingServer, kept, wait_until, written
from tests.browser.page import App

FAILS = "status of 5"
"""How the browser's console begins to speak of a server that fails."""


def left_alone(app: App) -> Bench:
    """Close the app's tab; returns what the test goes on with."""
    bench = Bench(app.context, app.url, app.watch)
    app.page.close()
    return bench


def queued(bench: Bench, *texts: str) -> list[str]:
    """Have these messages wait on a device whose page is closed; returns their ids."""
    known = {it["key"]: it for it in bench.stores()["metadata"]}
    outbox = written(kept({"metadata": [known["seq"]]}), "m", list(texts))
    bench.load(outbox=outbox)
    return [entry["id"] for entry in outbox]


def pushed(recording: RecordingServer) -> list[str]:
    """Return the requests that carried actions."""
    return [body for body in recording.pushes() if '"actions":[{' in body]


def test_messages_reach_the_server_with_every_tab_closed(
    recording: RecordingServer, profile: OpenProfile
) -> None:
    app = profile.open(recording, permissions=PERMISSIONS).wait_installed()
    app.wait_for_connection("connected").offline()
    texts = [f"m{number}" for number in range(3)]
    for text in texts:
        app.send(text)
    bench = left_alone(app)
    assert bench.tags() == ["sync-actions"]
    requests = len(app.watch.requests)
    app.context.set_offline(False)
    wait_until(lambda: recording.stored() == texts, bench.page)
    assert set(app.watch.requests[requests:]) == {f"{recording.url}/api/sync"}
    wait_until(bench.idle, bench.page)
    wait_until(lambda: bench.tags() == [], bench.page)
    before = len(pushed(recording))
    app.page = bench.page
    app.goto().wait_ready().wait_for_messages(*[("sent", text) for text in texts])
    assert app.badge("pending") == ""
    assert len(pushed(recording)) == before


def test_answers_are_settled_also_where_the_next_start_is_offline(
    recording: RecordingServer, profile: OpenProfile
) -> None:
    app = profile.open(recording, permissions=PERMISSIONS).wait_installed()
    app.wait_for_connection("connected").offline().send("Hello")
    bench = left_alone(app)
    app.context.set_offline(False)
    wait_until(lambda: bool(bench.sent()), bench.page)
    wait_until(bench.idle, bench.page)
    app.context.set_offline(True)
    app.page = bench.page
    app.goto().wait_ready().wait_for_messages(("sent", "Hello"))


def test_e1_failing_server_leaves_the_queue_and_tells_the_person_at_the_last_chance(
    recording: RecordingServer, bench: Bench
) -> None:
    bench.watch.allow.append(FAILS)
    queued(bench, "one", "two", "three")
    outbox = bench.stores()["outbox"]
    recording.fault("error_500", times=2)
    before = recording.requests()
    bench.leave()
    bench.sync()
    wait_until(lambda: recording.requests() > before, bench.page)
    bench.come_back()
    wait_until(bench.idle, bench.page)
    assert (bench.notifications(), bench.stores()["outbox"]) == ([], outbox)
    bench.leave()
    bench.sync(last_chance=True)
    wait_until(lambda: recording.requests() > before + 1, bench.page)
    bench.page.wait_for_timeout(500)
    bench.come_back()
    wait_until(lambda: bool(bench.notifications()), bench.page)
    assert bench.notifications() == ["3 changes wait on this device"]
    assert (bench.stores()["outbox"], recording.stored()) == (outbox, [])


def test_s12_last_chance_registers_again_and_says_nothing_to_whom_the_page_is_open(
    recording: RecordingServer, bench: Bench
) -> None:
    bench.watch.allow.append(FAILS)
    queued(bench, "one")
    recording.fault("error_500", times=1)
    bench.sync(last_chance=True)
    wait_until(lambda: recording.stored() == ["one"], bench.page)
    assert bench.notifications() == []


@pytest.mark.parametrize("fault", ["html_200", "drop_after_commit", "unavailable_503"])
def test_attempt_without_an_answer_is_made_again_under_the_same_ids(
    recording: RecordingServer, bench: Bench, fault: str
) -> None:
    bench.watch.allow += [FAILS, "net::ERR_"]
    ids = queued(bench, "one", "two")
    recording.fault(fault)
    before = recording.requests()
    bench.sync()
    wait_until(lambda: recording.requests() > before and bench.idle(), bench.page)
    assert bench.sent() == []
    bench.sync()
    wait_until(lambda: bench.sent() == ids, bench.page)
    assert len(bench.stores()["inbox"]) == 1
    assert recording.stored() == ["one", "two"]
    assert len(set(pushed(recording))) == 1


def test_pull_in_the_background_is_there_at_the_next_start(
    recording: RecordingServer, profile: OpenProfile
) -> None:
    app = profile.open(recording, permissions=PERMISSIONS).wait_installed()
    app.wait_for_connection("connected")
    bench = left_alone(app)
    recording.add_messages("from afar")
    wait_until(bench.idle, bench.page)
    bench.sync("sync-data")
    wait_until(lambda: bool(bench.stores()["inbox"]) and bench.idle(), bench.page)
    app.context.set_offline(True)
    app.watch.went_offline = True
    app.page = bench.page
    app.goto().wait_ready().wait_for_messages(("sent", "from afar"))


def test_d5_event_while_a_page_drains_has_one_effect_each(
    recording: RecordingServer, profile: OpenProfile
) -> None:
    app = profile.open(recording, permissions=PERMISSIONS).wait_installed()
    bench = Bench(app.context, app.url, app.watch)
    app.wait_for_connection("connected")
    recording.fault("delay", seconds=2)
    app.send("one")
    bench.sync()
    app.send("two").wait_for_messages(("sent", "one"), ("sent", "two"))
    assert recording.stored() == ["one", "two"]
    assert bench.stores()["inbox"] == []


def test_d5_page_opened_while_the_worker_sends_goes_on_from_there(
    recording: RecordingServer, profile: OpenProfile
) -> None:
    app = profile.open(recording, permissions=PERMISSIONS).wait_installed()
    app.wait_for_connection("connected").offline().send("one").send("two")
    bench = left_alone(app)
    recording.fault("delay", seconds=8)
    app.context.set_offline(False)
    wait_until(lambda: len(pushed(recording)) == 1, bench.page)
    app.page = app.context.new_page()
    app.goto().wait_ready().send("three")
    app.wait_for_messages(("sent", "one"), ("sent", "two"), ("sent", "three"))
    assert recording.stored() == ["one", "two", "three"]


def test_s14_three_tabs_and_the_worker_send_once_and_a_killed_leader_is_replaced(
    recording: RecordingServer, profile: OpenProfile
) -> None:
    first = profile.open(recording, permissions=PERMISSIONS).wait_installed()
    tabs = [first, first.another_tab(), first.another_tab()]
    first.wait_for_connection("connected").offline()
    for number, tab in enumerate(tabs):
        tab.send(f"m{number}")
    first.page.close()
    first.context.set_offline(False)
    sent = [("sent", f"m{number}") for number in range(3)]
    for tab in tabs[1:]:
        tab.wait_for_messages(*sent)
    assert recording.stored() == ["m0", "m1", "m2"]
    tabs[1].offline()
    tabs[1].send("m3")
    bench = left_alone(tabs[1])
    tabs[2].page.close()
    first.context.set_offline(False)
    wait_until(lambda: recording.stored()[3:] == ["m3"], bench.page)
