"""Whatever people write is shown as text: nothing of it is ever read as markup or run."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenApp
from tests.browser.injections import CORPUS
from tests.browser.log import Log
from tests.browser.notes import Notes
from tests.browser.outbox import Outbox
from tests.browser.page import TIMEOUT, App
from tests.browser.servers import Server
from tests.browser.states import conflicting

OUTBOX_LABELS = '[data-testid="outbox-entry"] [data-part="label"]'
TEXTS = """selector => [...document.querySelectorAll(selector)].map(it => it.textContent)"""
FOREIGN = """() => [...document.querySelectorAll(
  "main :is(script, img, iframe, object, embed, style, base, meta, video, audio, marquee, math)")]
  .map(it => it.outerHTML)"""


def check_unharmed(page: Page) -> None:
    """Fail if anything ran, or became an element."""
    assert page.evaluate("window.injected") is None
    assert page.evaluate(FOREIGN) == []
    assert page.evaluate("document.documentElement.dataset.ready") == "true"
    assert page.evaluate("({}).injected") is None


def add(server: Server, collection: str, *items: dict[str, str]) -> None:
    """Put items on the server as another device would."""
    kind = "send_message" if collection == "messages" else "create"
    for start in range(0, len(items), 100):
        page = items[start : start + 100]
        actions = [
            {
                "id": f"x-{collection}-{start + n}",
                "seq": start + n + 1,
                "type": kind,
                "collection": collection,
                "item_id": f"x-{collection}-{start + n}",
                "data": item,
                "created_at": 1_760_000_000_000 + start + n,
            }
            for n, item in enumerate(page)
        ]
        body = {"protocol": 1, "client_id": f"x-{collection}", "actions": actions}
        answer = server.post("/api/sync", body)
        assert {result["verdict"] for result in answer["results"]} == {"applied"}


def test_corpus_has_at_least_a_hundred_different_texts() -> None:
    assert len(set(CORPUS)) == len(CORPUS) >= 100


def test_messages_senders_and_notes_show_every_text_as_it_was_written(
    server: Server, open_app: OpenApp
) -> None:
    add(server, "messages", *[{"text": text, "sender": text[:80]} for text in CORPUS])
    add(server, "notes", *[{"title": text, "body": text} for text in CORPUS])
    app = open_app(server)
    expect(app.message(CORPUS[-1])).to_be_visible(timeout=TIMEOUT)
    Log(app).load(len(CORPUS)).to_the_top()
    shown = app.page.evaluate(TEXTS, '.message [data-part="text"]')
    assert shown == list(CORPUS)
    senders = app.page.evaluate(TEXTS, '.message [data-part="sender"]')
    assert senders == [text[:80] for text in CORPUS]
    check_unharmed(app.page)
    notes = Notes(app).enter()
    expect(app.by_test_id("note").first).to_be_visible()
    for text in CORPUS[::20]:
        app.page.get_by_label("Search notes").fill(text.split()[0])
        check_unharmed(app.page)
    app.page.get_by_label("Search notes").fill("")
    app.by_test_id("note").first.get_by_role("link").click()
    expect(notes.form.get_by_label("Body")).to_have_value(CORPUS[-1])
    check_unharmed(app.page)


def test_conflicts_show_every_text_as_it_was_written(server: Server, open_app: OpenApp) -> None:
    notes = conflicting(open_app(server), open_app(server))
    notes.page.evaluate("navigator.onLine")
    everything = "\n".join(CORPUS)[:7_900]
    notes.open("Hut")
    notes.choose("Merge")
    notes.conflict.get_by_label("Merged body").fill(everything)
    notes.choose("Save merged").wait_for(("synced", "Hut"))
    expect(notes.form.get_by_label("Body")).to_have_value(everything)
    check_unharmed(notes.page)


def test_errors_and_the_outbox_show_every_text_as_it_was_written(
    server: Server, open_app: OpenApp
) -> None:
    app: App = open_app(server).wait_installed().wait_for_connection("connected").offline()
    worst = [CORPUS[0], CORPUS[28], CORPUS[60], CORPUS[100]]
    for text in worst:
        app.send(text)
    outbox = Outbox(app).open().wait_for_states(*["pending"] * len(worst))
    labels = outbox.page.evaluate(TEXTS, OUTBOX_LABELS)
    assert labels == worst
    check_unharmed(app.page)
