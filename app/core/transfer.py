"""The outbox as a file: for a person to keep, to look at, and to bring back or to another device.

What is promised of bringing back: an action never comes twice by it. On the device that made the
file only what was discarded there, and never sent, comes back. On another device, which is another
client to the server, its receipts know nothing of these actions. So what may have been sent before
the file was made is held there until a person says Retry, and what was not is sent; if the first
device goes on and sends it, too, only what the actions themselves check (versions, ids that are
taken) keeps it from having a second effect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from app.core.actions import fields_of
from app.core.entry import Entry, EntryState
from app.errors import InvalidInput
from app.protocol import MAX_ACTION_BYTES, Action, Count, Id, JsonObject, Problem, Verdict, Wire

FORMAT = "driftline-outbox"
MAX_ENTRIES = 10_000
MAX_NESTING = 64
"""Levels of a file; what an action holds has 16 at most."""
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[][{}]', re.DOTALL)
NOTHING_IMPORTED = "This file is damaged: nothing of it was imported."

HELD = Problem(
    code="imported",
    message="This change came from a file and may have been sent before. Retry to send it again.",
)


class Carried(Wire):
    """One entry as the file has it; `action` is what would be sent."""

    action: Action
    state: EntryState = "pending"
    sent: bool = True
    attempts: Count = 0
    error: Problem | None = None
    verdict: Verdict | None = None
    base: JsonObject | None = None
    before: JsonObject | None = None
    theirs: JsonObject | None = None
    earlier_ids: Annotated[tuple[Id, ...], Field(max_length=1_000)] = ()

    @property
    def item(self) -> tuple[str, str]:
        """The collection and id of the item that it is about."""
        return self.action.collection, self.action.item_id

    @property
    def names(self) -> tuple[str, ...]:
        """All ids under which the action went."""
        return (self.action.id, *self.earlier_ids)

    def entry(self, seq: int, depends_on: tuple[int, ...]) -> Entry:
        """Return the entry in a place of this outbox; what may have been sent is held."""
        action = self.action.model_copy(update={"seq": seq, "depends_on": depends_on})
        held = self.state in ("conflict", "failed")
        doubtful = self.sent and not held
        return Entry(
            seq=seq,
            id=action.id,
            type=action.type,
            collection=action.collection,
            item_id=action.item_id,
            state="failed" if doubtful else self.state if held else "pending",
            sent=False,
            attempts=self.attempts,
            error=HELD if doubtful else self.error,
            verdict=self.verdict,
            base=self.base,
            before=self.before,
            theirs=self.theirs,
            depends_on=depends_on,
            earlier_ids=self.earlier_ids,
            action=action.model_dump_json(),
        )


class Outbox(Wire):
    """The file. `client_id` is the client that made it; `damaged` is what nobody can send."""

    format: Literal["driftline-outbox"]
    version: Literal[1]
    client_id: str = ""
    entries: tuple[Carried, ...] = Field(max_length=MAX_ENTRIES)
    damaged: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Imported:
    """What came of a file: the entries that were `added`, and how many are `known` already.

    Of those added, `held` ones wait for Retry. Known ones are in the outbox, were imported before,
    or were sent, or may have been, by this device.
    """

    added: tuple[Entry, ...]
    held: int
    known: int


def export_entries(entries: Iterable[Entry], client_id: str = "") -> str:
    """Return entries of the outbox as JSON text, with all that is needed to send them elsewhere."""
    carried, damaged = [], list[Any]()
    for entry in entries:
        action = entry.readable()
        if action is None:
            damaged.append(entry.damaged or entry.action)
            continue
        known = {name: getattr(entry, name) for name in Carried.model_fields if name != "action"}
        carried.append(
            Carried(action=action, **known).model_dump(mode="json", exclude_defaults=True)
        )
    file = {
        "format": FORMAT,
        "version": 1,
        "client_id": client_id,
        "entries": carried,
        "damaged": damaged,
    }
    return json.dumps(file, indent=2, ensure_ascii=False)


def read_export(text: str) -> Outbox:
    """Return what a file holds; raises `InvalidInput` where it is none of ours, or damaged."""
    try:
        _check_depth(text)
        value = json.loads(text)
    except ValueError:
        raise InvalidInput("This is not an exported outbox: it is not JSON.") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InvalidInput("This is not an exported outbox.")
    if value.get("version") != 1:
        raise InvalidInput("This file was exported by a newer version of the app.")
    try:
        file = Outbox.model_validate(value)
    except ValidationError as error:
        raise InvalidInput(NOTHING_IMPORTED, fields_of(error)) from None
    for place, carried in enumerate(file.entries):
        if len(carried.action.model_dump_json().encode()) > MAX_ACTION_BYTES:
            problem = f"is larger than {MAX_ACTION_BYTES // 1024} KiB"
            raise InvalidInput(NOTHING_IMPORTED, {f"entries.{place}.action": problem})
    return file


def _check_depth(text: str) -> None:
    """Raise `ValueError` for nesting that would end the page's interpreter for good."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > MAX_NESTING:
            raise ValueError("is nested too deeply")
