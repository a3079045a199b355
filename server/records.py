"""What the server keeps of rows and verdicts, and what goes into and comes out of a decision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from app.core.actions import Data
from app.protocol import Result, Row, Verdict

ItemKey = tuple[str, str]


class StoredRow(NamedTuple):
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

    def decoded(self) -> Data | None:
        """Return the item's data."""
        data: Data | None = None if self.data is None else json.loads(self.data)
        return data

    def text(self) -> str:
        """Return the row as clients see it, as the JSON of a `Row`."""
        data = self.data
        # Names and ids hold nothing that JSON would escape; the data is JSON already.
        return (
            f'{{"collection":"{self.collection}","id":"{self.item_id}","version":{self.version},'
            f'"data":{_readable(data)},"deleted":{"true" if data is None else "false"},'
            f'"updated_at":{self.updated_at},"updated_by":{_quoted(self.user_id)}}}'
        )

    def public(self) -> Row:
        """Return the row as clients see it."""
        return Row.model_validate_json(self.text())


ROW_COLUMNS = StoredRow._fields
"""The fields of a `StoredRow`, in order."""


def _readable(data: str | None) -> str:
    r"""Return JSON without `\u…` for what is no control character: a third of the bytes."""
    if data is None:
        return "null"
    if "\\u" not in data:
        return data
    return json.dumps(json.loads(data), ensure_ascii=False, separators=(",", ":"))


@lru_cache(1024)
def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


class Receipt(NamedTuple):
    """A verdict to be given again, and what it was given for; `result` is a `Result` as JSON."""

    action_id: str
    seq: int
    body_hash: str
    result: str


class Judged(NamedTuple):
    """A verdict on an action, and the whole answer to it as it goes out: a `Result` as JSON."""

    verdict: Verdict
    text: str

    @classmethod
    def done(cls, action_id: str, row: str | None) -> Judged:
        """Return `applied`; `row` is the item as it stands now, as JSON."""
        return cls("applied", _result(action_id, "applied", row))

    @classmethod
    def of(cls, result: Result) -> Judged:
        """Return what a result says."""
        return cls(result.verdict, result.model_dump_json())

    def result(self) -> Result:
        """Return the answer to the action."""
        return Result.model_validate_json(self.text)


def _result(action_id: str, verdict: Verdict, row: str | None) -> str:
    return (
        f'{{"id":"{action_id}","verdict":"{verdict}","row":{row or "null"},'
        '"error":null,"retry_after":null}'
    )


class Author(NamedTuple):
    """Who pushes: the user, and the client on the user's device."""

    user_id: str
    client_id: str


RECEIPT_COLUMNS = (*Author._fields, *Receipt._fields)
"""Whose receipt it is, and the fields of a `Receipt`, in order."""


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
    judged: list[Judged] = field(default_factory=list)
    rows: dict[ItemKey, StoredRow] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)

    @property
    def results(self) -> list[Result]:
        """The answers to the actions."""
        return [judged.result() for judged in self.judged]
