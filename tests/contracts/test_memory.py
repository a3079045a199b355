"""The memory store keeps the store contract."""

from __future__ import annotations

import pytest

from app.core.schema import UPGRADES
from app.memory import MemoryStore
from app.ports import Store
from tests.contracts.store import ALL, Case


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.__name__)
async def test_memory_store(case: Case) -> None:
    store = MemoryStore(UPGRADES)

    async def reopen() -> Store:
        return store

    await case(store, reopen)
