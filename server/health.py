"""`GET /api/health`: is there a Driftline server behind this address?"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

import app
from server.services import services_of

router = APIRouter()


class Health(BaseModel):
    """The answer of a server that is up."""

    status: Literal["ok"] = "ok"
    version: str
    epoch: str


@router.get("/api/health")
async def health(request: Request) -> Health:
    """Say that the server is up, its version, and which history its database holds."""
    return Health(version=app.__version__, epoch=services_of(request).epoch)
