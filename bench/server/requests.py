"""The clients of the load: they push new messages, or pull, as bytes that are ready to send."""

from __future__ import annotations

import json
import re
import secrets
import urllib.request

from bench.server.load import Ask

_CURSOR = re.compile(rb'"cursor":"([^"]*)"')
_VERSION = re.compile(rb'"version":([0-9]+)')

_ACTION = (
    '{"id":"%s-a%d","seq":%d,"type":"send_message","version":1,"collection":"messages",'
    '"item_id":"%s-%d","data":{"text":"Back at the hut around 18:00."},'
    '"base_version":null,"created_at":1795276800000}'
)
_HEAD = (
    "POST /api/sync HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    "Content-Length: %d\r\n\r\n"
)


def pushing(epoch: str, size: int, *, follow_from: int | None = None) -> Ask:
    """Return a client that pushes `size` new messages at a time, each push behind the last.

    It is one that only writes: what others wrote meanwhile it passes over. With `follow_from` it
    pulls all that from this version on, as a device does.
    """
    client = f"bench-{secrets.token_hex(8)}"
    follows = follow_from is not None
    cursor = f"c{epoch}.{follow_from or 0}"
    sent = 0

    def ask(last: bytes | None) -> bytes | None:
        nonlocal cursor, sent
        if last and follows:
            cursor = _found(_CURSOR, last)
        elif last:
            cursor = f"c{epoch}.{int(_found(_VERSION, last)) + size - 1}"
        places = range(sent + 1, sent + size + 1)
        actions = ",".join([_ACTION % (client, n, n, client, n) for n in places])
        asked = _push(client, cursor, sent, actions, 500 if follows else 1)
        sent += size
        return asked

    return ask


def _push(client: str, cursor: str, settled: int, actions: str, limit: int) -> bytes:
    return _posted(
        f'{{"protocol":1,"client_id":"{client}","cursor":"{cursor}","settled_through":{settled},'
        f'"limit":{limit},"actions":[{actions}]}}'
    )


def pulling(cursor: str | None, *, pages: int | None = None, again: bool = False) -> Ask:
    """Return a client that pulls to the end from a cursor on, or so many pages.

    With `again` it asks for the first page again and again, without an end.
    """
    left = -1 if pages is None else pages
    at = cursor

    def ask(last: bytes | None) -> bytes | None:
        nonlocal left, at
        if last and not again:
            at = _found(_CURSOR, last)
            if b'"has_more":false' in last:
                return None
        if left == 0:
            return None
        left -= 1
        return _posted(json.dumps({"protocol": 1, "client_id": "bench", "cursor": at}))

    return ask


def _posted(body: str) -> bytes:
    return f"{_HEAD % len(body)}{body}".encode("ascii")


def _found(pattern: re.Pattern[bytes], text: bytes) -> str:
    match = pattern.search(text)
    if match is None:
        raise ValueError(f"The server did not answer as it should: {text[:200].decode()}")
    return match[1].decode()


def position(url: str) -> tuple[str, int]:
    """Return the server's epoch, and the version that its space has come to."""
    with urllib.request.urlopen(f"{url}/api/events") as stream:
        for line in stream:
            if line.startswith(b"id: c"):
                epoch, _, version = line.decode().strip().removeprefix("id: c").partition(".")
                return epoch, int(version)
    raise ValueError("The server's stream of events said nothing.")
