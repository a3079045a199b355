"""Settings: what is set is kept, what is asked for is granted or refused in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import expect

from tests.browser.conftest import OpenApp, Spoil
from tests.browser.servers import Server
from tests.browser.settings_view import Settings

GRANTS = """
window.asked = 0;
let granted = false;
navigator.storage.persist = async () => { asked += 1; return granted = true; };
navigator.storage.persisted = async () => granted;"""
NEVER_QUIETLY = """
Object.defineProperty(navigator, "userAgentData", {value: undefined});
navigator.permissions.query = async () => ({state: "prompt"});"""
REFUSES = "navigator.storage.persist = navigator.storage.persisted = async () => false"
NEVER_IDLE = "window.requestIdleCallback = () => 0"
"""Of the views, only the one that is shown is ever loaded."""
OFFER = """() => {
  const offer = new Event("beforeinstallprompt", {cancelable: true});
  offer.prompt = () => (document.title = "asked to install");
  offer.userChoice = Promise.resolve({outcome: "accepted"});
  return dispatchEvent(offer);
}"""


def script(source: str) -> Spoil:
    """Return what makes a page run a script before its own."""
    return lambda page: page.add_init_script(source)


def test_name_and_theme_are_saved_as_they_are_set_and_there_before_python(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, color_scheme="light")
    settings, other = Settings(app), app.another_tab()
    settings.name.press_sequentially("Ada Lovelace")
    expect(app.page.get_by_text("Saved", exact=True)).to_be_visible()
    settings.choose("Dark")
    expect(app.page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(other.page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(Settings(other).name).to_have_value("Ada Lovelace")
    app.page.reload(wait_until="commit")
    app.page.wait_for_function("document.body?.querySelector('.bar')")
    root = app.page.locator("html")
    assert root.get_attribute("data-theme") == "dark"
    assert (
        app.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        == "rgb(14, 20, 22)"
    )
    app.wait_ready()
    expect(settings.name).to_have_value("Ada Lovelace")
    settings.choose("As the device")
    expect(root).not_to_have_attribute("data-theme", re.compile("."))


def test_storage_is_shown_and_a_refusal_to_protect_it_said_in_words(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, spoil=script(REFUSES))
    settings = Settings(app)
    expect(settings.card("storage")).to_contain_text(re.compile(r"\d (bytes|.B) used of about \d"))
    expect(settings.card("persistence")).to_contain_text("Not protected")
    settings.press("Protect")
    expect(settings.card("persistence")).to_contain_text("The browser said no for now")


def test_storage_is_protected_by_itself_with_the_first_message_where_nobody_is_asked(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, spoil=script(GRANTS))
    settings = Settings(app)
    expect(settings.card("persistence")).to_contain_text("Not protected")
    app.page.get_by_role("link", name="Messages").click()
    app.send("Something to lose")
    app.page.wait_for_function("asked === 1")
    Settings(app)
    expect(settings.card("persistence")).to_contain_text("Protected: the browser will not clear")
    expect(app.page.get_by_role("button", name="Protect")).to_be_hidden()


def test_a_browser_that_would_ask_is_asked_only_by_a_tap(server: Server, open_app: OpenApp) -> None:
    app = open_app(server, spoil=script(GRANTS + NEVER_QUIETLY))
    app.send("Something to lose").wait_for_messages(("sent", "Something to lose"))
    settings = Settings(app)
    expect(settings.card("persistence")).to_contain_text("Not protected")
    assert app.page.evaluate("asked") == 0
    settings.press("Protect")
    expect(settings.card("persistence")).to_contain_text("Protected: the browser will not clear")


def test_everything_on_the_device_is_exported_as_one_file(
    server: Server, open_app: OpenApp, tmp_path: Path
) -> None:
    app = open_app(server)
    app.send("sent").wait_for_messages(("sent", "sent"))
    app.offline().send("not sent")
    settings = Settings(app)
    settings.name.fill("Ada")
    expect(app.page.get_by_text("Saved", exact=True)).to_be_visible()
    with app.page.expect_download() as started:
        settings.press("Export")
    assert re.fullmatch(r"driftline-[\d-]{15}\.json", started.value.suggested_filename)
    started.value.save_as(tmp_path / "export.json")
    found = json.loads((tmp_path / "export.json").read_text())
    assert [row["data"]["text"] for row in found["rows"]["messages"]] == ["sent"]
    assert [json.loads(it["action"])["data"]["text"] for it in found["outbox"]] == ["not sent"]
    assert found["preferences"]["name"] == "Ada"
    expect(settings.card("export")).to_contain_text("Exported as driftline-")


def test_deleting_everything_names_what_is_unsent_and_ends_every_tab(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server)
    app.send("sent").wait_for_messages(("sent", "sent"))
    app.context.add_init_script(NEVER_IDLE)
    other = app.another_tab()
    app.offline().send("not sent")
    settings = Settings(app)
    settings.choose("Dark")
    settings.press("Delete everything on this device")
    dialog = settings.card("erase-dialog")
    expect(dialog).to_contain_text("1 change was not sent.")
    expect(dialog.get_by_role("button", name="Export first")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    settings.press("Delete everything on this device")
    dialog.get_by_role("button", name="Delete everything").click()
    for tab in (app, other):
        expect(tab.by_test_id("erased")).to_be_visible()
    left = "indexedDB.databases().then(all => all.map(one => one.name))"
    assert app.page.evaluate(left) == []
    assert app.page.evaluate("localStorage.length") == 0
    app.online()
    app.page.get_by_role("button", name="Start again").click()
    app.wait_ready().page.get_by_role("link", name="Messages").click()
    app.wait_for_messages(("sent", "sent"))
    assert server.messages() == ["sent"]


def test_app_is_installed_updated_and_credited_from_the_settings(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server).wait_installed()
    app.reload()
    settings = Settings(app)
    expect(settings.card("about")).to_contain_text(urljoin(app.url, "api"))
    settings.press("Check for updates")
    expect(settings.card("version")).to_contain_text("You have the newest version.")
    expect(settings.card("install")).to_be_hidden()
    assert app.page.evaluate(OFFER) is False, "the browser's own bar would come up"
    settings.press("Install")
    expect(app.page).to_have_title("asked to install")
    expect(settings.card("install")).to_be_hidden()
    app.watch.allow.append("ServiceWorker")
    with app.context.expect_page() as opened:
        app.page.get_by_role("link", name="Licences").click()
    expect(opened.value.locator("body")).to_contain_text("pyodide")
    assert not opened.value.locator("header").count(), "the worker gave the app in its place"
    server.stop()
    settings.press("Check for updates")
    expect(settings.card("version")).to_contain_text("There is no answer just now.")
