"""The client: the one object an application holds; everything else hangs on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from app.core.actions import Policy, Registry
from app.core.collections import registry
from app.core.identity import Identity
from app.core.metadata import RESTORED
from app.errors import StorageError
from app.ports import Batch, Delete
from app.sync.changes import Changes
from app.sync.collection import Collection
from app.sync.connection import Connection
from app.sync.damaged import quarantine_lost
from app.sync.drafts import Drafts
from app.sync.engine import Engine
from app.sync.erasure import Erasure
from app.sync.export import exported
from app.sync.handlers import Handler, Handlers
from app.sync.identity import identity_at_last, own_identity
from app.sync.inbox import Courier, Inbox
from app.sync.invalid_rows import InvalidRows
from app.sync.numbered import Numbered
from app.sync.outcomes import Outcomes
from app.sync.peers import Peers
from app.sync.preferences import Preferences
from app.sync.queue import Queue
from app.sync.refusals import Refusals
from app.sync.report import StatusStore, SyncReport
from app.sync.runner import Runner
from app.sync.stores import Readable
from app.sync.transport import BatchTransport, Transport
from app.sync.world import World

if TYPE_CHECKING:
    from app.sync.conflicts import Conflicts
    from app.sync.outbox_view import OutboxView

M = TypeVar("M", bound=BaseModel)
H = TypeVar("H", bound=Handler)
AT_ONCE = 200
"""Milliseconds within which a lead that nobody has is taken."""

__all__ = ["Client", "World"]


class Client:
    """Storage, queue, synchronisation and status for any number of collections.

    `transport` is the way to the server where it is not the batch protocol of our own.
    """

    def __init__(
        self,
        world: World,
        api_url: str,
        actions: Registry = registry,
        transport: Transport | None = None,
    ) -> None:
        self._world = world
        store, clock = world.store, world.clock
        self._registry = actions
        self._transport = transport or BatchTransport(world.http, clock, api_url)
        channel = Numbered(world.channel, str(world.random.getrandbits(64)))
        self._changes = Changes(channel)
        channel.missed = self._changes.tell_everything
        self._handlers = Handlers(world.prepare_handlers)
        self.connection = Connection(clock)
        self.status = StatusStore(store, self.connection, clock, durable=world.durable)
        self.preferences = Preferences(store, channel)
        self.drafts = Drafts(store, clock)
        self._erasure = Erasure(world.erase, channel)
        self._peers = Peers(channel, self.connection, self.status, clock)
        self._runner = Runner(store, actions, self._handlers, self._changes, clock, world.random)
        self._inbox = Inbox(store, self._changes, self.status, self._runner, clock)
        self._courier = Courier(store, None if transport else api_url, self._handlers)
        outcomes = Outcomes(store, self._changes, clock)
        self.queue = Queue(
            store,
            actions,
            self._changes,
            self.status,
            self._runner,
            outcomes,
            clock,
            world.random,
            self._woken,
        )
        self._invalid = InvalidRows(store, actions, self._changes, clock, self._peers.wake)
        self._identity: Identity | None = None
        self.status.follow(self._changes)

    def collection(
        self, name: str, model: type[M], conflicts: Policy | None = None
    ) -> Collection[M]:
        """Declare a collection: items of `model`, kept under `name` on device and server.

        `conflicts` is the policy for its conflicts; without it, the one that was declared before.
        """
        self._registry.declare(name, model, conflicts)
        return Collection(
            name,
            model,
            self._world.store,
            self.queue,
            self._changes,
            self._registry,
            self.status,
            self._invalid,
            self.sync,
            lambda: self._conflicts(name),
        )

    def _conflicts(self, name: str) -> Conflicts:
        # Loaded once a conflict is looked at: not each start of the page has to.
        from app.sync.conflicts import Conflicts

        store, clock, rows = self._world.store, self._world.clock, self._invalid
        of, is_local = self._registry, self._runner.handles
        return Conflicts(name, store, self.queue, of, is_local, self._signature, clock, rows)

    def _signature(self) -> str:
        return self.preferences.get().name

    def outbox(self) -> OutboxView:
        """Return the outbox to look at, page by page; it follows what changes while it is open."""
        from app.sync.outbox_view import OutboxView  # not needed to start

        return OutboxView(self._world.store, self._changes, self.status)

    def handler(self, action_type: str) -> Callable[[H], H]:
        """Register the decorated function to carry out the actions of a type by itself.

        It gets the `Action`, may be synchronous or not, and runs when the server is reachable.
        Where it raises, the action is tried again, and is `failed`, but kept, after three attempts.
        """
        return self._handlers.register(action_type)

    async def start(self) -> None:
        """Read what the status and the preferences show; call it before `run`."""
        with contextlib.suppress(StorageError):  # `run` tries again
            await self.client_id()
        await quarantine_lost(self._world.store)
        await self.preferences.load()
        await self.status.recount()
        await self.status.recall()

    async def run(self) -> None:
        """Take part in synchronising until `erase` ends it: lead when it is this context's turn."""
        self._erasure.working = asyncio.current_task()
        identity = self._identity or await identity_at_last(self._world)
        await self._courier.brief()
        asked = self._world.clock.now()

        async def lead() -> None:
            waited = self._world.clock.now() - asked > AT_ONCE
            await self._inbox.empty(identity)
            # The one before may have died before it told what it did, or before it told of itself.
            if waited or self._peers.followed:
                self._changes.announce_everything()
            await self._peers.lead(self._engine(identity))

        await self._world.leadership.hold(lead)

    def _woken(self) -> None:
        self._world.queued()
        self._peers.wake()

    async def sync(self) -> SyncReport:
        """Synchronise now and return what came of it."""
        return await self._peers.sync()

    def wake(self, *, urgent: bool = False) -> None:
        """Synchronise soon; `urgent` (a person, the network, a page coming back) ends a backoff."""
        self._peers.wake(urgent=urgent)

    def resume(self) -> None:
        """A person, or the network, comes back: show what is stored now, and synchronise soon.

        Another context may have died between its commit and its word of it.
        """
        self._changes.tell_everything()
        self._peers.greet()
        self.wake(urgent=True)

    async def dismiss_restored(self) -> None:
        """Take back, in all contexts, the note that the server went back to a backup."""
        await self._world.store.transact([], lambda: Batch([Delete(RESTORED.store, RESTORED.key)]))
        self._changes.announce_everything()

    def poke(self, cursor: str | None) -> None:
        """The server says that there is something new up to `cursor`."""
        self._peers.poke(cursor)

    async def export(self, **facts: Any) -> AsyncIterator[str]:
        """Give the pieces of a file with everything on this device; `facts` go in at its top."""
        known = {"exported_at": self._world.clock.now(), "client_id": await self.client_id()}
        async for piece in exported(self._world.store, {**facts, **known}):
            yield piece

    async def erase(self) -> None:
        """Delete everything here and end synchronising, in each tab; raises `StorageError`."""
        await self._erasure.erase()

    @property
    def erased(self) -> Readable[bool]:
        """Whether everything was deleted, here or in another tab; this client is then done."""
        return self._erasure.erased

    @property
    def durable(self) -> bool:
        """Whether what is written outlives the page."""
        return self._world.durable

    @property
    def leading(self) -> Readable[bool]:
        """Whether this context is the one that talks to the server."""
        return self._peers.leading

    def _engine(self, identity: Identity) -> Engine:
        world = self._world
        return Engine(
            store=world.store,
            transport=self._transport,
            connection=self.connection,
            changes=self._changes,
            status=self.status,
            runner=self._runner,
            refusals=Refusals(world.store, self._registry, self._runner, world.clock, world.random),
            clock=world.clock,
            random=world.random,
            online=world.online,
            identity=identity,
        )

    async def client_id(self) -> str:
        """Return the id by which the server knows this device; raises `StorageError`."""
        world = self._world
        identity = await own_identity(world.store, world.clock, world.random)
        self._identity = self._identity or identity
        return identity.client_id
