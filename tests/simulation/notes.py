"""The model of the simulated application's notes, and a registry of its own."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from app.core.actions import Registry
from app.core.collections import registry
from app.core.messages import COLLECTION, Message


class Note(BaseModel):
    """An item that several devices change."""

    model_config = ConfigDict(frozen=True)

    a: str = ""
    b: str = ""
    c: str = ""


def own_registry() -> Registry:
    """Return the product's action types in a registry that the simulation may add to."""
    own = Registry()
    for name, value in vars(registry).items():
        setattr(own, name, dict(value))
    own.declare("notes", Note)
    own.declare(COLLECTION, Message)
    return own
