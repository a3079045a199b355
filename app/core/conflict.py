"""A conflict: what an item was, what this device made of it, and what others did meanwhile.

Mine is what a person sees of their own: the action in conflict, and the later ones of its item
that stand behind it. So a resolution decides about all of them, and takes their place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Literal

from app.core.actions import Data, Registry
from app.core.enqueue import checked_action
from app.core.entry import Entry
from app.core.merge import Merged, differing, merge
from app.errors import NotFound, Rejected
from app.protocol import MAX_EARLIER_IDS, Row

Kind = Literal["edit", "deleted_here", "deleted_there"]
IsLocal = Callable[[Entry], bool]
"""Tells whether a handler of the application carries out an entry's action."""


@dataclass(frozen=True)
class Conflict:
    """Two versions of one item, both made of `base`; `None` is a deleted item.

    `action_id` names the action in conflict. `version` is the server's of `theirs`, `theirs_at` its
    time in microseconds and `theirs_by` the user who made it, as far as known: else `None`, 0 and
    empty.
    """

    collection: str
    id: str
    action_id: str
    base: Data | None
    mine: Data | None
    theirs: Data | None
    version: int | None = None
    theirs_at: int = 0
    theirs_by: str = ""

    @property
    def kind(self) -> Kind:
        """Both changed it (`edit`), or one of them deleted what the other changed."""
        if self.theirs is None:
            return "deleted_there"
        return "deleted_here" if self.mine is None else "edit"

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields in which mine and theirs differ."""
        return differing(self.mine, self.theirs)

    @cached_property
    def merged(self) -> Merged:
        """What mine and theirs amount to, and which fields of that a person has to look at."""
        return merge(self.base, self.mine, self.theirs)


@dataclass(frozen=True)
class Held:
    """A conflict in the line of its item: the entries that it is about, and those behind them."""

    conflict: Conflict
    row: Row | None
    taken: tuple[Entry, ...]
    rest: tuple[Entry, ...]

    @property
    def head(self) -> Entry:
        """The entry that the server found to be in conflict."""
        return self.taken[0]

    def theirs_in(self, seen: Conflict) -> Data | None:
        """Return what the server had in the version `seen`, as it came."""
        row = self.row
        return row.data if row is not None and row.version == seen.version else seen.theirs

    def rest_on(self, seen: Conflict) -> list[Entry]:
        """Return the entries behind, made to change the version `seen`."""
        if seen.version is None:
            return list(self.rest)
        theirs = self.theirs_in(seen)
        return [entry.based_on(seen.version, theirs) for entry in self.rest]


def held(line: Sequence[Entry], row: Row | None, registry: Registry, is_local: IsLocal) -> Held:
    """Return the conflict of the first entry of `line`; `row` is the server's item as known now."""
    head, collection = line[0], line[0].collection
    behind = takewhile(lambda entry: _joins(entry, registry, is_local), line[1:])
    taken = (head, *behind)
    origin = head.base if head.before is None else head.before
    base = registry.whole(collection, origin)
    theirs = row.data if row else head.theirs
    mine = base
    for entry in taken:
        mine = _after(mine, entry, registry)
    conflict = Conflict(
        collection=collection,
        id=head.item_id,
        action_id=head.id,
        base=base,
        mine=None if mine is None else {**registry.unknown(collection, base), **mine},
        theirs=registry.whole(collection, theirs),
        version=row.version if row else None,
        theirs_at=row.updated_at if row else 0,
        theirs_by=row.updated_by if row else "",
    )
    return Held(conflict, row, taken, tuple(line[len(taken) :]))


def resolving(
    it: Held, data: Data | None, seen: Conflict, new_id: str, registry: Registry
) -> Entry:
    """Return the entry that makes the item `data` and takes the place of those it is about.

    It is based on the version that was `seen`. What this device's model does not know stays as it
    is on the server. Raises `InvalidInput` or `Rejected` for what the server would refuse.
    """
    collection, head = seen.collection, it.head
    kind = "delete" if data is None else "put"
    unseen = registry.unknown(collection, seen.theirs)
    unanswered = [name for entry in it.taken for name in entry.unanswered_ids]
    fields = {
        **dict(head.parsed()),
        "id": new_id,
        "type": kind,
        "version": registry.version(kind),
        "data": None if data is None else {**data, **unseen},
        "base_version": seen.version,
        "earlier_ids": unanswered[-MAX_EARLIER_IDS:],
    }
    action = checked_action(fields)
    registry.apply(seen.theirs, action)
    names = [name for entry in it.taken for name in (*entry.earlier_ids, entry.id)]
    return Entry(
        seq=head.seq,
        id=new_id,
        type=kind,
        collection=collection,
        item_id=head.item_id,
        base=it.theirs_in(seen),
        depends_on=head.depends_on,
        depended_on=head.depended_on,
        earlier_ids=tuple(names),
        action=action.model_dump_json(),
    )


def _joins(entry: Entry, registry: Registry, is_local: IsLocal) -> bool:
    """Tell whether an entry behind one in conflict is only one more change of the same data.

    Whom others wait for, what waits for others itself, and what a handler carries out or may have
    been carried out, is more than that.
    """
    return (
        entry.state in ("pending", "blocked")
        and registry.knows(entry.type)
        and entry.readable() is not None
        and not (entry.depends_on or entry.depended_on or entry.in_doubt)
        and not is_local(entry)
    )


def _after(data: Data | None, entry: Entry, registry: Registry) -> Data | None:
    """Return the data after an entry's action, unchanged where that can do nothing with it."""
    action = entry.readable()
    try:
        return data if action is None else registry.apply(data, action)
    except (NotFound, Rejected):
        return data
