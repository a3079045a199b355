"""What the server keeps of rows and verdicts, and what goes into and comes out of a decision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from app.core.actions import Data
from app.protocol import Result, Row

ItemKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row with what the server remembers of its last write; `data` is JSON, `None` if deleted.

    `run_base` is the version that the unbroken run of writes by `client_id` started on, 0 where
    there was no row; `seq` is how far that client had come.
    """

    collection: str
    item_id: str
    version: int
    data: str | None
    updated_at: int
    user_id: str
    client_id: str
    seq: int
    run_base: int

    @property
    def key(self) -> ItemKey:
        """The item's key: collection and id."""
        return self.collection, self.item_id

    def written(self) -> dict[str, Any]:
        """Return what a write sets, by column."""
        return {name: getattr(self, name) for name in ROW_COLUMNS}

    def decoded(self) -> Data | None:
        """Return the item's data."""
        data: Data | None = None if self.data is None else json.loads(self.data)
        return data

    def public(self, decoded: Data | None = None) -> Row:
        """Return the row as clients see it; `decoded` is its data, where it is at hand."""
        return Row(
            collection=self.collection,
            id=self.item_id,
            version=self.version,
            data=self.decoded() if decoded is None else decoded,
            deleted=self.data is None,
            updated_at=self.updated_at,
            updated_by=self.user_id,
        )


ROW_COLUMNS = tuple(column.name for column in fields(StoredRow))
"""The fields of a `StoredRow`, in order."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A verdict to be given again, and what it was given for; `result` is a `Result` as JSON."""

    action_id: str
    seq: int
    body_hash: str
    result: str


@dataclass(frozen=True, slots=True)
class Author:
    """Who pushes: the user, and the client on the user's device."""

    user_id: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Before:
    """What the database holds that bears on a batch.

    `version` and `updated_at` are the space's last, `settled_through` is the client's.
    """

    version: int = 0
    updated_at: int = 0
    settled_through: int = 0
    rows: Mapping[ItemKey, StoredRow] = field(default_factory=dict)
    receipts: Mapping[str, Receipt] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a batch amounts to: verdicts in the actions' order, and what to write."""

    version: int
    updated_at: int
    results: list[Result] = field(default_factory=list)
    rows: dict[ItemKey, StoredRow] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
