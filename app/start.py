"""The first Python that runs: loads the app in pieces, so that the browser gets turns in between.

One long import would hold up painting and taps for as long as it takes.
"""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module

from app.precompiled import use_recorded_methods

PIECES = (
    "typing_extensions",
    "annotated_types",
    "fractions",
    "pydantic_core",
    "typing_inspection.introspection",
    "pydantic.warnings",
    "pydantic.errors",
    "pydantic._internal._config",
    "pydantic._internal._decorators",
    "pydantic._internal._fields",
    "zoneinfo",
    "pydantic.functional_validators",
    "pydantic.json_schema",
    "pydantic._internal._generate_schema",
    "pydantic.types",
    "pydantic.main",
    "app.ports",
    "app.protocol",
    "app.core.policy",
    "app.core.actions",
    "app.core.messages",
    "app.core.resolutions",
    "app.core.settle",
    "app.core.enqueue",
    "app.sync.report",
    "app.sync.runner",
    "app.sync.queue",
    "app.sync.collection",
    "app.sync.engine",
    "app.sync.client",
    "app.ui.composer",
    "app.ui.messages",
    "app.ui.messages_page",
    "app.ui.shell",
    "app.main",
)
"""What is imported in a turn each, with whatever it needs besides; an order, not a list of all."""


async def start() -> None:
    """Load the app, and start it."""
    gc.disable()  # what is loaded now stays; `app.main` has it looked for again
    use_recorded_methods()
    for piece in PIECES:
        import_module(piece)
        await asyncio.sleep(0)
    from app.main import main

    await main()
