"""What is kept of web push: this server's key, and the browsers that asked to be notified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text

from server.database import Database
from server.identity import Identity
from server.tables import properties, subscriptions

SECRET = "webpush_secret"
MOST = 50
"""Browsers of one user; the one that asked longest ago makes room for one more."""

_KEEP_SECRET = text(
    "INSERT INTO properties (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"
)
_SECRET = select(properties.c.value).where(properties.c.name == SECRET)


@dataclass(frozen=True)
class Subscription:
    """A browser that asked to be notified: its address at its push service, and its keys.

    `client_id` is the device, so that nobody is told of what they did themselves.
    """

    endpoint: str
    p256dh: str
    auth: str
    client_id: str = ""


def read_secret(database: Database) -> str:
    """Return the private key with which this server signs; the first to ask makes it."""
    known = database.read(lambda connection: connection.scalar(_SECRET))
    if known is None:
        from server.webpush_message import new_secret  # no other start needs cryptography

        made = {"name": SECRET, "value": new_secret()}
        database.write(lambda connection: connection.execute(_KEEP_SECRET, made))
        known = database.read(lambda connection: connection.scalar(_SECRET))
    return str(known)


def subscribe(connection: Connection, identity: Identity, asked: Subscription, now: int) -> None:
    """Notify a browser from now on, for this user only; `now` is in microseconds."""
    forget(connection, asked.endpoint)
    whose = {"space_id": identity.space_id, "user_id": identity.user_id}
    connection.execute(insert(subscriptions).values(**vars(asked), **whose, created_at=now))
    mine = _of(identity)
    newest = select(subscriptions.c.endpoint).where(mine)
    order = subscriptions.c.created_at.desc(), subscriptions.c.endpoint
    for endpoint in connection.scalars(newest.order_by(*order).offset(MOST)).all():
        forget(connection, endpoint)


def unsubscribe(connection: Connection, identity: Identity, endpoint: str) -> None:
    """Notify a browser of this user no more."""
    mine = _of(identity) & (subscriptions.c.endpoint == endpoint)
    connection.execute(delete(subscriptions).where(mine))


def forget(connection: Connection, endpoint: str) -> None:
    """Take out a browser, whosever it is."""
    connection.execute(delete(subscriptions).where(subscriptions.c.endpoint == endpoint))


def subscribed(connection: Connection, space_id: str) -> list[Subscription]:
    """Return the browsers to notify of what changes in a space."""
    fields = [subscriptions.c[name] for name in ("endpoint", "p256dh", "auth", "client_id")]
    found = connection.execute(select(*fields).where(subscriptions.c.space_id == space_id))
    return [Subscription(*row) for row in found]


def _of(identity: Identity) -> Any:
    user = subscriptions.c.user_id == identity.user_id
    return (subscriptions.c.space_id == identity.space_id) & user
