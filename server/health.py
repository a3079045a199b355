"""`GET /api/health`: is there a Driftline server behind this address?"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

import app

router = APIRouter()


class Health(BaseModel):
    """The answer of a server that is up."""

    status: Literal["ok"] = "ok"
    version: str


@router.get("/api/health")
async def health() -> Health:
    """Say that the server is up, and its version."""
    return Health(version=app.__version__)
