"""A REST request as an action, so that it is judged, kept and told like every other."""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from app.core.actions import Registry
from app.core.ids import uuid7
from app.protocol import (
    MAX_ACTION_BYTES,
    MAX_SAFE_INTEGER,
    PROTOCOL,
    Action,
    SyncRequest,
)
from server.exchange import Exchange
from server.identity import Identity
from server.problems import RequestRefused, invalid
from server.services import services_of

_KEY = re.compile(r'"?([A-Za-z0-9_-]{1,64})"?', re.ASCII)
_CLIENT = re.compile(r"[A-Za-z0-9_-]{1,59}", re.ASCII)
_ETAG = re.compile(r'(?:W/)?"(0|[1-9][0-9]{0,15})"', re.ASCII)

_MADE_FROM_KEYS = uuid.UUID("0199f3a0-6c1e-7d52-9a3b-0f4c2f1e8d77")


@dataclass(frozen=True)
class Change:
    """An action, and the client that it counts for.

    The clients of REST have names of their own (`rest-…`), so that no queue of a device settles
    their receipts, or takes their writes for its own.
    """

    client_id: str
    action: Action

    @classmethod
    def of(
        cls, request: Request, collection: str, item_id: str | None, data: dict[str, Any] | None
    ) -> Change:
        """Return the change that a request asks for; raises `RequestRefused` by field or header."""
        client_id = _client_id(request)
        key = _header(request, "Idempotency-Key", _KEY)
        clock = services_of(request).clock()
        now = clock // 1000
        fields: dict[str, Any] = {
            "id": key or uuid7(now, secrets.randbits(74)),
            "seq": seq_at(clock),
            "type": _type_of(item_id, data),
            "collection": collection,
            "item_id": item_id,
            "data": data,
            # Not the time: a resend under the same key has to say the same.
            "created_at": 0,
        }
        if item_id is None:
            data = dict(data or {})
            fields["item_id"] = data.pop("id", None) or _new_id(client_id, key, now)
            fields["data"] = data
        else:
            version = _header(request, "If-Match", _ETAG)
            fields["base_version"] = None if version is None else int(version)
        return cls(client_id, _action(fields))

    def exchange(self, registry: Registry, identity: Identity, now: int) -> Exchange:
        """Return the push of this one action, without a pull."""
        asked = SyncRequest(protocol=PROTOCOL, client_id=self.client_id, actions=[self.action])
        return Exchange.of(registry, identity, asked, now, pulls=False)


def seq_at(now: int) -> int:
    """Return the `seq` of an action that comes by REST now, in microseconds since the epoch.

    It counts the seconds down. So no request counts as later in one's own line than another, and
    a receipt tells how old it is.
    """
    return MAX_SAFE_INTEGER - now // 1_000_000


def etag(version: int) -> str:
    """Return a version as an entity tag."""
    return f'"{version}"'


def _type_of(item_id: str | None, data: dict[str, Any] | None) -> str:
    if item_id is None:
        return "create"
    return "delete" if data is None else "update"


def _new_id(client_id: str, key: str | None, now: int) -> str:
    """Return an id for an item; under a key it is always the same, so that a resend is one."""
    if key is None:
        return uuid7(now, secrets.randbits(74))
    return str(uuid.uuid5(_MADE_FROM_KEYS, f"{client_id}/{key}"))


def _client_id(request: Request) -> str:
    name = _header(request, "X-Client-Id", _CLIENT)
    return "rest" if name is None else f"rest-{name}"


def _header(request: Request, name: str, pattern: re.Pattern[str]) -> str | None:
    value = request.headers.get(name)
    if value is None:
        return None
    match = pattern.fullmatch(value.strip())
    if match is None:
        raise RequestRefused(
            422, "invalid", f"The header {name} is not valid.", {name: "is not valid"}
        )
    return match[match.lastindex or 0]


def _action(fields: dict[str, Any]) -> Action:
    try:
        action = Action.model_validate(fields)
    except ValidationError as error:
        refusal = invalid(error)
        named = {("id" if key == "item_id" else key): text for key, text in refusal.fields.items()}
        raise RequestRefused(refusal.status, refusal.code, str(refusal), named) from None
    if len(action.model_dump_json()) > MAX_ACTION_BYTES:
        message = f"The body is larger than {MAX_ACTION_BYTES:,} bytes."
        raise RequestRefused(413, "too_large", message)
    return action
