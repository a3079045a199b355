"""What a collection's policy makes of a conflict, in the transaction that settles the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING

from app.core.actions import Data, Policy, Registry
from app.core.entry import Entry, Outcome
from app.protocol import Problem, Row

if TYPE_CHECKING:
    from app.core.conflict import Conflict

MAX_AUTOMATIC = 5
"""How often in a row a policy sends an item anew, before a person is asked after all."""
ID_KEPT = 56
"""How much of an action's id is the beginning of the one under which a policy sends it anew."""


@dataclass(frozen=True)
class Handled:
    """What is left of an item's entries, the first one's verdict taken, and how that one ended."""

    line: list[Entry]
    outcome: Outcome | None


Resolve = Callable[[Sequence[Entry], Row | None], Handled]


def leave(line: Sequence[Entry], _row: Row | None) -> Handled:
    """Leave whatever it is to a person."""
    return Handled(list(line), line[0].outcome)


def by_policy(
    line: Sequence[Entry], row: Row | None, registry: Registry, is_local: Callable[[Entry], bool]
) -> Handled:
    """Return an item's entries after the policy of its collection, where the first is in conflict.

    What the policy decides is pending again, under a new id, and based on `row`; where that is what
    the server has already, nothing is left to be sent. A policy that fails leaves it to a person.
    """
    head = line[0]
    policy = registry.policy(head.collection)
    if head.state != "conflict" or policy == "manual" or row is None:
        return leave(line, row)
    if head.automatic >= MAX_AUTOMATIC:
        return leave(line, row)
    try:
        return _decided(line, row, policy, registry, is_local)
    except Exception as error:
        message = f"This app's rule for conflicts failed ({type(error).__name__}: {error})."
        problem = Problem(code="policy_failed", message=message)
        return leave([head.model_copy(update={"error": problem}), *line[1:]], row)


def _decided(
    line: Sequence[Entry],
    row: Row,
    policy: Policy,
    registry: Registry,
    is_local: Callable[[Entry], bool],
) -> Handled:
    # Rarely needed: not each start of the page has to load it.
    from app.core.conflict import held, resolving
    from app.core.merge import same

    it = held(line, row, registry, is_local)
    data = _choice(policy, it.conflict)
    if isinstance(data, EllipsisType):
        return leave(line, row)
    if same(data, it.conflict.theirs):
        contained = same(it.conflict.merged.data, data) and it.conflict.merged.clean
        if it.head.depended_on and not contained:
            return leave(line, row)
        return Handled(it.rest_on(it.conflict), "applied" if contained else "discarded")
    times = it.head.automatic + 1
    new_id = f"{it.head.id[:ID_KEPT]}_a{times}"
    entry = resolving(it, data, it.conflict, new_id, registry)
    entry = entry.model_copy(update={"automatic": times})
    return Handled([entry, *it.rest_on(it.conflict)], None)


def _choice(policy: Policy, conflict: Conflict) -> Data | None | EllipsisType:
    """Return what the policy makes of the item, or `...` where a person has to say."""
    if callable(policy):
        return policy(deepcopy(conflict))
    if policy == "merge":
        return conflict.merged.data if conflict.merged.clean else ...
    return conflict.mine if policy == "mine" else conflict.theirs
