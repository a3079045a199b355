"""Reading collections of a REST API again and again, as a pull that the store can settle.

Where the API gives cursors, as ours does, only what changed is read, deletions with it. Any other
is read whole, and only kept if it is not what it was before: then a new round begins
(app/core/reset.py), which shows all collections and so also what is not there any more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urljoin

from app.core.actions import Registry
from app.errors import Unreachable
from app.ports import Clock, Http, HttpResponse
from app.protocol import Row
from app.sync.rest_items import body_of, is_row, list_in, refused, rows_in
from app.sync.transport import NO_ENDPOINT, SYNC_TIMEOUT, not_our_server

MOST_PAGES = 100
"""Linked pages of one collection that are read and settled at once; the rest follows after that."""


@dataclass(frozen=True)
class Mark:
    """How far a collection was read: by the API's cursor, or what it was like as a whole.

    In the middle of a long list `link` is the address of its next page, and `digest` is of what
    came before that.
    """

    cursor: str | None = None
    etag: str | None = None
    digest: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class Place:
    """Where the pull stands; as JSON it is the cursor that the device keeps.

    `turn` grows with each request and is the version of rows of which the API says none. `todo`
    names what is still to be read in this round; `None`, that there was no round yet.
    """

    turn: int = 0
    marks: dict[str, Mark] = field(default_factory=dict)
    todo: tuple[str, ...] | None = None

    def text(self) -> str:
        """Return the place as a cursor."""
        return json.dumps(asdict(self), separators=(",", ":"))


def place_of(cursor: str | None) -> Place:
    """Return the place that a cursor stands for; another transport's stands for the start."""
    try:
        held = json.loads(cursor or "{}")
        marks = {name: Mark(**mark) for name, mark in held["marks"].items()}
        todo = held["todo"] if held["todo"] is None else tuple(held["todo"])
        return Place(int(held["turn"]), marks, todo)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Place()


@dataclass(frozen=True)
class Page:
    """Rows of a collection; `more`: there are more behind the mark.

    `whole`: the collection is read as a list, to which these rows, and no others, belong.
    """

    rows: list[Row]
    mark: Mark
    whole: bool = False
    more: bool = False


@dataclass(frozen=True)
class Pulled:
    """What a pull brought, in the words of `SyncResponse`; `fresh` rows changed since the last."""

    rows: list[Row]
    place: Place
    has_more: bool
    reset: bool = False
    fresh: bool = False


class _Expired(Exception):
    """A cursor cannot be followed any more: all is to be read anew."""


class RestPull:
    """Reads the declared collections of the API at `api_url`."""

    def __init__(self, http: Http, clock: Clock, registry: Registry, api_url: str) -> None:
        self._http = http
        self._clock = clock
        self._registry = registry
        self._api_url = api_url

    async def pull(self, place: Place) -> Pulled:
        """Return what is new; raises `TransportError`."""
        try:
            if place.todo is None:
                return await self._round(self._begin(place), first=True)
            if place.todo:
                return await self._round(place, first=False)
            return await self._changes(place)
        except _Expired:
            return await self._round(self._begin(place), first=True)

    def _begin(self, place: Place) -> Place:
        return Place(place.turn, {}, tuple(self._registry.collections()))

    async def _round(self, place: Place, *, first: bool) -> Pulled:
        """Read the next page of a round."""
        assert place.todo is not None
        name, *rest = place.todo or ("",)
        page = await self._read(name, place.marks.get(name), place.turn) if name else None
        if page is None and not rest and not place.marks and name:
            not_our_server()
        marks = place.marks | ({name: page.mark} if page else {})
        todo = place.todo if page and page.more else tuple(rest)
        rows = page.rows if page else []
        return Pulled(rows, Place(place.turn, marks, todo), bool(todo), reset=first)

    async def _changes(self, place: Place) -> Pulled:
        """Read what changed in each collection since the round; a whole one begins another."""
        rows: list[Row] = []
        marks, has_more = dict(place.marks), False
        names = list(self._registry.collections())
        for name in names:
            page = await self._read(name, place.marks.get(name), place.turn)
            if page is None:
                continue
            end = await self._end(name, page, place.turn)
            if page.whole and end.digest != place.marks.get(name, Mark()).digest:
                others = tuple(other for other in names if other != name)
                todo = (name, *others) if page.more else others
                begun = Place(place.turn, {name: page.mark}, todo)
                return Pulled(page.rows, begun, bool(todo), reset=True)
            rows += [] if page.whole else page.rows
            marks[name] = end
            has_more |= page.more and not page.whole
        return Pulled(rows, replace(place, marks=marks), has_more, fresh=True)

    async def _end(self, name: str, page: Page, turn: int) -> Mark:
        """Return the mark at the end of a list that begins with `page`, without keeping its rows.

        So a long list that is as it was costs no write, and no more memory than a part of it.
        """
        while page.whole and page.more:
            page = await self._further(name, page.mark, turn)
        return page.mark

    async def _read(self, name: str, mark: Mark | None, turn: int) -> Page | None:
        """Read a collection on from its mark; `None` where the API does not have it."""
        mark = mark or Mark()
        if mark.link is not None:
            return await self._further(name, mark, turn)
        query = f"?deleted=true&cursor={quote(mark.cursor)}" if mark.cursor else ""
        condition = {"If-None-Match": mark.etag} if mark.etag else {}
        response = await self._get(f"{self._api_url}/{name}{query}", condition)
        if response.status == 304:
            return Page([], mark, whole=True)
        body = body_of(response, self._clock.now())
        if response.status in NO_ENDPOINT:
            return None
        if response.status == 410 and mark.cursor:
            raise _Expired
        self._check(response, body)
        if _gives_cursors(body, name):
            rows = rows_in(body["rows"], name, turn)
            return Page(rows, Mark(cursor=body["cursor"]), more=bool(body["has_more"]))
        return await self._list(name, f"{self._api_url}/{name}", response, turn)

    async def _further(self, name: str, mark: Mark, turn: int) -> Page:
        """Read a list on from where its mark says."""
        url = mark.link or ""
        return await self._list(name, url, await self._get(url, {}), turn, mark.digest)

    async def _list(
        self, name: str, url: str, first: HttpResponse, turn: int, before: str | None = None
    ) -> Page:
        """Read a list from the page `first` on, which is the one at `url`, along its links.

        `before` is the digest of the pages before it, if there are any.
        """
        pages, rows, seen = [first], rows_in(self._items(first), name, turn), {url}
        while (link := _next(pages[-1])) is not None:
            url = urljoin(url, link)
            if len(pages) == MOST_PAGES:
                mark = Mark(digest=_digest(before, pages), link=url)
                return Page(rows, mark, whole=True, more=True)
            if url in seen:
                raise Unreachable(f"The list of {name} has no end.", answered=True)
            seen.add(url)
            pages.append(await self._get(url, {}))
            rows += rows_in(self._items(pages[-1]), name, turn)
        alone = before is None and len(pages) == 1
        etag = first.headers.get("etag") if alone else None
        return Page(rows, Mark(etag=etag, digest=_digest(before, pages)), whole=True)

    def _items(self, response: HttpResponse) -> list[Any]:
        """Return the items of one page of a list."""
        body = body_of(response, self._clock.now())
        self._check(response, body)
        items = list_in(body)
        return not_our_server(response, self._clock.now()) if items is None else items

    async def _get(self, url: str, headers: dict[str, str]) -> HttpResponse:
        return await self._http("GET", url, headers=headers, timeout=SYNC_TIMEOUT)

    def _check(self, response: HttpResponse, body: Any) -> None:
        now = self._clock.now()
        if response.status >= 400:
            raise refused(response, body, now)
        if response.status != 200:
            not_our_server(response, now)


def _gives_cursors(body: Any, name: str) -> bool:
    """Tell whether a page is one of ours, from whose cursor on changes can be asked for."""
    if not isinstance(body, dict) or not isinstance(body.get("cursor"), str):
        return False
    rows = body.get("rows")
    return isinstance(rows, list) and all(is_row(row, name) for row in rows) and "has_more" in body


def _next(response: HttpResponse) -> str | None:
    """Return the address of the next page (RFC 8288), where an answer links it."""
    for link in response.headers.get("link", "").split(","):
        target, *parameters = (part.strip() for part in link.split(";"))
        if any(part.replace('"', "").lower() == "rel=next" for part in parameters):
            return target.strip("<>")
    return None


def _digest(before: str | None, pages: Sequence[HttpResponse]) -> str:
    texts = [] if before is None else [before]
    return sha256("\0".join([*texts, *(page.body for page in pages)]).encode()).hexdigest()
