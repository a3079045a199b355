"""Which rows outlive a reset: those that the server holds, not those that it once spoke of."""

from __future__ import annotations

import pytest

from app.core.claim import claim
from app.core.reset import Reset, sweep
from app.core.schema import ROWS
from app.core.settle import settle
from app.memory import MemoryStore
from app.ports import Batch, Scan
from app.protocol import Result, Row
from tests.core.test_outbox import NOW, add, answer, new_store, row, run


async def rows_after(
    store: MemoryStore, *pulled: Row, verdict: str, reset: bool = True
) -> list[int]:
    """Settle one action, whose verdict holds version 3; return the versions of the rows."""
    await add(store, "one")
    claimed = await run(store, claim(NOW, 10))
    result = Result.model_validate({"id": "one", "verdict": verdict, "row": row(3, {"ids": []})})
    response = answer(result, rows=pulled).model_copy(update={"reset": reset})
    await run(store, settle(claimed.entries, response, None, NOW))
    await run(store, sweep(None))
    (found,) = await store.read(Scan(ROWS))
    return [value["version"] for value in found]


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "first_pull"])
@pytest.mark.parametrize("verdict", ["duplicate", "conflict"])
async def test_row_of_a_repeated_verdict_is_not_kept_where_the_pull_does_not_show_its_item(
    verdict: str, reset: bool
) -> None:
    assert await rows_after(new_store(), verdict=verdict, reset=reset) == []


@pytest.mark.parametrize("verdict", ["duplicate", "conflict"])
async def test_reset_takes_a_row_that_only_a_repeated_verdict_still_holds(verdict: str) -> None:
    store = new_store()
    await store.transact([], lambda: Batch([Reset().put_row(row(2, {"ids": []}), None, True)]))
    assert await rows_after(store, verdict=verdict) == []


@pytest.mark.parametrize("verdict", ["applied", "duplicate", "conflict"])
async def test_row_that_the_pull_shows_stays(verdict: str) -> None:
    assert await rows_after(new_store(), row(5, {"ids": []}), verdict=verdict) == [5]


async def test_row_that_was_just_made_stays_until_a_pull_shows_it() -> None:
    assert await rows_after(new_store(), verdict="applied") == [3]
