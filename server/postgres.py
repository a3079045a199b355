"""PostgreSQL: shared by several servers; everything that is waited for has an end."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext

from server.backend import BUSY_TIMEOUT_MS, POOL_SIZE, Backend
from server.refusals import is_cut_off

NAMES = ("postgresql", "postgres")

_FROZEN_MS = 15_000
"""After this, a server that stands still within a transaction loses it, and the lock it holds."""

_PATIENT_MS = 60_000
_MAINTENANCE = 0x6472_6966_746C_696E
_OPTIONS = {
    "statement_timeout": BUSY_TIMEOUT_MS,
    "lock_timeout": BUSY_TIMEOUT_MS,
    "idle_in_transaction_session_timeout": _FROZEN_MS,
    # A plan that is kept would go on reading the whole of a table that was small when it was made.
    "plan_cache_mode": "force_custom_plan",
    # Pages are read in the order of an index; a bitmap reads all that is left, and sorts it.
    "enable_bitmapscan": "off",
    "jit": "off",
}
_CONNECTION = {
    "connect_timeout": BUSY_TIMEOUT_MS // 1000,
    "application_name": "driftline",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 2 * BUSY_TIMEOUT_MS,
}


def open_postgres(url: URL) -> Backend:
    """Return the engine of the database at `url`; what the URL itself sets is left as it is.

    Writes see what is committed when each statement begins, and take the lock on a space's record
    first; reads see one snapshot. A connection that was cut off while idle is replaced.
    """
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POOL_SIZE,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
        # The driver would have the connection forget all prepared statements at each rollback, also
        # those of the hot path (server/pipeline.py).
        connect_args={**_connection(url), "prepare_threshold": None},
    )
    event.listen(engine, "handle_error", _notice_end)
    return Backend(
        engine,
        reading={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
        writing={"isolation_level": "READ COMMITTED"},
        maintaining=(
            "SET LOCAL statement_timeout = 0",
            f"SET LOCAL lock_timeout = {_PATIENT_MS}",
            f"SELECT pg_advisory_xact_lock({_MAINTENANCE})",
        ),
        is_shared=True,
    )


def connection_parameters(engine: Engine) -> dict[str, Any]:
    """Return what the driver is given to connect as the engine does."""
    _, from_url = engine.dialect.create_connect_args(engine.url)
    return {**from_url, **_connection(engine.url)}


def _connection(url: URL) -> dict[str, Any]:
    options = "".join(f"-c {name}={value} " for name, value in _OPTIONS.items())
    own = {name: value for name, value in _CONNECTION.items() if name not in url.query}
    return {**own, "options": f"{options}{url.query.get('options', '')}"}


def _notice_end(context: ExceptionContext) -> None:
    """Give up the pool's connections where PostgreSQL says that it ends them."""
    if is_cut_off(context.original_exception):
        context.is_disconnect = True
