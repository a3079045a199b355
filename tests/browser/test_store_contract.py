"""The IndexedDB store keeps the store contract, inside Chromium, on the shipped interpreter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.python_page import python_page, result_of
from tests.contracts.store import ALL, UPGRADING

FILES = ("tests/__init__.py", "tests/contracts/__init__.py", "tests/contracts/store.py")
SOURCE = """
import traceback
from app.browser.idb import IndexedDBStore
from tests.contracts.store import ALL, UPGRADING

result = {}
for case in UPGRADING:
    async def open_with(upgrades, name=case.__name__):
        store = IndexedDBStore(name, upgrades)
        await store.open()
        return store
    try:
        await case(open_with)
        result[case.__name__] = "passed"
    except BaseException:
        result[case.__name__] = traceback.format_exc()
for case in ALL:
    async def reopen(name=case.__name__):
        store = IndexedDBStore(name)
        await store.open()
        return store
    try:
        await case(await reopen(), reopen)
        result[case.__name__] = "passed"
    except BaseException:
        result[case.__name__] = traceback.format_exc()
"""


@pytest.fixture(scope="module")
def contract_page(chromium: Browser) -> Iterator[Page]:
    with python_page(chromium, SOURCE, FILES) as page:
        yield page


@pytest.fixture(scope="module")
def outcomes(contract_page: Page) -> dict[str, str]:
    found: dict[str, str] = result_of(contract_page)
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
