"""Being told of news while no page is open: the browser's push service knocks for our server.

What it carries says that there is something new and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from app.errors import InvalidInput
from app.ports import Clock, Http, HttpResponse
from app.protocol import Wire
from app.sync.transport import not_our_server, refuse

NoticeState = Literal["unavailable", "denied", "off", "on"]
"""Whether this device is told: the browser, or the server, cannot, or somebody said no, or yes."""
NOT_ALLOWED = (
    "This browser does not let Driftline notify you. You can change that in its settings for this "
    "site."
)
TIMEOUT = 20.0


class PushBrowser(Protocol):
    """What a browser does for it. `allow` asks the person, and so belongs behind a tap.

    `subscribe` gives what the server needs to know; it raises `Unreachable` where the browser's
    push service does not answer. `unsubscribe` gives the address that was given up, if any.
    """

    async def state(self) -> NoticeState: ...

    async def allow(self) -> bool: ...

    async def subscribe(self, key: str) -> Mapping[str, Any]: ...

    async def unsubscribe(self) -> str | None: ...


class _Key(Wire):
    """The server's public key, with which it signs what it sends."""

    key: str


class Notices:
    """Turns them on and off, at the browser and at the server.

    Raises `InvalidInput` where it is not allowed, `TransportError` where it cannot be done now.
    """

    def __init__(
        self,
        http: Http,
        clock: Clock,
        api_url: str,
        browser: PushBrowser,
        client_id: Callable[[], Awaitable[str]],
    ) -> None:
        self._http = http
        self._clock = clock
        self._url = f"{api_url.rstrip('/')}/push"
        self._browser = browser
        self._client_id = client_id

    async def state(self) -> NoticeState:
        """Return how it stands on this device."""
        return await self._browser.state()

    async def turn_on(self) -> None:
        """Ask the person, and have this device be told from now on."""
        if not await self._browser.allow():
            raise InvalidInput(NOT_ALLOWED)
        key = await self._key()
        subscription = await self._browser.subscribe(key)
        asked = {**subscription, "client_id": await self._client_id()}
        try:
            await self._post("subscribe", asked)
        except BaseException:
            await self._browser.unsubscribe()
            raise

    async def turn_off(self) -> None:
        """Have this device be told no more; the server finds out by itself where it is away."""
        endpoint = await self._browser.unsubscribe()
        if endpoint is not None:
            await self._post("unsubscribe", {"endpoint": endpoint})

    async def _key(self) -> str:
        answer = await self._http("GET", f"{self._url}/key", timeout=TIMEOUT)
        if answer.status != 200:
            self._fail(answer)
        try:
            return _Key.model_validate_json(answer.body).key
        except ValidationError:
            not_our_server(answer)

    async def _post(self, verb: str, body: Mapping[str, Any]) -> None:
        text = json.dumps(body)
        answer = await self._http("POST", f"{self._url}/{verb}", text, timeout=TIMEOUT)
        if answer.status != 204:
            self._fail(answer)

    def _fail(self, answer: HttpResponse) -> None:
        refuse(answer, self._clock.now())
