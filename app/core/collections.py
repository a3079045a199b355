"""The registry with everything in it: import it from here, in the browser and on the server alike.

A module of your own that declares a collection or action types is named here, once.
"""

from __future__ import annotations

from app.core import crud, messages, notes, resolutions
from app.core.actions import registry

MODULES = (crud, messages, notes, resolutions)

__all__ = ["MODULES", "registry"]
