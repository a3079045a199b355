"""Conflicts in the page: nothing is lost, and each choice ends in the same state everywhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenApp
from tests.browser.notes import Notes
from tests.browser.page import DOUBLE_TAP, App
from tests.browser.servers import Server

CHOICES = {"Mine": "Keep mine", "Theirs": "Use server", "Both": "Merge"}
BODIES = {
    "Mine": "Key with the {late} warden",
    "Theirs": "Key with the {early} warden",
    "Both": "Key with both wardens",
}


def bodies(server: Server) -> dict[str, str]:
    """Return the bodies of the notes that the server holds, by title."""
    rows = [row["data"] for row in server.rows("notes") if not row["deleted"]]
    return {data["title"]: data["body"] for data in rows}


def on_two_devices(server: Server, open_app: OpenApp) -> tuple[Notes, Notes]:
    """Return the notes of two devices that both have one note, open on the first."""
    mine, theirs = Notes(open_app(server)), Notes(open_app(server))
    mine.enter().write("Hut", "Key under the stone")
    theirs.enter().wait_for(("synced", "Hut"))
    return mine.wait_for(("synced", "Hut")), theirs


def in_conflict(server: Server, open_app: OpenApp) -> tuple[Notes, Notes]:
    """Return the notes of two devices that changed the same field; the first one knows it."""
    mine, theirs = on_two_devices(server, open_app)
    mine.app.offline()
    mine.fill(body="Key with me").save()
    theirs.edit("Hut", body="Key with them").wait_for(("synced", "Hut"))
    mine.app.online()
    return mine.wait_for(("conflict", "Hut")), theirs


@pytest.mark.parametrize(("early", "late"), [("first", "second"), ("second", "first")])
def test_s07_s15_notes_edited_offline_on_two_devices_end_equal_with_each_choice(
    server: Server, open_app: OpenApp, early: str, late: str
) -> None:
    devices = {name: Notes(open_app(server)).enter() for name in ("first", "second")}
    for title in CHOICES:
        devices["first"].write(title, "Key under the stone")
    for notes in devices.values():
        notes.wait_for(*(("synced", title) for title in CHOICES))
        notes.app.offline()
    for name, notes in devices.items():
        for title in CHOICES:
            notes.edit(title, body=f"Key with the {name} warden")
    devices[early].app.online()
    devices[early].wait_for(*(("synced", title) for title in CHOICES))
    behind = devices[late]
    behind.app.online()
    behind.wait_for(*(("conflict", title) for title in CHOICES))
    assert behind.app.badge("conflict") == "3 conflicts"
    for title, choice in CHOICES.items():
        behind.open(title)
        expect(behind.conflict).to_contain_text("Your version")
        expect(behind.conflict).to_contain_text("Server version")
        marks = behind.conflict.locator('dd[data-field="body"] mark')
        assert marks.all_inner_texts() == [late, early]
        behind.choose(choice)
        if choice == "Merge":
            behind.conflict.get_by_label("Merged body").fill("Key with both wardens")
            behind.choose("Save merged")
        expect(behind.conflict).to_be_hidden()
    for notes in devices.values():
        notes.wait_for(*(("synced", title) for title in CHOICES))
    expected = {title: text.format(early=early, late=late) for title, text in BODIES.items()}
    assert bodies(server) == expected
    third = Notes(open_app(server)).enter()
    for notes in (*devices.values(), third):
        for title, body in expected.items():
            notes.open(title)
            expect(notes.form.get_by_label("Body")).to_have_value(body)
    expect(third.page.get_by_text("Resolved conflicts")).to_be_visible()


def test_resolution_made_offline_can_be_undone_and_made_again(
    server: Server, open_app: OpenApp
) -> None:
    mine, _ = in_conflict(server, open_app)
    mine.app.offline()
    mine.conflict.get_by_role("button", name="Keep mine", exact=True).evaluate(DOUBLE_TAP)
    mine.wait_for(("pending", "Hut"))
    expect(mine.app.by_test_id("notice")).to_be_empty()
    mine.app.by_test_id("undo").get_by_role("button", name="Undo").click()
    mine.wait_for(("conflict", "Hut"))
    mine.choose("Use server").wait_for(("synced", "Hut"))
    mine.app.online()
    expect(mine.app.by_test_id("pending-badge")).to_be_hidden()
    expect(mine.form.get_by_label("Body")).to_have_value("Key with them")
    assert bodies(server) == {"Hut": "Key with them"}


def test_note_deleted_here_and_changed_there_is_put_to_the_person(
    server: Server, open_app: OpenApp
) -> None:
    mine, theirs = on_two_devices(server, open_app)
    mine.app.offline()
    mine.form.get_by_role("button", name="Delete").click()
    mine.wait_for()
    theirs.edit("Hut", body="Key with them").wait_for(("synced", "Hut"))
    mine.app.online()
    mine.wait_for(("conflict", "Hut")).open("Hut")
    expect(mine.conflict).to_contain_text("You deleted this note while somebody else changed it.")
    mine.choose("Restore").wait_for(("synced", "Hut"))
    assert bodies(server) == {"Hut": "Key with them"}


def test_merge_that_was_begun_stays_when_the_servers_version_moves_on_and_over_a_reload(
    server: Server, open_app: OpenApp
) -> None:
    mine, theirs = in_conflict(server, open_app)
    mine.choose("Merge").conflict.get_by_label("Merged body").fill("Key with both")
    theirs.edit("Hut", body="Key is lost").wait_for(("synced", "Hut"))
    expect(mine.conflict).to_contain_text("has changed since you opened this")
    expect(mine.conflict).to_contain_text("Key is lost")
    merged = mine.conflict.get_by_label("Merged body")
    expect(merged).to_have_value("Key with both")
    mine.app.wait_for_draft()
    mine.app.reload()
    expect(merged).to_have_value("Key with both")
    mine.choose("Cancel")
    expect(merged).to_be_hidden()
    mine.choose("Merge")
    expect(merged).to_have_value("Key with me")
    merged.fill("Key with both")
    mine.choose("Save merged").wait_for(("synced", "Hut"))
    assert bodies(server) == {"Hut": "Key with both"}


DEAF = """
const listen = BroadcastChannel.prototype.addEventListener;
BroadcastChannel.prototype.addEventListener = function (type, heard) {
  listen.call(this, type, (event) => window.deaf || heard(event));
};"""
"""A tab hears nothing of the others while `deaf`, as one that is frozen."""


def test_d6_second_tab_that_chooses_otherwise_is_told_and_overwrites_nothing(
    server: Server, open_app: OpenApp
) -> None:
    mine, theirs = in_conflict(server, open_app)
    page = mine.app.context.new_page()
    page.add_init_script(DEAF)
    second = Notes(App(page, mine.app.url, mine.app.watch).goto().wait_ready())
    second.enter().open("Hut")
    expect(second.conflict).to_contain_text("Server version")
    second.page.evaluate("window.deaf = true")
    mine.choose("Keep mine").wait_for(("synced", "Hut"))
    second.choose("Use server")
    expect(second.app.by_test_id("notice")).to_contain_text("Nothing was overwritten.")
    theirs.wait_for(("synced", "Hut"))
    expect(theirs.form.get_by_label("Body")).to_have_value("Key with me")
    assert bodies(server) == {"Hut": "Key with me"}
