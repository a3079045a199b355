"""The courier of sw.js told in Python, for tests of what becomes of its records.

Like the original it may be killed at every await, and writes only to the inbox. What the original
sends is compared with what Python would send in tests/browser/test_courier.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from app.core.attempt import NEXT, read_attempt
from app.core.entry import read_entries
from app.core.inbox import doubt_attempt, settle_attempt
from app.core.metadata import CLIENT_ID, CURSOR, RESET, SEQ, id_of, number_of
from app.core.reset import place_of
from app.core.schema import INBOX, OUTBOX
from app.memory import MemoryStore
from app.ports import Batch, Put, Query, Scan, Value
from app.protocol import MAX_ACTIONS
from app.sync.transport import Push, render_request

APPLIED = ("applied", "duplicate")


class Killed(Exception):
    """The browser ended the worker."""


class Courier:
    """A worker on a device's storage; `ask` gives the server's answer to a request's body.

    `kill_at` counts the awaits that it lives to see; batches are of `limit` actions.
    """

    def __init__(self, store: MemoryStore, ask: Callable[[str], str], limit: int = MAX_ACTIONS):
        self._store = store
        self._ask = ask
        self._limit = limit
        self._left = 0

    async def trip(self, kill_at: int | None = None) -> bool:
        """Send what is due, batch by batch; tells whether it lived to the end."""
        self._left = 1_000_000 if kill_at is None else kill_at
        try:
            while batch := await self._take():
                record, body = batch
                self._step()
                answer = self._ask(body)
                self._step()
                put = Put(INBOX, {**record, "answer": answer})
                await self._store.transact([], lambda put=put: Batch([put]))
                self._step()
        except Killed:
            return False
        return True

    async def _take(self) -> tuple[Value, str] | None:
        self._step()
        queries: list[Query] = [Scan(OUTBOX), Scan(INBOX), CURSOR, RESET, SEQ, CLIENT_ID]
        taken: tuple[Value, str] | None = await self._store.transact(queries, self._decide)
        return taken

    def _decide(
        self, outbox: list[Value], inbox: list[Value], cursor: Any, reset: Any, seq: Any, who: Any
    ) -> Batch:
        now = id_of(who) or ""
        done, held, asked, opened = _learnt(inbox, place_of(cursor, reset))
        waiting = [it for it in outbox if it["state"] in ("pending", "in_flight")]
        if opened is not None:
            ids = {it["id"] for it in opened["actions"]}
            again = [it for it in waiting if it["id"] in ids]
        else:
            again = []
        fresh = [it for it in waiting if it["seq"] not in done and _item(it) not in held]
        chosen = again or _of_one_client(sorted(fresh, key=_due)[: self._limit], now)
        if not chosen:
            return Batch()
        entries = read_entries(chosen)
        client = (opened["client"] if again and opened else entries[0].client_id) or now
        number = (
            opened["id"] if again and opened else max((it["id"] for it in inbox), default=0) + 1
        )
        actions = [{"seq": it.seq, "id": it.id, "item": "/".join(it.item)} for it in entries]
        sent = {"client": client, "again": bool(again), "asked": asked, "actions": actions}
        record = {"id": number, "at": 0, **sent, "answer": None}
        settled = outbox[0]["seq"] - 1 if outbox else number_of(seq) or 0
        body = render_request(Push(client, asked, settled, entries))
        return Batch([Put(INBOX, record)], (record, body))

    def _step(self) -> None:
        if not self._left:
            raise Killed
        self._left -= 1


async def settle_all(store: MemoryStore, now: int) -> None:
    """Settle every record of a device's inbox, as a leader does at its start."""
    while found := (await store.read(NEXT))[0]:
        attempt = read_attempt(found[0])
        assert attempt is not None
        response = attempt.response()
        if response is None:
            decision = doubt_attempt(attempt)
        else:
            entries = attempt.still_there(await store.read(*attempt.named()))
            decision = settle_attempt(attempt, response, entries, now)
        await store.transact(decision.queries, decision.decide)


def _learnt(inbox: Sequence[Value], cursor: str | None) -> tuple[set[int], set[str], Any, Any]:
    """Return what is answered, whose items are held, where the pull is, and what has no answer."""
    done: set[int] = set()
    held: set[str] = set()
    opened: Value | None = None
    for record in inbox:
        if record["answer"] is None:
            opened = record
            continue
        answer = json.loads(record["answer"])
        applied = {it["id"] for it in answer["results"] if it["verdict"] in APPLIED}
        cursor, opened = answer["cursor"], None
        done |= {it["seq"] for it in record["actions"]}
        held |= {it["item"] for it in record["actions"] if it["id"] not in applied}
    return done, held, cursor, opened


def _of_one_client(values: list[Value], now: str) -> list[Value]:
    """Return what goes under the client of the oldest, without what stands behind another's."""
    ours: list[Value] = []
    behind: set[str] = set()
    values = sorted(values, key=lambda it: it["seq"])
    for value in values:
        if (value["client_id"] or now) != (values[0]["client_id"] or now):
            behind.add(_item(value))
        elif _item(value) not in behind:
            ours.append(value)
    return ours


def _item(value: Value) -> str:
    return f"{value['collection']}/{value['item_id']}"


def _due(value: Value) -> tuple[int, int]:
    return (0 if value["state"] == "in_flight" else value["next_attempt_at"], value["seq"])
