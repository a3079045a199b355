"""The outbox in the page: what waits and why, and everything that a person can do about it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import OpenApp
from tests.browser.faulty import FaultyServer
from tests.browser.outbox import Outbox
from tests.browser.page import DOUBLE_TAP, TIMEOUT
from tests.browser.servers import Server

FAILED = {
    "state": "failed",
    "error": {"code": "handler_failed", "message": "The printer is out of paper.", "fields": {}},
}

SCROLLED_TO = """text => {
  const scroller = document.querySelector('[data-part="outbox"]');
  scroller.scrollTop = scroller.scrollHeight;
  const labels = [...scroller.querySelectorAll('[data-part="label"]')];
  return labels.some(label => label.textContent === text);
}"""
"""Scrolls to the end, which comes later each time, until an entry is in the document."""
CANCELLED_AND_ASKED_AGAIN = """discard => {
  discard.click();
  document.querySelector('dialog[open]').close();
  discard.click();
}"""
"""Asks again before the browser has said that the first question was closed."""


def offline_outbox(server: Server, open_app: OpenApp, *texts: str) -> Outbox:
    """Return the outbox of a device that wrote messages offline, not opened yet."""
    app = open_app(server).wait_for_connection("connected").offline()
    for text in texts:
        app.send(text)
    return Outbox(app)


def test_s05_refused_action_shows_the_server_s_field_errors_and_is_sent_once_edited(
    server: Server, open_app: OpenApp
) -> None:
    outbox = offline_outbox(server, open_app, "first", "refused", "third")
    outbox.change({1: {"data": {"text": " "}, "base": {"title": "refused"}}})
    outbox.app.online()
    outbox.open().wait_for_states("failed")
    refused = outbox.entry("refused")
    expect(refused).to_contain_text("Not sent")
    expect(refused).to_contain_text("Refused by the server")
    expect(refused).to_contain_text("Some fields are not valid.")
    expect(refused.get_by_role("listitem")).to_have_text(re.compile("^text: .*must not be empty"))
    assert server.messages() == ["first", "third"]
    outbox.press("refused", "Edit")
    field = outbox.dialog().get_by_label("Text", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("must not be empty"))
    outbox.dialog().get_by_role("button", name="Save and send").click()
    expect(outbox.dialog()).to_contain_text("Some fields are not valid.")
    field.fill("put right")
    outbox.dialog().get_by_role("button", name="Save and send").click()
    outbox.wait_for_empty()
    assert server.messages() == ["first", "third", "put right"]


def test_edit_names_the_place_where_json_is_wrong_and_keeps_what_was_typed(
    server: Server, open_app: OpenApp
) -> None:
    outbox = offline_outbox(server, open_app, "labels")
    outbox.change({0: {"data": {"text": "labels", "copies": [1, 2]}, "type": "print_label"}})
    outbox.open().press("labels", "Edit")
    copies = outbox.dialog().get_by_label("Copies (JSON)")
    copies.fill("[1,")
    outbox.dialog().get_by_role("button", name="Save and send").click()
    expect(copies).to_have_accessible_description(re.compile(r"is not JSON: .* \(line 1"))
    expect(copies).to_have_value("[1,")
    outbox.page.keyboard.press("Escape")
    expect(outbox.dialog()).to_have_count(0)
    expect(outbox.entry("labels").get_by_role("button", name="Edit")).to_be_focused()


def test_retry_and_retry_all_send_what_failed(server: Server, open_app: OpenApp) -> None:
    outbox = offline_outbox(server, open_app, "one", "two", "three", "four")
    outbox.change({0: FAILED, 1: FAILED, 2: FAILED}).open()
    outbox.wait_for_states("failed", "failed", "failed", "pending")
    expect(outbox.entry("one")).to_contain_text("The printer is out of paper.")
    outbox.entry("one").get_by_role("button", name="Retry").evaluate(DOUBLE_TAP)
    outbox.wait_for_states("pending", "failed", "failed", "pending")
    expect(outbox.app.by_test_id("notice")).to_be_empty()
    expect(outbox.entry("one")).to_be_focused()
    outbox.page.get_by_role("button", name="Retry all").evaluate(DOUBLE_TAP)
    outbox.wait_for_states("pending", "pending", "pending", "pending")
    expect(outbox.app.by_test_id("notice")).to_have_text("Trying 2 changes again.")
    expect(outbox.page.get_by_role("button", name="Retry all")).to_be_hidden()
    outbox.app.online()
    outbox.wait_for_empty()
    assert server.messages() == ["one", "two", "three", "four"]


def test_discard_asks_first_and_works_by_keyboard_alone(server: Server, open_app: OpenApp) -> None:
    outbox = offline_outbox(server, open_app, "keep", "drop", "stay")
    page = outbox.page
    outbox.open().wait_for_states("pending", "pending", "pending")
    discard = outbox.entry("drop").get_by_role("button", name="Discard")
    outbox.entry("drop").get_by_role("button", name="Export").focus()
    page.keyboard.press("Tab")
    expect(discard).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Discard this change?")
    expect(dialog).to_contain_text("Send message: drop")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(discard).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    outbox.wait_for_states("pending", "pending")
    expect(outbox.entry("stay")).to_be_focused()
    expect(outbox.entry("drop")).to_have_count(0)
    outbox.entry("stay").get_by_role("button", name="Discard").evaluate(CANCELLED_AND_ASKED_AGAIN)
    dialog.get_by_role("button", name="Discard").click()
    outbox.wait_for_states("pending")
    expect(outbox.entry("keep")).to_be_focused()


def test_next_attempt_counts_down_offline_and_while_the_server_is_too_busy(
    faulty: FaultyServer, open_app: OpenApp
) -> None:
    app = open_app(faulty).wait_for_connection("connected")
    faulty.fault("unavailable_503", times=99, seconds=40)
    outbox = Outbox(app.send("wait"))
    app.watch.allow.append("503")
    outbox.open().wait_for_states("pending")
    waiting = outbox.entry("wait")
    expect(waiting).to_contain_text(re.compile(r"Next attempt in 3\d s"), timeout=TIMEOUT)
    expect(waiting).to_contain_text(re.compile(r"Next attempt in 3[0-7] s"), timeout=TIMEOUT)
    app.offline().sync_now().wait_for_connection("disconnected")
    expect(waiting).to_contain_text("Waiting for a connection")
    expect(waiting).to_contain_text(re.compile(r"Next attempt in [1-5] s"), timeout=TIMEOUT)


def test_export_is_json_and_import_brings_what_was_discarded_back(
    server: Server, open_app: OpenApp, tmp_path: Path
) -> None:
    outbox = offline_outbox(server, open_app, "one", "two")
    page = outbox.page
    outbox.open().wait_for_states("pending", "pending")
    with page.expect_download() as single:
        outbox.press("two", "Export")
    assert "two" in single.value.path().read_text()
    assert "one" not in single.value.path().read_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all").click()
    assert re.fullmatch(
        r"driftline-outbox-\d{4}-\d\d-\d\d\.json", download.value.suggested_filename
    )
    exported = tmp_path / "outbox.json"
    download.value.save_as(exported)
    json.loads(exported.read_text())
    for text in ("one", "two"):
        outbox.press(text, "Discard").dialog().get_by_role("button", name="Discard").click()
        expect(outbox.entry(text)).to_have_count(0)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import").click()
    chooser.value.set_files(exported)
    outbox.wait_for_states("pending", "pending")
    expect(outbox.app.by_test_id("notice")).to_contain_text("2 changes")
    outbox.app.online()
    outbox.wait_for_empty()
    assert server.messages() == ["one", "two"]


def test_conflict_leads_to_its_note_and_what_waits_says_for_what(
    server: Server, open_app: OpenApp
) -> None:
    outbox = offline_outbox(server, open_app, "hut", "later")
    conflict = {"state": "conflict", "collection": "notes", "item_id": "n1", "type": "update"}
    outbox.change({0: conflict, 1: {"state": "blocked", "waits_for": [1]}}).open()
    outbox.wait_for_states("conflict", "blocked")
    expect(outbox.entry("later")).to_contain_text("Waits for: Change note “hut”")
    outbox.entry("hut").get_by_role("link", name="Open the note").click()
    expect(outbox.page).to_have_url(re.compile("#/notes/n1$"))


def test_of_ten_thousand_entries_a_page_is_read_and_only_those_near_are_in_the_document(
    server: Server, open_app: OpenApp
) -> None:
    outbox = offline_outbox(server, open_app, "Copy 0").change({}, copies=9_999)
    page = outbox.page
    read = page.evaluate_handle("""() => {
      const lengths = [], {read} = window.driftlineIdb;
      window.driftlineIdb.read = async (...query) => {
        const found = await read(...query);
        lengths.push(found.length);
        return found;
      };
      return lengths;
    }""")
    outbox.open()
    expect(outbox.entry("Copy 0")).to_be_visible(timeout=TIMEOUT)
    assert 10_000 < max(read.json_value()) < 150_000, "more than a page was read"
    assert outbox.entries.count() <= 50
    for seen in ("Copy 99", "Copy 199", "Copy 299"):
        page.wait_for_function(SCROLLED_TO, arg=seen, timeout=TIMEOUT)
    expect(outbox.entry("Copy 0")).to_have_count(0)
    assert outbox.entries.count() <= 50
    page.locator('[data-part="outbox"]').evaluate("scroller => scroller.scrollTop = 0")
    expect(outbox.entry("Copy 0")).to_be_visible()
