"""Plans of the hot path's statements, which PostgreSQL keeps for a moment.

To plan them is a third of its work for pushes of one. But a plan that was made while a table was
small would go on reading the whole of it, so none is kept for long: within `KEPT_SECONDS` a table
grows by a few thousand rows at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection

from server.statements import Statement, Step

KEPT_SECONDS = 0.25

_KEEP = Statement("SET LOCAL plan_cache_mode = force_generic_plan")
_MAKE_ANEW = Statement("DISCARD PLANS")
_MADE_AT = "driftline_plans_made_at"


def keeping_plans(
    connection: Connection, clock: Callable[[], float] = time.monotonic
) -> list[Step]:
    """Return what a transaction begins with, so that the plans of its statements are kept.

    Other transactions have theirs made anew each time, as the connection is set to. `clock` gives
    seconds.
    """
    if connection.dialect.name == "sqlite":
        return []
    now = clock()
    made_at = connection.info.get(_MADE_AT)
    if made_at is not None and now < made_at + KEPT_SECONDS:
        return [(_KEEP, {})]
    connection.info[_MADE_AT] = now
    return [(_KEEP, {}), (_MAKE_ANEW, {})]
