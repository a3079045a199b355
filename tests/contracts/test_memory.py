"""The memory store keeps the store contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest

from app.core.schema import UPGRADES
from app.memory import MemoryStore
from app.ports import Store, Upgrade
from tests.contracts.store import ALL, UPGRADING, Case, Open


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.__name__)
async def test_memory_store(case: Case) -> None:
    store = MemoryStore(UPGRADES)

    async def reopen() -> Store:
        return store

    await case(store, reopen)


@pytest.mark.parametrize("case", UPGRADING, ids=lambda case: case.__name__)
async def test_memory_store_that_is_upgraded(case: Callable[[Open], Awaitable[None]]) -> None:
    store = MemoryStore([])

    async def open_with(upgrades: Sequence[Upgrade]) -> Store:
        store.upgrade(upgrades)
        return store

    await case(open_with)
