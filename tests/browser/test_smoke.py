"""The shortest way through everything: a message written in the page is on the server."""

from __future__ import annotations

from tests.browser.conftest import OpenApp, OpenProfile
from tests.browser.servers import Server


def test_a_message_sent_online_reaches_the_server(server: Server, open_app: OpenApp) -> None:
    app = open_app(server)
    app.wait_for_connection("connected")
    app.send("Bridge 4 is clear")
    app.wait_for_messages(("sent", "Bridge 4 is clear"))
    assert app.badge("pending") == ""
    assert server.messages() == ["Bridge 4 is clear"]


def test_messages_reach_a_second_device(server: Server, open_app: OpenApp) -> None:
    writer, reader = open_app(server), open_app(server)
    writer.send("one").send("two").wait_for_statuses("sent", "sent")
    reader.wait_for_messages(("sent", "one"), ("sent", "two"))


def test_a_message_survives_the_end_of_the_browser(server: Server, profile: OpenProfile) -> None:
    app = profile.open(server)
    app.wait_installed().offline().send("Written without a signal").wait_for_statuses("pending")
    profile.kill()
    app = profile.open(server)
    app.wait_for_messages(("sent", "Written without a signal"))
    assert server.messages() == ["Written without a signal"]
