"""Short ways to say actions and requests."""

from __future__ import annotations

from typing import Any

from app.protocol import Action


def action(seq: int, kind: str = "create", item: str = "n1", **fields: Any) -> dict[str, Any]:
    """Return an action on a note as a client sends it; its id is `a<seq>` unless given."""
    return {
        "id": f"a{seq}",
        "seq": seq,
        "type": kind,
        "collection": "drafts",
        "item_id": item,
        "data": None,
        "created_at": 1_760_000_000_000,
        **fields,
    }


def message(seq: int, text: str = "Hello", **fields: Any) -> dict[str, Any]:
    """Return the action that sends a message."""
    said = {"item": f"m{seq}", "collection": "messages", "data": {"text": text}}
    return action(seq, "send_message", **{**said, **fields})


def parsed(*actions: dict[str, Any]) -> list[Action]:
    """Return actions as the server reads them."""
    return [Action.model_validate(fields) for fields in actions]


def request(*actions: dict[str, Any], client: str = "c1", **fields: Any) -> dict[str, Any]:
    """Return the body of a push and pull."""
    return {"protocol": 1, "client_id": client, "actions": list(actions), **fields}
