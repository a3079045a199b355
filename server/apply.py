"""The verdicts on a batch of actions, decided in memory: no database, no clock.

Own earlier writes are no conflict. A row remembers the run of writes that ends in it: who made
them, how far in that client's order, and the version the run started on. An action that the same
client made later may be based on any version since: nobody else wrote the item in between.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Mapping
from hashlib import sha256

from app.core.actions import Data, Registry
from app.errors import NotFound, Rejected
from app.protocol import MAX_ACTION_BYTES, Action, Problem, Result
from server.records import Author, Before, ItemKey, Outcome, Receipt, StoredRow

logger = logging.getLogger(__name__)

_canonical = json.JSONEncoder(sort_keys=True)
_compact = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def apply_batch(
    registry: Registry, before: Before, author: Author, actions: Iterable[Action], now: int
) -> Outcome:
    """Return the verdicts on `actions`, in their order, and what they change.

    `now` is in microseconds since the epoch. Nothing that an action holds makes it raise.
    """
    batch = _Batch(registry, before, author, now)
    for action in actions:
        batch.take(action)
    return batch.outcome


def body_hash(action: Action) -> str:
    """Return a hash of what an action says; its `seq` is its place in line, not its content."""
    body = [
        action.type,
        action.version,
        action.collection,
        action.item_id,
        action.data,
        action.base_version,
        action.created_at,
    ]
    return sha256(_canonical.encode(body).encode()).hexdigest()


def is_stale(action: Action, row: StoredRow, author: Author) -> bool:
    """Tell whether somebody else wrote the item since the version that the action is based on."""
    base = action.base_version or 0
    own_run = row.client_id == author.client_id and row.seq < action.seq
    return base != row.version and not (own_run and row.run_base <= base <= row.version)


class _Batch:
    """The space as it stands after the actions taken so far."""

    def __init__(self, registry: Registry, before: Before, author: Author, now: int) -> None:
        self._registry = registry
        self._before = before
        self._author = author
        self._now = now
        self._held: set[ItemKey] = set()
        self.outcome = Outcome(before.version, before.updated_at)

    def take(self, action: Action) -> None:
        key = action.collection, action.item_id
        digest = body_hash(action)
        result = self._known(action, digest)
        if result is None and key in self._held:
            problem = _problem("blocked", "An earlier change of the same item did not succeed.")
            result = Result(id=action.id, verdict="retry", error=problem)
        if result is None:
            result = self._run(action)
            text = result.model_dump_json(ensure_ascii=True)
            self.outcome.receipts[action.id] = Receipt(action.id, action.seq, digest, text)
        if result.verdict not in ("applied", "duplicate"):
            self._held.add(key)
        self.outcome.results.append(result)

    def _known(self, action: Action, digest: str) -> Result | None:
        """Return the verdict that needs no run, because the action was seen before."""
        receipt = self.outcome.receipts.get(action.id) or self._before.receipts.get(action.id)
        if receipt is None:
            if action.seq > self._before.settled_through:
                return None
            # Its receipt may be gone: running it again could be a second effect, and `duplicate`
            # would hide a loss from a client that counts anew under its old id.
            message = "This device said before that it had settled this change."
            return _rejected(action, "already_settled", message, {"seq": "was settled before"})
        if receipt.body_hash != digest:
            message = "Another change was sent under this id before."
            return _rejected(action, "key_reuse", message, {"id": "was used before"})
        first = Result.model_validate_json(receipt.result)
        if first.verdict != "applied":
            return first
        return first.model_copy(update={"verdict": "duplicate"})

    def _run(self, action: Action) -> Result:
        key = action.collection, action.item_id
        row = self.outcome.rows.get(key) or self._before.rows.get(key)
        try:
            checks = self._registry.get(action.type).checks_version
            stale = checks and row is not None and is_stale(action, row, self._author)
            if row and stale and not self._is_gone_anyway(action, row):
                return Result(id=action.id, verdict="conflict", row=row.public())
            current = row.decoded() if row else None
            data = self._registry.apply(current, action)
            return self._write(action, row, data)
        except NotFound as error:
            return _rejected(action, "unknown_type", str(error), {"type": "is not known"})
        except Rejected as error:
            return _rejected(action, error.code, str(error), error.fields)
        except Exception as error:
            # Neither its message nor a whole traceback: both may quote what the person wrote.
            *_, place = traceback.extract_tb(error.__traceback__)
            where = f"{type(error).__name__} at {place.filename}:{place.lineno}"
            logger.error("action %s of type %s cannot be run: %s", action.id, action.type, where)
            return _rejected(action, "failed", "The server cannot carry out this change.")

    def _is_gone_anyway(self, action: Action, row: StoredRow) -> bool:
        """Tell whether the item is deleted already and the action would only delete it."""
        try:
            return row.data is None and self._registry.apply(None, action) is None
        except Rejected:
            return False

    def _write(self, action: Action, row: StoredRow | None, data: Data | None) -> Result:
        """Give the item its next version; deleting what is not there writes nothing."""
        if data is None and (row is None or row.data is None):
            return Result(id=action.id, verdict="applied", row=row.public() if row else None)
        text = None if data is None else _encode(data)
        own = row if row and row.client_id == self._author.client_id else None
        outcome = self.outcome
        outcome.version += 1
        outcome.updated_at = max(self._now, outcome.updated_at + 1)
        new = StoredRow(
            collection=action.collection,
            item_id=action.item_id,
            version=outcome.version,
            data=text,
            updated_at=outcome.updated_at,
            user_id=self._author.user_id,
            client_id=self._author.client_id,
            seq=max(action.seq, own.seq) if own else action.seq,
            run_base=own.run_base if own else row.version if row else 0,
        )
        outcome.rows[new.key] = new
        return Result(id=action.id, verdict="applied", row=new.public(data))


def _encode(data: Data) -> str:
    text = _compact.encode(data)
    if len(text) > MAX_ACTION_BYTES and _wire_size(data) > MAX_ACTION_BYTES:
        raise Rejected("too_large", "The item would be larger than the server keeps.")
    return text


def _wire_size(data: Data) -> int:
    return len(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode())


def _problem(code: str, message: str, fields: Mapping[str, str] | None = None) -> Problem:
    return Problem(code=code, message=message, fields=dict(fields or {}))


def _rejected(
    action: Action, code: str, message: str, fields: Mapping[str, str] | None = None
) -> Result:
    problem = _problem(code, message, fields)
    return Result(id=action.id, verdict="rejected", error=problem)
