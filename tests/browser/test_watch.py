"""What every other test relies on: whatever goes on behind a page is seen."""

from __future__ import annotations

from tests.browser.conftest import OpenApp
from tests.browser.servers import Server

FOREIGN = "http://localhost:9"


MISCONDUCT = {
    f"fetch('{FOREIGN}/x').catch(() => null)": f"{FOREIGN}/x",
    f"(new Image().src = '{FOREIGN}/x.png', null)": f"{FOREIGN}/x.png",
    f"import('{FOREIGN}/x.js').catch(() => null)": f"{FOREIGN}/x.js",
    "(new WebSocket('ws://localhost:9/x'), null)": "ws://localhost:9/x",
    "console.error('something is wrong')": "something is wrong",
    "void setTimeout(() => { throw new Error('thrown') })": "thrown",
    "void Promise.reject(new Error('rejected'))": "rejected",
    "fetch('./missing')": "404",
}


def test_each_misconduct_of_a_page_is_a_problem(server: Server, open_app: OpenApp) -> None:
    app = open_app(server)
    assert app.watch.problems() == []
    for act, seen in MISCONDUCT.items():
        app.page.evaluate(act)
        app.page.wait_for_timeout(200)
        assert [line for line in app.watch.problems() if seen in line], act
        app.watch.requests.clear()
        app.watch.errors.clear()


def test_network_errors_are_a_problem_only_where_the_test_did_not_provoke_them(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server)
    app.watch.errors.append("console error: Failed to load resource: net::ERR_CONNECTION_REFUSED")
    assert len(app.watch.problems()) == 1
    server.kill()
    assert app.watch.problems() == []
