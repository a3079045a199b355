"""The browser gets turns while the app is imported, also in the middle of an import."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import OpenApp
from tests.browser.python_page import python_page, result_of
from tests.browser.servers import Server

# Modules of which each imports the one before, a clock that runs as the case says, and beside them
# another task, which takes every turn that it gets.
SOURCE = """
import asyncio, sys
from importlib import import_module
from pathlib import Path
from app.browser import turns

folder = Path("/turns")
folder.mkdir()
log = []
sys.turns_log = log
def write(name, *lines):
    begun, done = "from sys import turns_log", f"turns_log.append('{name}')"
    (folder / f"{name}.py").write_text("\\n".join([begun, *lines, done]))
write("one")
write("two", "import one")
write("three", "import two", "def begin(): turns_log.append('begun')", "begin()")
write("broken", "import three", "raise ValueError('broken')")
write("afterwards")
sys.path.append(str(folder))

async def others():
    while True:
        log.append("turn")
        await asyncio.sleep(0)

def clock():
    global now
    now += step
    return now

now = 0
async def import_within(name, of_a_step):
    global step
    step = of_a_step
    for module in ("one", "two", "three", "broken"):
        sys.modules.pop(module, None)
    beside = asyncio.ensure_future(others())
    await asyncio.sleep(0)
    log.clear()
    with turns.given(clock):
        import_module(name)
        done = [*log]
    beside.cancel()
    return done

result = {"can": turns.can_be_given()}
if result["can"]:
    result["slow"] = await import_within("three", 1)
    result["quick"] = await import_within("three", 0)
    try:
        await import_within("broken", 1)
    except ValueError as error:
        result["error"] = str(error)
    log.clear()
    import_module("afterwards")
    result["afterwards"] = log
"""


@pytest.fixture(scope="module")
def outcome(chromium: Browser) -> dict[str, object]:
    with python_page(chromium, SOURCE) as page:
        return dict(result_of(page))


def without_repeats(log: object) -> list[str]:
    """Return the lines but for turns that follow a turn."""
    assert isinstance(log, list)
    pairs = zip(["", *log], log, strict=False)
    return [line for before, line in pairs if not line == before == "turn"]


def test_slow_import_lets_others_run_in_the_middle_of_it(outcome: dict[str, object]) -> None:
    log = without_repeats(outcome["slow"])
    assert [line for line in log if line != "turn"] == ["one", "two", "begun", "three"]
    assert log == ["turn", "one", "turn", "two", "turn", "begun", "three"]


def test_quick_import_is_not_held_up(outcome: dict[str, object]) -> None:
    assert outcome["quick"] == ["one", "two", "begun", "three"]


def test_error_in_an_import_arrives_and_turns_end_with_it(outcome: dict[str, object]) -> None:
    assert outcome["error"] == "broken"
    assert outcome["afterwards"] == ["afterwards"]


def forbid_waiting(page: Page) -> None:
    """Take away what Python waits with in the middle of its work, as Firefox and Safari have it."""
    page.add_init_script("delete WebAssembly.Suspending; delete WebAssembly.promising")


def test_app_starts_where_python_cannot_wait_in_an_import(
    server: Server, open_app: OpenApp
) -> None:
    app = open_app(server, spoil=forbid_waiting)
    app.send("Hello").wait_for_messages(("sent", "Hello"))
    assert server.messages() == ["Hello"]
