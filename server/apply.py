"""The verdicts on a batch of actions, decided in memory: no database, no clock.

Own earlier writes are no conflict. A row remembers the run of writes that ends in it: who made
them, how far in that client's order, and the version the run started on. An action that the same
client made later may be based on any version since: nobody else wrote the item in between.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Mapping

from app.core.actions import Registry
from app.core.identity import SETTLED
from app.errors import NotFound, Rejected
from app.protocol import Problem, Result
from server.prepared import Prepared, effect
from server.records import ANY_BODY, Author, Before, ItemKey, Judged, Outcome, Receipt, StoredRow

logger = logging.getLogger(__name__)


def apply_batch(
    registry: Registry, before: Before, author: Author, actions: Iterable[Prepared], now: int
) -> Outcome:
    """Return the verdicts on `actions`, in their order, and what they change.

    `now` is in microseconds since the epoch. Nothing that an action holds makes it raise.
    """
    batch = _Batch(registry, before, author, now)
    for action in actions:
        batch.take(action)
    return batch.outcome


def is_stale(action: Prepared, row: StoredRow, author: Author, *, wrote: bool) -> bool:
    """Tell whether somebody else wrote the item since the version that the action is based on.

    `wrote` says that it was the action itself, under an id that it had before.
    """
    base = action.base_version or 0
    is_later = row.seq < action.seq or (wrote and row.seq == action.seq)
    own_run = row.client_id == author.client_id and is_later
    return base != row.version and not (own_run and row.run_base <= base <= row.version)


class _Batch:
    """The space as it stands after the actions taken so far."""

    def __init__(self, registry: Registry, before: Before, author: Author, now: int) -> None:
        self._registry = registry
        self._before = before
        self._author = author
        self._now = now
        self._held: set[ItemKey] = set()
        self._not_applied: set[int] = set()
        self.outcome = Outcome(before.version, before.updated_at)

    def take(self, action: Prepared) -> None:
        key = action.collection, action.item_id
        judged = self._known(action)
        if judged is None and (key in self._held or self._depends_in_vain(action)):
            problem = _problem("blocked", "An earlier change that this one needs did not succeed.")
            judged = Judged.of(Result(id=action.id, verdict="retry", error=problem))
        if judged is None:
            judged = self._run(action)
            receipt = Receipt(action.id, action.seq, action.body_hash, judged.kept)
            self.outcome.receipts[action.id] = receipt
            self._retire_earlier_ids(action)
        if judged.verdict not in ("applied", "duplicate"):
            self._held.add(key)
            self._not_applied.add(action.seq)
        self.outcome.judged.append(judged)

    def _retire_earlier_ids(self, action: Prepared) -> None:
        """Keep the action from running under an id that it had, should a late copy come."""
        for name in action.earlier_ids:
            if self._receipt(name) is None:
                message = "This device sent this change under another id since."
                refused = _rejected(name, SETTLED, message)
                self.outcome.receipts[name] = Receipt(name, action.seq, ANY_BODY, refused.kept)

    def _depends_in_vain(self, action: Prepared) -> bool:
        """Tell whether the action depends on one of this batch that was not applied."""
        return bool(action.depends_on) and not self._not_applied.isdisjoint(action.depends_on)

    def _known(self, action: Prepared) -> Judged | None:
        """Return the verdict that needs no run, because the action was seen before."""
        receipt = self._receipt(action.id)
        if receipt is None:
            if action.seq > self._before.settled_through:
                return None
            # Its receipt may be gone: running it again could be a second effect, and `duplicate`
            # would hide a loss from a client that counts anew under its old id.
            message = "This device said before that it had settled this change."
            return _rejected(action.id, SETTLED, message, {"seq": "was settled before"})
        if receipt.body_hash not in (action.body_hash, ANY_BODY):
            message = "Another change was sent under this id before."
            return _rejected(action.id, "key_reuse", message, {"id": "was used before"})
        return receipt.again(action, self._author)

    def _run(self, action: Prepared) -> Judged:
        key = action.collection, action.item_id
        row = self.outcome.rows.get(key) or self._before.rows.get(key)
        try:
            checks = self._registry.get(action.type).checks_version
            if row and checks and self._is_stale(action, row):
                return Judged.of(Result(id=action.id, verdict="conflict", row=row.public()))
            return self._write(action, row, self._effect(action, row))
        except NotFound as error:
            return _rejected(action.id, "unknown_type", str(error), {"type": "is not known"})
        except Rejected as error:
            return _rejected(action.id, error.code, str(error), error.fields)
        except Exception as error:
            # Neither its message nor a whole traceback: both may quote what the person wrote.
            *_, place = traceback.extract_tb(error.__traceback__)
            where = f"{type(error).__name__} at {place.filename}:{place.lineno}"
            logger.error("action %s of type %s cannot be run: %s", action.id, action.type, where)
            return _rejected(action.id, "failed", "The server cannot carry out this change.")

    def _effect(self, action: Prepared, row: StoredRow | None) -> str | None:
        if action.first is not None and (row is None or row.data is None):
            return action.first
        return effect(self._registry, row.decoded() if row else None, action.action())

    def _is_stale(self, action: Prepared, row: StoredRow) -> bool:
        receipts = map(self._receipt, action.earlier_ids)
        wrote = any(receipt is not None and receipt.wrote for receipt in receipts)
        stale = is_stale(action, row, self._author, wrote=wrote)
        return stale and not self._is_gone_anyway(action, row)

    def _receipt(self, action_id: str) -> Receipt | None:
        return self.outcome.receipts.get(action_id) or self._before.receipts.get(action_id)

    def _is_gone_anyway(self, action: Prepared, row: StoredRow) -> bool:
        """Tell whether the item is deleted already and the action would only delete it."""
        try:
            return row.data is None and self._registry.apply(None, action.action()) is None
        except Rejected:
            return False

    def _write(self, action: Prepared, row: StoredRow | None, text: str | None) -> Judged:
        """Give the item its next version; deleting what is not there writes nothing."""
        if text is None and (row is None or row.data is None):
            gone = row.public() if row else None
            return Judged.of(Result(id=action.id, verdict="applied", row=gone))
        own = row if row and row.client_id == self._author.client_id else None
        outcome = self.outcome
        outcome.version += 1
        outcome.updated_at = max(self._now, outcome.updated_at + 1)
        new = StoredRow(
            action.collection,
            action.item_id,
            outcome.version,
            text,
            outcome.updated_at,
            self._author.user_id,
            self._author.client_id,
            seq=max(action.seq, own.seq) if own else action.seq,
            run_base=own.run_base if own else row.version if row else 0,
        )
        outcome.rows[new.key] = new
        return Judged.wrote(action.id, new)


def _problem(code: str, message: str, fields: Mapping[str, str] | None = None) -> Problem:
    return Problem(code=code, message=message, fields=dict(fields or {}))


def _rejected(
    action_id: str, code: str, message: str, fields: Mapping[str, str] | None = None
) -> Judged:
    problem = _problem(code, message, fields)
    return Judged.of(Result(id=action_id, verdict="rejected", error=problem))
