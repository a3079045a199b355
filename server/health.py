"""`GET /api/health`: is there a Driftline server behind this address? `/api/metrics`: how is it?"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

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


@router.get("/api/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> PlainTextResponse:
    """Return counters and times in Prometheus' text format; nothing in them is of a person."""
    text = services_of(request).metrics.text()
    return PlainTextResponse(text, media_type=CONTENT_TYPE_LATEST)
