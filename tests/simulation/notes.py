"""The model of the simulated application's notes, and a registry of its own."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from app.core.actions import Data, Registry
from app.core.collections import registry
from app.core.messages import COLLECTION, Message
from app.errors import Rejected
from app.protocol import Action


class Note(BaseModel):
    """An item that several devices change."""

    model_config = ConfigDict(frozen=True)

    a: str = ""
    b: str = ""
    c: str = ""


def turn(current: Data | None, action: Action) -> Data | None:
    """Change `c`, whoever changed it before, but not to what it is: one that is refused here may
    be followed by one that is not.
    """
    data = action.data or {}
    if current is None or current["c"] == data["c"]:
        raise Rejected("no_turn", "It is so already.")
    return {**current, **data}


def own_registry() -> Registry:
    """Return the product's action types in a registry that the simulation may add to."""
    own = Registry()
    for name, value in vars(registry).items():
        setattr(own, name, dict(value))
    own.action("turn")(turn)
    own.declare("notes", Note)
    own.declare(COLLECTION, Message)
    return own
