"""Notes in the page: written, found, edited and deleted without a network, drafts kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from playwright.sync_api import Request, Route, expect

from tests.browser.conftest import OpenApp
from tests.browser.notes import Notes
from tests.browser.page import TIMEOUT
from tests.browser.servers import Server

SLOW_WRITES = """() => {
  const {transact} = window.driftlineIdb;
  window.driftlineIdb.transact = (...work) =>
    new Promise(resolve => setTimeout(() => resolve(transact(...work)), 600));
}"""
"""Makes saving take so long that the draft of what is saved is kept meanwhile."""
HOLD_DRAFT = """() => {
  const {read} = window.driftlineIdb;
  window.driftlineIdb.read = async (db, stores, queries) => {
    if (queries.includes('"draft:note:new"'))
      await new Promise(resolve => (window.release = resolve));
    return read(db, stores, queries);
  };
}"""
"""Keeps the draft of a new note from being read until `release()`."""


def titles(server: Server) -> list[str]:
    """Return the titles of the notes that the server holds."""
    return sorted(row["data"]["title"] for row in server.rows("notes") if not row["deleted"])


def test_note_is_written_found_edited_and_deleted_offline_and_syncs_later(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server).wait_installed().wait_for_connection("connected").offline()
    notes = Notes(app).enter()
    notes.write("Hut", "Key under the stone").write("River", "Bridge is gone")
    notes.wait_for(("pending", "Hut"), ("pending", "River"))
    app.page.get_by_label("Search notes").fill("STONE key")
    notes.wait_for(("pending", "Hut"))
    app.page.get_by_label("Search notes").fill("nowhere")
    expect(app.page.get_by_text("No note contains “nowhere”.").last).to_be_visible()
    app.page.get_by_label("Search notes").fill("")
    notes.edit("Hut", body="Key with the warden")
    notes.open("River").form.get_by_role("button", name="Delete").click()
    notes.wait_for(("pending", "Hut"))
    app.by_test_id("undo").get_by_role("button", name="Undo").click()
    notes.wait_for(("pending", "Hut"), ("pending", "River"))
    app.online()
    notes.wait_for(("synced", "Hut"), ("synced", "River"))
    assert titles(server) == ["Hut", "River"]


def test_draft_of_a_note_survives_a_reload_and_can_be_discarded(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server)
    notes = Notes(app).enter().write("Hut", "Key under the stone")
    notes.wait_for(("synced", "Hut"))
    notes.fill(body="Key with the w")
    expect(notes.form.get_by_text("Draft kept on this device")).to_be_visible()
    app.wait_for_draft()
    app.reload()
    expect(notes.form.get_by_label("Body")).to_have_value("Key with the w")
    notes.form.get_by_role("button", name="Discard draft").click()
    expect(notes.form.get_by_label("Body")).to_have_value("Key under the stone")


def test_draft_is_neither_of_a_note_that_was_saved_nor_put_over_what_is_being_written(
    server: Server, open_app: OpenApp
) -> None:
    notes = Notes(open_app(server)).enter()
    title = notes.form.get_by_label("Title")
    new = notes.page.get_by_role("button", name="New note")
    notes.page.evaluate(SLOW_WRITES)
    notes.write("First")
    new.click()
    expect(title).to_be_focused()
    expect(title).to_have_value("")
    notes.fill("Begun")
    expect(notes.form.get_by_text("Draft kept on this device")).to_be_visible()
    notes.note("First").get_by_role("link").click()
    expect(title).to_have_value("First")
    notes.page.evaluate(HOLD_DRAFT)
    new.click()
    expect(title).to_have_value("")
    notes.fill("Second", "Written at once")
    notes.page.wait_for_function("'release' in window")
    notes.page.evaluate("release()")
    expect(title).to_be_focused()
    notes.save().wait_for(("synced", "First"), ("synced", "Second"))


SAVE_TWICE_AND_WRITE_ON = """form => {
  const [save, body] = [form.querySelector('[data-part="save"]'), form.querySelector("textarea")];
  body.focus();
  save.click();
  save.click();
  body.setRangeText(" and more", body.value.length, body.value.length, "end");
  body.dispatchEvent(new Event("input", {bubbles: true}));
}"""
"""In one task of the page, so that nothing can be stored in between."""


def test_double_tap_saves_a_note_once_and_what_is_written_meanwhile_stays(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server).wait_installed().wait_for_connection("connected").offline()
    notes = Notes(app).enter()
    body = notes.form.get_by_label("Body")
    notes.page.get_by_role("button", name="New note").click()
    for before in ("Key", "Key and more!"):
        notes.fill("Hut", before)
        notes.form.evaluate(SAVE_TWICE_AND_WRITE_ON)
        expect(notes.form.get_by_text("Draft kept on this device")).to_be_visible()
        notes.wait_for(("pending", "Hut"))
        expect(body).to_be_focused()
        expect(body).to_have_value(f"{before} and more")
    expect(notes.note("Hut")).to_contain_text("Key and more!")
    app.wait_for_draft()
    app.reload()
    expect(body).to_have_value("Key and more! and more")
    app.online()
    notes.wait_for(("synced", "Hut"))
    assert [row["data"]["body"] for row in server.rows("notes")] == ["Key and more!"]


def test_what_others_change_shows_in_the_open_note_but_not_over_what_is_being_written(
    server: Server, open_app: OpenApp
) -> None:
    mine, theirs = Notes(open_app(server)), Notes(open_app(server))
    mine.enter().write("Hut", "Key under the stone")
    theirs.enter().wait_for(("synced", "Hut"))
    mine.wait_for(("synced", "Hut")).fill(body="Key with the warden")
    theirs.edit("Hut", new_title="Old hut")
    expect(mine.form.get_by_label("Title")).to_have_value("Old hut")
    expect(mine.form.get_by_label("Body")).to_have_value("Key with the warden")


def test_what_is_written_over_a_change_that_was_not_seen_is_a_conflict_also_after_a_reload(
    server: Server, open_app: OpenApp
) -> None:
    mine, theirs = Notes(open_app(server)), Notes(open_app(server))
    mine.enter().write("Hut", "Key under the stone").wait_for(("synced", "Hut"))
    mine.fill(body="Key with me")
    theirs.enter().wait_for(("synced", "Hut"))
    theirs.edit("Hut", new_title="Old hut", body="Key with them").wait_for(("synced", "Old hut"))
    mine.wait_for(("synced", "Old hut"))
    expect(mine.form.get_by_label("Title")).to_have_value("Old hut")
    mine.app.wait_for_draft()
    mine.app.reload()
    expect(mine.form.get_by_label("Body")).to_have_value("Key with me")
    mine.save()
    expect(mine.conflict).to_contain_text("Key with them")
    expect(mine.conflict).to_contain_text("Key with me")
    assert [row["data"]["body"] for row in server.rows("notes")] == ["Key with them"]


def test_what_is_being_written_outlives_a_conflict_of_what_was_saved(
    server: Server, open_app: OpenApp
) -> None:
    mine, theirs = Notes(open_app(server)), Notes(open_app(server))
    mine.enter().write("Hut", "Key under the stone").wait_for(("synced", "Hut"))
    theirs.enter().wait_for(("synced", "Hut"))
    mine.app.wait_installed().offline()
    mine.fill(body="Key with me").save()
    mine.fill(body="Key with me, and the lamp")
    theirs.edit("Hut", body="Key with them").wait_for(("synced", "Hut"))
    mine.app.online()
    expect(mine.conflict).to_be_visible(timeout=TIMEOUT)
    mine.choose("Keep mine").wait_for(("synced", "Hut"))
    expect(mine.form.get_by_label("Body")).to_have_value("Key with me, and the lamp")
    expect(mine.form.get_by_text("Draft kept on this device")).to_be_visible()


def test_what_is_written_on_a_note_that_others_delete_can_be_saved_as_a_new_one(
    server: Server, open_app: OpenApp
) -> None:
    mine, theirs = Notes(open_app(server)), Notes(open_app(server))
    mine.enter().write("Hut", "Key under the stone").wait_for(("synced", "Hut"))
    theirs.enter().wait_for(("synced", "Hut")).open("Hut")
    mine.fill(body="Key with the warden")
    theirs.form.get_by_role("button", name="Delete").click()
    mine.wait_for()
    expect(mine.form).to_contain_text("Deleted meanwhile.")
    mine.app.wait_for_draft()
    mine.app.reload()
    expect(mine.form.get_by_label("Body")).to_have_value("Key with the warden")
    mine.save().wait_for(("synced", "Hut"))
    assert titles(server) == ["Hut"]
    expect(mine.form).to_contain_text("Synced")


def test_undoing_a_deletion_brings_back_what_was_not_saved(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server)
    notes = Notes(app).enter().write("Hut", "Key under the stone").wait_for(("synced", "Hut"))
    notes.fill(body="Key with the warden")
    app.wait_for_draft()
    notes.form.get_by_role("button", name="Delete").click()
    notes.wait_for()
    app.by_test_id("undo").get_by_role("button", name="Undo").click()
    notes.wait_for(("synced", "Hut")).open("Hut")
    expect(notes.form.get_by_label("Body")).to_have_value("Key with the warden")
    expect(notes.form.get_by_text("Draft kept on this device")).to_be_visible()


SHOWN = """() => {
  const field = document.getElementById("note-body");
  const seen = new Set();
  const look = () => {
    for (const note of document.querySelectorAll('[data-testid="note"]'))
      if (note.querySelector('[data-part="title"]').textContent === "Hut")
        seen.add(note.querySelector('[data-part="excerpt"]').textContent).add(field.value);
  };
  const list = document.querySelector('[data-part="note-list"]');
  new MutationObserver(look).observe(list, {childList: true, characterData: true, subtree: true});
  const watch = () => (look(), requestAnimationFrame(watch));
  watch();
  return () => [...seen];
}"""


def test_s17_note_changed_while_an_answer_is_on_its_way_never_shows_the_old_value(
    server: Server, open_app: OpenApp
) -> None:
    notes = Notes(open_app(server)).enter().write("Hut", "before").wait_for(("synced", "Hut"))
    held: list[Route] = []

    def sends_first(request: Request) -> bool:
        return "first" in (request.post_data or "")

    def hold_first(route: Route) -> None:
        if held or not sends_first(route.request):
            route.continue_()
        else:
            held.append(route)

    notes.page.route("**/api/sync", hold_first)
    with notes.page.expect_request(sends_first, timeout=TIMEOUT):
        notes.fill(body="first").save()
    notes.fill(body="second").save().wait_for_note("pending", "Hut")
    expect(notes.note("Hut")).to_contain_text("second")
    shown = notes.page.evaluate_handle(SHOWN)
    server.add_notes_of("another-device", ("Weather", "Snow"))
    held[0].continue_()
    notes.wait_for(("synced", "Hut"), ("synced", "Weather"))
    assert shown.evaluate("shown => shown()") == ["second"]
    bodies = [row["data"]["body"] for row in server.rows("notes") if not row["deleted"]]
    assert sorted(bodies) == ["Snow", "second"]


def test_s16_note_made_changed_and_deleted_offline_with_restarts_leaves_nothing(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server).wait_installed().wait_for_connection("connected").offline()
    notes = Notes(app).enter().write("Hut", "Key under the stone")
    app.reload()
    notes.edit("Hut", new_title="Old hut")
    app.reload()
    notes.wait_for(("pending", "Old hut")).open("Old hut")
    notes.form.get_by_role("button", name="Delete").click()
    notes.wait_for()
    app.reload()
    notes.wait_for()
    app.online().sync_now().wait_for_connection("connected")
    notes.write("After", "").wait_for(("synced", "After"))
    expect(app.by_test_id("pending-badge")).to_be_hidden()
    assert titles(server) == ["After"]


def test_s30_note_that_this_version_cannot_show_is_reported_and_the_rest_goes_on(
    server: Server, open_app: OpenApp
) -> None:
    notes = Notes(open_app(server)).enter().write("Hut", "").wait_for(("synced", "Hut"))
    server.stop()
    with closing(sqlite3.connect(server.database.removeprefix("sqlite:///"))) as database:
        database.execute("UPDATE rows SET data = '{\"title\": 7}', version = 2")
        database.execute("UPDATE spaces SET version = 2")
        database.commit()
    server.start()
    notes.app.sync_now().wait_for_connection("connected")
    expect(notes.app.by_test_id("trouble")).to_contain_text("1 item on this device cannot be shown")
    notes.write("After", "")
    notes.wait_for(("synced", "After"))
