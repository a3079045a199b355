"""The IndexedDB store keeps the store contract, inside Chromium, on the shipped interpreter."""

from __future__ import annotations

import json
import mimetypes
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser.servers import ROOT
from tests.contracts.store import ALL, UPGRADING

ORIGIN = "http://localhost:1"
PAGE = """<!doctype html><meta charset="utf-8"><title>Store contract</title>
<script type="module" src="./assets/idb.js"></script>
<script type="module" src="./runtime/dist/pyscript/core.js"></script>
<p id="result"></p>
<script type="py" config="./contract.toml">
import json, traceback
from js import document
from app.browser.idb import IndexedDBStore
from tests.contracts.store import ALL, UPGRADING

outcomes = {}
for case in UPGRADING:
    async def open_with(upgrades, name=case.__name__):
        store = IndexedDBStore(name, upgrades)
        await store.open()
        return store
    try:
        await case(open_with)
        outcomes[case.__name__] = "passed"
    except BaseException:
        outcomes[case.__name__] = traceback.format_exc()
for case in ALL:
    async def reopen(name=case.__name__):
        store = IndexedDBStore(name)
        await store.open()
        return store
    try:
        await case(await reopen(), reopen)
        outcomes[case.__name__] = "passed"
    except BaseException:
        outcomes[case.__name__] = traceback.format_exc()
document.getElementById("result").textContent = json.dumps(outcomes)
</script>"""


def contract_toml() -> str:
    """Return the page's configuration: the app's, with the contract's files added."""
    config = (ROOT / "pyscript.toml").read_text()
    files = ["tests/__init__.py", "tests/contracts/__init__.py", "tests/contracts/store.py"]
    return config + "".join(f'"./{name}" = "./{name}"\n' for name in files)


def serve(route: Route) -> None:
    """Answer with a file of the repository; the page has no server."""
    path = route.request.url.removeprefix(f"{ORIGIN}/").partition("?")[0]
    made = {"contract.html": PAGE, "contract.toml": contract_toml()}
    if path in made:
        route.fulfill(body=made[path], content_type="text/html; charset=utf-8")
    elif (ROOT / path).is_file():
        kind = {"mjs": "text/javascript"}.get(path.rpartition(".")[2])
        content_type = kind or mimetypes.guess_type(path)[0] or "application/octet-stream"
        route.fulfill(body=(ROOT / path).read_bytes(), content_type=content_type)
    else:
        route.fulfill(status=404)


@pytest.fixture(scope="module")
def contract_page(chromium: Browser) -> Any:
    context = chromium.new_context()
    page = context.new_page()
    page.route(f"{ORIGIN}/**", serve)
    page.goto(f"{ORIGIN}/contract.html")
    yield page
    context.close()


@pytest.fixture(scope="module")
def outcomes(contract_page: Page) -> dict[str, str]:
    result = contract_page.locator("#result")
    contract_page.wait_for_function("document.getElementById('result').textContent")
    found: dict[str, str] = json.loads(result.text_content() or "")
    return found


@pytest.mark.parametrize("name", [case.__name__ for case in [*ALL, *UPGRADING]])
def test_indexeddb_store(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] == "passed", outcomes[name]


BREAK_SECOND_WRITE = """async () => {
  const db = await new Promise(resolve => {
    const request = indexedDB.open("what_was_put_is_read_back_unchanged");
    request.onsuccess = () => resolve(request.result);
  });
  const names = [...db.objectStoreNames];
  const entry = {seq: 9, id: "x", state: "pending", next_attempt_at: 0, item_id: "i"};
  const writes = [["put", "metadata", {key: "seq", value: 9}], ["put", "outbox", entry]];
  const asked = [{store: "metadata", key: "seq"}, {store: "outbox", key: 9}];
  const {objectStore} = IDBTransaction.prototype;
  let writing = 0;
  IDBTransaction.prototype.objectStore = function (name) {
    if (this.mode === "readwrite" && ++writing === 2) throw new DOMException("injected");
    return objectStore.call(this, name);
  };
  const {transact, read} = window.driftlineIdb;
  const decide = () => JSON.stringify(writes);
  const outcome = await transact(db, names, "[]", decide).then(() => "done", e => e.message);
  IDBTransaction.prototype.objectStore = objectStore;
  const left = JSON.stringify(asked.map(query => ({kind: "get", ...query})));
  return [outcome, await read(db, names, left)];
}"""


def test_s01_write_that_fails_in_the_middle_of_a_batch_leaves_neither(
    contract_page: Page, outcomes: dict[str, str]
) -> None:
    assert outcomes
    assert contract_page.evaluate(BREAK_SECOND_WRITE) == ["injected", "[null,null]"]
