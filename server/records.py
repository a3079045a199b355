"""What the server keeps of rows and verdicts, and what goes into and comes out of a decision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from app.core.actions import Data
from app.protocol import Result, Row, Verdict
from server.prepared import Prepared

ItemKey = tuple[str, str]

ANY_BODY = ""
"""In place of the hash in a receipt that is for whatever comes under its id."""


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


class Author(NamedTuple):
    """Who pushes: the user, and the client on the user's device."""

    user_id: str
    client_id: str


class Judged(NamedTuple):
    """A verdict on an action, and the whole answer to it as it goes out: a `Result` as JSON.

    `kept` is what its receipt holds, in ASCII.
    """

    verdict: Verdict
    text: str
    kept: str = ""

    @classmethod
    def wrote(cls, action_id: str, row: StoredRow) -> Judged:
        """Return `applied`, for an action whose author wrote `row` by it."""
        kept = f"[{row.version},{row.updated_at},{row.data or 'null'}]"
        return cls("applied", _result(action_id, "applied", row.text()), kept)

    @classmethod
    def of(cls, result: Result) -> Judged:
        """Return what a result says."""
        text = result.model_dump_json()
        return cls(result.verdict, text, _in_ascii(text))

    def result(self) -> Result:
        """Return the answer to the action."""
        return Result.model_validate_json(self.text)


def _result(action_id: str, verdict: Verdict, row: str) -> str:
    return (
        f'{{"id":"{action_id}","verdict":"{verdict}","row":{row},"error":null,"retry_after":null}}'
    )


def _in_ascii(text: str) -> str:
    return text if text.isascii() else json.dumps(json.loads(text), separators=(",", ":"))


class Receipt(NamedTuple):
    """A verdict to be given again, and what it was given for.

    `result` is a `Result` as JSON; where the action wrote its item, only what neither the action
    nor its author says: `[version, updated_at, data]`.
    """

    action_id: str
    seq: int
    body_hash: str
    result: str

    @property
    def wrote(self) -> bool:
        """Whether the action wrote its item."""
        return self.result.startswith("[")

    def again(self, action: Prepared, author: Author) -> Judged:
        """Return the verdict on the same action once more: what was applied is a `duplicate`."""
        if self.wrote:
            version, updated_at, data = self.result[1:-1].split(",", 2)
            row = StoredRow(
                action.collection,
                action.item_id,
                int(version),
                None if data == "null" else data,
                int(updated_at),
                author.user_id,
                author.client_id,
                action.seq,
                run_base=0,
            )
            return Judged("duplicate", _result(action.id, "duplicate", row.text()))
        first = Result.model_validate_json(self.result)
        if first.verdict != "applied":
            return Judged.of(first)
        return Judged.of(first.model_copy(update={"verdict": "duplicate"}))


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
