"""Bringing the page into the states that tests and screenshots look at."""

from __future__ import annotations

from tests.browser.notes import Notes
from tests.browser.page import App

REFUSED = {
    "code": "invalid",
    "message": "The log does not take this message.",
    "fields": {"text": "holds a word that is not allowed here"},
}
_REFUSE = """({text, problem}) => {
  const {fetch} = window;
  window.fetch = async (url, options) => {
    const response = await fetch(url, options);
    if (!String(url.url ?? url).endsWith("/sync")) return response;
    const answer = await response.json();
    const sent = JSON.parse(options?.body ?? "{}").actions ?? [];
    for (const result of answer.results) {
      const action = sent.find(({id}) => id === result.id);
      if (action?.data?.text === text)
        Object.assign(result, {verdict: "rejected", row: null, error: problem});
    }
    answer.rows = answer.rows.filter(row => row.data?.text !== text);
    return new Response(JSON.stringify(answer), {headers: {"content-type": "application/json"}});
  };
}"""


def failing(app: App, text: str) -> App:
    """Send a message that the server refuses, as it seems to the page; return once it failed."""
    app.wait_for_connection("connected")
    app.page.evaluate(_REFUSE, {"text": text, "problem": REFUSED})
    app.send(text).wait_for_statuses("failed")
    return app


def conflicting(mine: App, theirs: App, title: str = "Hut") -> Notes:
    """Let two devices edit a note at the same time; return the one that is in conflict."""
    ours, others = Notes(mine), Notes(theirs)
    ours.enter().write(title, "Key under the stone").wait_for(("synced", title))
    others.enter().wait_for(("synced", title))
    mine.offline()
    ours.edit(title, body="Key with the warden in the village")
    others.edit(title, body="Key with the warden at the lake").wait_for(("synced", title))
    mine.online()
    return ours.wait_for(("conflict", title))
