"""The wire format of Driftline, shared by browser and server (docs/design.md, "HTTP contract").

Times are integers: `created_at` and `server_time` in milliseconds since the epoch, `updated_at` in
microseconds (strictly increasing with `version` within a space, so that both orders agree).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PROTOCOL: Literal[1] = 1

MAX_BODY_BYTES = 1024 * 1024
MAX_ACTIONS = 100
MAX_ACTION_BYTES = 64 * 1024
MAX_DEPENDENCIES = 100
MAX_EARLIER_IDS = 100
MAX_PULL_ROWS = 500
MAX_TEXT = 8_000
MAX_NAME = 80
MAX_DEPTH = 16
MAX_LIST = 1_000
MAX_SAFE_INTEGER = 2**53 - 1

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Seq = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
Verdict = Literal["applied", "duplicate", "conflict", "rejected", "retry"]


def check_json(value: Any, depth: int = 0) -> Any:
    """Return `value` if every client can hold it unchanged, else raise `ValueError`.

    Allowed are JSON's types, at most 16 levels deep, lists and objects of at most 1,000 entries,
    finite numbers, whole numbers within ±(2**53 - 1), and text without lone surrogates.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict | list):
        if len(value) > MAX_LIST:
            raise ValueError(f"holds more than {MAX_LIST} entries")
        if isinstance(value, dict):
            for key in value:
                check_json(key, depth + 1)
        for entry in value.values() if isinstance(value, dict) else value:
            check_json(entry, depth + 1)
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    elif isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        raise ValueError("is a whole number too large for every device to hold")
    return value


def _check_text(text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds a broken character (one half of a surrogate pair)")


JsonObject = Annotated[dict[str, Any], AfterValidator(check_json)]


class Wire(BaseModel):
    """Base of all messages: immutable, and tolerant of fields that a newer peer may add.

    Validators are built at first use: a start of the page needs only some of them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Action(Wire):
    """A named, serialisable intention on one item of a collection.

    `depends_on` names actions of the same client by their `seq`: it must not run unless they were
    applied. A `seq` stays with an action for good; its `id` changes when it is sent anew.
    `earlier_ids` are those under which it was sent and got no verdict: under them it must not run
    any more, should a copy of such a request come late.
    """

    id: Id
    seq: Seq
    type: Name
    version: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    collection: Name
    item_id: Id
    data: JsonObject | None = None
    base_version: Count | None = None
    created_at: Count
    depends_on: Annotated[
        tuple[Seq, ...], Field(max_length=MAX_DEPENDENCIES, exclude_if=lambda seqs: not seqs)
    ] = ()
    earlier_ids: Annotated[
        tuple[Id, ...], Field(max_length=MAX_EARLIER_IDS, exclude_if=lambda ids: not ids)
    ] = ()


class Problem(Wire):
    """What went wrong: `code` for programs, `message` for people, `fields` by field path."""

    code: str
    message: str
    fields: dict[str, str] = {}


class Row(Wire):
    """One item of a collection as the server last confirmed it; `data` is null in a tombstone."""

    collection: Name
    id: Id
    version: Count
    data: dict[str, Any] | None = None
    deleted: bool = False
    updated_at: Count
    updated_by: str


class Result(Wire):
    """The server's verdict on one action; `row` is the item as it stands after it.

    `retry_after` is in seconds and only set with the verdict `retry`.
    """

    id: str
    verdict: Verdict
    row: Row | None = None
    error: Problem | None = None
    retry_after: float | None = None


class SyncRequest(Wire):
    """Push and pull in one round trip.

    `settled_through` says that every action of this client with a `seq` up to it is settled, so
    that the server may forget their receipts. `cursor` is null at the first pull.
    """

    protocol: Literal[1]
    client_id: Id
    cursor: Annotated[str, Field(max_length=200)] | None = None
    settled_through: Count = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PULL_ROWS)] = MAX_PULL_ROWS
    actions: Annotated[list[Action], Field(max_length=MAX_ACTIONS)] = []


class SyncResponse(Wire):
    """The answers to the pushed actions, in their order, and the rows changed since the cursor.

    `unread_count` counts the messages of others among the rows after the request's cursor.
    `epoch` names the history that the server's database holds; it is empty where the server is
    older than epochs. With `reset` the cursor could not be followed: the pull starts at zero with
    these rows, and what the client has beyond them, once there is no more, is not on the server.
    `restored` says besides that the database is another one, or an older copy of itself.
    """

    protocol: Literal[1] = PROTOCOL
    results: list[Result]
    rows: list[Row]
    cursor: str
    has_more: bool
    epoch: str = ""
    reset: bool = False
    restored: bool = False
    unread_count: Count = 0
    server_time: Count


class ErrorResponse(Wire):
    """The body of every error status."""

    error: Problem
