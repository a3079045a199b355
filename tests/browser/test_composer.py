"""Whatever is put into the composer is sent as text, or refused in words and kept there."""

from __future__ import annotations

from playwright.sync_api import Dialog, expect

from tests.browser.conftest import OpenApp
from tests.browser.page import App
from tests.browser.servers import Server

SET_VALUE = """([field, text]) => {
  field.value = text;
  field.dispatchEvent(new Event('input', {bubbles: true}));
}"""


def put(app: App, text: str) -> None:
    """Set the composer's text as a paste would, whatever is in it."""
    app.composer.evaluate("(field, text) => (" + SET_VALUE + ")([field, text])", text)


def put_escaped(app: App, text: str) -> None:
    """Set it to a text with half surrogate pairs, which no protocol of the test's can carry."""
    escaped = "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)
    app.composer.evaluate(
        "(field, text) => ("
        + SET_VALUE
        + ")([field, text.replace(/\\\\u([0-9a-f]{4})/g, (_, code) =>"
        " String.fromCharCode(parseInt(code, 16)))])",
        escaped,
    )


def refused(app: App, words: str) -> None:
    """Check that pressing Send says `words`, keeps the text, and queues nothing."""
    before, shown = app.composer.input_value(), app.messages()
    app.page.get_by_role("button", name="Send", exact=True).click()
    expect(app.page.locator("#composer-error")).to_contain_text(words)
    assert app.composer.input_value() == before
    assert app.messages() == shown
    assert app.badge("pending") == ""


AS_TEXT = {
    "html": "<img src=x onerror=alert(1)><script>alert(2)</script>",
    "emoji": "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🙂",
    "right to left": "שלום \u202eabc\u202c مرحبا",
    "nul": "before\u0000after",
    "template": "{{7*7}} ${7*7} %s \\u0000 \\",
    "the limit": "x" * 8_000,
    "lines": "a\n\n  b",
}


def test_text_is_sent_as_text(server: Server, open_app: OpenApp) -> None:
    app = open_app(server)
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    app.page.on("dialog", dismiss)
    shown: list[tuple[str, str]] = []
    for text in AS_TEXT.values():
        put(app, text)
        app.page.get_by_role("button", name="Send", exact=True).click()
        shown.append(("sent", text))
        app.wait_for_messages(*shown)
    assert server.messages() == list(AS_TEXT.values())
    assert app.reload().messages() == shown
    assert dialogs == []


REFUSED = {
    "empty": ("", "Write something"),
    "blank": (" \n\t ", "Write something"),
    "one too many": ("x" * 8_001, "8,001 characters"),
    "a megabyte": ("x" * 1_000_000, "1,000,000 characters"),
    "high surrogate": ("half \ud83d", "broken character"),
    "low surrogate": ("\ude42 half", "broken character"),
}


def test_text_that_cannot_be_sent_is_refused_in_words_and_kept(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server)
    shown: list[tuple[str, str]] = []
    for name, (text, words) in REFUSED.items():
        put_escaped(app, text)
        refused(app, words)
        put(app, f"still works after {name}")
        app.page.get_by_role("button", name="Send", exact=True).click()
        shown.append(("sent", f"still works after {name}"))
        app.wait_for_messages(*shown)
        expect(app.page.locator("#composer-error")).to_have_text("")


def test_double_tap_sends_once(server: Server, open_app: OpenApp) -> None:
    app = open_app(server)
    app.composer.fill("once")
    app.page.evaluate("""() => {
      const form = document.querySelector('[data-testid="composer"]');
      for (let i = 0; i < 5; i++) form.requestSubmit();
    }""")
    app.wait_for_messages(("sent", "once"))
    app.send("twice").wait_for_messages(("sent", "once"), ("sent", "twice"))
    assert server.messages() == ["once", "twice"]


def test_counter_appears_near_the_limit(server: Server, open_app: OpenApp) -> None:
    app = open_app(server)
    counter = app.page.locator("#composer-counter")
    put(app, "x" * 7_000)
    expect(counter).to_be_hidden()
    put(app, "x" * 7_900)
    expect(counter).to_have_text("7,900 of 8,000 characters")
    put(app, "🏔" * 7_000)
    expect(counter).to_be_hidden()
    put(app, "🏔" * 8_000)
    expect(counter).to_have_text("8,000 of 8,000 characters")
    expect(counter).to_have_attribute("data-over", "false")
    put(app, "🏔" * 8_001)
    expect(counter).to_have_attribute("data-over", "true")


def test_storage_that_refuses_keeps_the_text_and_says_so(server: Server, open_app: OpenApp) -> None:
    app = open_app(server)
    app.page.evaluate("""() => { window.driftlineIdb.transact = () =>
      Promise.reject(new DOMException("full", "QuotaExceededError")); }""")
    app.composer.fill("precious")
    app.page.get_by_role("button", name="Send", exact=True).click()
    expect(app.page.locator("#composer-error")).to_contain_text("no room left")
    assert app.composer.input_value() == "precious"
    assert app.messages() == []


def test_what_is_typed_while_a_message_is_stored_stays(server: Server, open_app: OpenApp) -> None:
    app = open_app(server)
    app.page.evaluate("""() => {
      const {transact} = window.driftlineIdb;
      window.driftlineIdb.transact = (...work) =>
        new Promise(resolve => setTimeout(() => resolve(transact(...work)), 300));
    }""")
    app.composer.click()
    app.page.keyboard.type("first")
    app.page.keyboard.press("Enter")
    app.page.keyboard.type("second")
    expect(app.composer).to_have_value("second")
    app.page.keyboard.press("Enter")
    app.wait_for_messages(("sent", "first"), ("sent", "second"))
