"""Telling browsers by web push that a space has changed: in the background, after the commit.

A message says that there is something new and nothing else. What a space changes in quick
succession is told once, and nobody is told of what they did themselves.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from app.core.backoff import parse_retry_after
from server.database import Database
from server.webpush_store import Subscription, forget, read_secret, subscribed
from server.webpush_target import Forbidden, parse_target, post

if TYPE_CHECKING:
    from server.webpush_message import Signer

MESSAGE = json.dumps({"type": "sync-update"}).encode()
PAUSE = 1.0
"""Seconds from a change to the first message: what comes in one burst is told once."""
INTERVAL = 10.0
"""Seconds from one round of messages of a space to the next."""
DELAYS = (5.0, 60.0)
"""Seconds before the second and third attempt, where a push service cannot take a message."""
LONGEST_WAIT = 600.0
"""Seconds that a push service may ask for."""
KEPT = 86_400
"""Seconds that a push service keeps a message for a browser that is not there."""
GONE = (404, 410)
BUSY = 429
AT_ONCE = 4
"""Messages under way at a time, in a process."""

T = TypeVar("T")
logger = logging.getLogger(__name__)


class WebPush:
    """Sends for one process, on its event loop, and signs with the key that the database keeps.

    `contact` is whom a push service may turn to, `clock` gives microseconds; `loopback` allows push
    services on this machine.
    """

    def __init__(
        self, database: Database, contact: str, clock: Callable[[], int], *, loopback: bool = False
    ) -> None:
        self._database = database
        self._contact = contact
        self._clock = clock
        self.loopback = loopback
        self._secret = read_secret(database)
        self._authors: dict[str, set[str]] = {}
        self._rounds: dict[str, asyncio.Task[None]] = {}
        self._deliveries: dict[str, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webpush")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="reader-for-webpush")

    @cached_property
    def signer(self) -> Signer:
        """What this server signs with."""
        from server.webpush_message import Signer  # servers without browsers do without

        return Signer(self._secret, self._contact)

    def changed(self, space_id: str, client_id: str) -> None:
        """Take note that a client has changed a space; returns at once."""
        self._authors.setdefault(space_id, set()).add(client_id)
        if space_id not in self._rounds:
            self._rounds[space_id] = asyncio.ensure_future(self._tell(space_id))

    def close(self) -> None:
        """Send nothing more; returns once the database is not used any more."""
        for task in [*self._rounds.values(), *self._deliveries.values()]:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._reader.shutdown(cancel_futures=True)

    async def _tell(self, space_id: str) -> None:
        """Send rounds for as long as a space changes."""
        try:
            while space_id in self._authors:
                await asyncio.sleep(PAUSE)
                await self._round(space_id, self._authors.pop(space_id))
                await asyncio.sleep(INTERVAL)
        except Exception:
            logger.exception("A round of web push failed")
        finally:
            del self._rounds[space_id]

    async def _round(self, space_id: str, authors: set[str]) -> None:
        for subscription in await self._run(self._reader, lambda: self._read(space_id)):
            endpoint = subscription.endpoint
            # What still waits to be delivered says the same.
            if authors != {subscription.client_id} and endpoint not in self._deliveries:
                delivery = asyncio.ensure_future(self._deliver(subscription))
                self._deliveries[endpoint] = delivery
                delivery.add_done_callback(partial(self._delivered, endpoint))

    def _delivered(self, endpoint: str, _delivery: object) -> None:
        del self._deliveries[endpoint]

    async def _deliver(self, subscription: Subscription) -> None:
        """Send one message, three times at most; a browser that is no more is forgotten."""
        try:
            for delay in (*DELAYS, None):
                status, retry_after = await self._attempt(subscription)
                if status in GONE:
                    await self._run(self._reader, lambda: self._forget(subscription.endpoint))
                if status in GONE or 200 <= status < 300:
                    return
                if delay is None or (0 < status < 500 and status != BUSY):
                    break
                asked = parse_retry_after(retry_after or None, self._clock() // 1000) or 0.0
                await asyncio.sleep(min(LONGEST_WAIT, max(delay, asked)))
            logger.warning("A push service answered %s", status or "nothing")
        except Exception:
            logger.exception("A message could not be sent by web push")

    async def _attempt(self, subscription: Subscription) -> tuple[int, str]:
        """Return the status that a push service answered, 0 for none, and its `Retry-After`."""
        try:
            return await self._run(self._threads, lambda: self._post(subscription))
        except Forbidden as error:
            logger.warning("%s", error)
            return GONE[0], ""
        except OSError as error:
            logger.info("A push service cannot be reached: %s", error)
            return 0, ""

    def _post(self, subscription: Subscription) -> tuple[int, str]:
        from server.webpush_message import Keys, encrypt  # servers without browsers do without

        target = parse_target(subscription.endpoint, self.loopback)
        body = encrypt(MESSAGE, Keys.parse(subscription.p256dh, subscription.auth))
        headers = {
            "Authorization": self.signer.authorization(target.origin, self._clock() // 1_000_000),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(KEPT),
            "Topic": "sync-update",
            "Urgency": "normal",
        }
        return post(target, headers, body)

    def _read(self, space_id: str) -> list[Subscription]:
        return self._database.read(lambda connection: subscribed(connection, space_id))

    def _forget(self, endpoint: str) -> None:
        self._database.write(lambda connection: forget(connection, endpoint))

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        """Do what may wait for a disk or a network, on a thread."""
        return await asyncio.get_running_loop().run_in_executor(threads, work)
