"""The transport for REST APIs: one request for each action, and collections read as lists.

For our server (docs/design.md, "REST") and any other that takes `POST`, `PUT` and `DELETE` on
`/{collection}` and `/{collection}/{id}`. It is loaded only where the page is set up for it.
"""

from __future__ import annotations

from app.core.actions import Registry
from app.core.entry import Entry
from app.core.messages import COLLECTION as MESSAGES
from app.errors import Refused, TransportError, Unreachable
from app.ports import Clock, Http
from app.protocol import Result, SyncResponse
from app.sync.rest_items import body_of, refused
from app.sync.rest_pull import Place, Pulled, RestPull, place_of
from app.sync.rest_push import WAITING, RestPush
from app.sync.transport import PROBE_TIMEOUT, Answer, Push

SPAN = 4.0
"""Seconds after which no further request is begun before what was answered is settled."""


class RestTransport:
    """Carries out actions one after the other, at most one of an item before it is settled.

    What is lost in the middle loses nothing: verdicts that came are settled, the rest is sent
    again under the same ids, as `Idempotency-Key`.
    """

    def __init__(self, http: Http, clock: Clock, registry: Registry, api_url: str) -> None:
        self._http = http
        self._clock = clock
        self._registry = registry
        self._api_url = api_url.rstrip("/")
        self._push = RestPush(http, clock, registry, self._api_url)
        self._pull = RestPull(http, clock, registry, self._api_url)
        self._written: set[tuple[str, int]] = set()

    async def sync(self, push: Push) -> Answer:
        """See `Transport`."""
        place = place_of(push.cursor)
        place = Place(place.turn + 2, place.marks, place.todo)
        done = _Done(place, self._clock.now())
        until = self._clock.now() + SPAN * 1000
        for entry in push.entries:
            if not done.is_turn_of(entry):
                continue
            if done.results and self._clock.now() >= until:
                break
            mark = place.marks.get(entry.collection)
            tagged = mark is not None and mark.cursor is not None
            done.begun.add(entry.id)
            try:
                carried = await self._push.carry_out(entry, place.turn - 1, tagged)
            except TransportError as error:
                return done.broke_off(error, entry)
            done.results.append(carried.result)
            done.on_base |= {entry.id} if carried.on_base else set()
            if tagged and carried.result.row is not None:
                self._written.add((entry.item_id, carried.result.row.version))
        if len(done.results) < len(push.entries) or (done.results and self._clock.now() >= until):
            return done.answer()
        try:
            pulled = await self._pull.pull(place)
        except TransportError as error:
            return done.broke_off(error)
        return done.answer(pulled, self._unread(pulled))

    async def probe(self) -> None:
        """See `Transport`: any answer of the API will do, but for one that asks to wait."""
        name = next(iter(self._registry.collections()), "")
        url = f"{self._api_url}/{name}?limit=1"
        response = await self._http("GET", url, timeout=PROBE_TIMEOUT)
        now = self._clock.now()
        body = body_of(response, now)
        if response.status in WAITING or response.status >= 500:
            raise refused(response, body, now)

    def _unread(self, pulled: Pulled) -> int:
        """Return how many messages of others a pull brought, where it brings only what changed."""
        rows = pulled.rows if pulled.fresh else []
        keys = {(r.id, r.version) for r in rows if r.collection == MESSAGES and not r.deleted}
        others = keys - self._written
        self._written -= keys
        return len(others)


class _Done:
    """What one call has come to so far."""

    def __init__(self, place: Place, now: int) -> None:
        self._place = place
        self._now = now
        self._items: set[tuple[str, str]] = set()
        self.results: list[Result] = []
        self.on_base: set[str] = set()
        self.begun: set[str] = set()

    def is_turn_of(self, entry: Entry) -> bool:
        """Tell whether nothing of the entry's item was tried in this call."""
        first = entry.item not in self._items
        self._items.add(entry.item)
        return first

    def broke_off(self, error: TransportError, entry: Entry | None = None) -> Answer:
        """Return what there is; raises `error` where there is nothing, and nothing to blame."""
        blamed = entry if isinstance(error, Refused) else None
        if not self.results and (blamed is None or isinstance(error, Unreachable)):
            raise error
        return self._of(self._response(), error, blamed)

    def answer(self, pulled: Pulled | None = None, unread: int = 0) -> Answer:
        """Return what there is, with what was pulled, if it came to that."""
        return self._of(self._response(pulled, unread))

    def _of(
        self,
        response: SyncResponse,
        error: TransportError | None = None,
        refused: Entry | None = None,
    ) -> Answer:
        return Answer(response, error, refused, frozenset(self.on_base), frozenset(self.begun))

    def _response(self, pulled: Pulled | None = None, unread: int = 0) -> SyncResponse:
        return SyncResponse(
            results=self.results,
            rows=pulled.rows if pulled else [],
            cursor=(pulled.place if pulled else self._place).text(),
            has_more=pulled.has_more if pulled else True,
            reset=pulled.reset if pulled else False,
            unread_count=unread,
            server_time=self._now,
        )
