"""Three-way merge by field: what two people made of one item, put together where that is possible.

A field that only one of them changed is theirs to change. One that both changed, differently, is
*overlapping*: nobody but a person can say which is right. Deleting what the other changed is no
matter of fields, but *contested* as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Data = dict[str, Any]
_MISSING = object()


@dataclass(frozen=True)
class Merged:
    """What comes of two versions.

    In `overlapping` fields `data` has mine, and where an item is contested, the version of who did
    not delete it, so that nothing is lost before a person has decided. `deleted_by` says who
    deleted what the other changed, if anyone did.
    """

    data: Data | None
    overlapping: tuple[str, ...] = ()
    deleted_by: Literal["mine", "theirs"] | None = None

    @property
    def clean(self) -> bool:
        """Whether nobody needs to be asked."""
        return not self.overlapping and self.deleted_by is None


def merge(base: Data | None, mine: Data | None, theirs: Data | None) -> Merged:
    """Return what `mine` and `theirs`, both made of `base`, amount to; `None` is a deleted item.

    Mine and theirs changed round give the same, but for whose the overlapping fields are.
    """
    if mine is None or theirs is None:
        return _with_deletion(base, mine, theirs)
    origin = base or {}
    data: Data = {}
    overlapping = []
    for name in sorted({*origin, *mine, *theirs}):
        was, here, there = (it.get(name, _MISSING) for it in (origin, mine, theirs))
        if same(here, there) or same(there, was):
            chosen = here
        elif same(here, was):
            chosen = there
        else:
            overlapping.append(name)
            chosen = there if here is _MISSING else here
        if chosen is not _MISSING:
            data[name] = chosen
    return Merged(data, tuple(overlapping))


def _with_deletion(base: Data | None, mine: Data | None, theirs: Data | None) -> Merged:
    left = theirs if mine is None else mine
    if left is None or same(left, base):
        return Merged(None)
    return Merged(left, deleted_by="mine" if mine is None else "theirs")


def differing(mine: Data | None, theirs: Data | None) -> tuple[str, ...]:
    """Return the names of the fields in which two versions differ, in order."""
    here, there = mine or {}, theirs or {}
    return tuple(
        name
        for name in sorted({*here, *there})
        if not same(here.get(name, _MISSING), there.get(name, _MISSING))
    )


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same in JSON: `1` and `1.0` are, `1` and `true` are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
