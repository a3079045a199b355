"""Who is asking, and in which space: the one place that says so."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection


@dataclass(frozen=True)
class Identity:
    """The space a request works in and the user it works for; every query takes one."""

    space_id: str
    user_id: str


LOCAL = Identity(space_id="local", user_id="local")


def current_identity(request: HTTPConnection) -> Identity:
    """Return the identity of a request: until there are accounts, one for all."""
    return LOCAL
