"""The database's history: an append-only list of named steps.

Each step is applied together with its record in one transaction. A step that was released is never
changed; its statements are plain SQL that SQLite and PostgreSQL both take. `:random` in one stands
for 16 random hexadecimal digits.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, text

from server.database import Database
from server.refusals import DatabaseTooNew


@dataclass(frozen=True)
class Migration:
    """One named step and its statements; `only` names the one database that they are for."""

    name: str
    statements: tuple[str, ...]
    only: str | None = None


_RECORDS = "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)"

MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        "0001_rows_and_receipts",
        (
            """CREATE TABLE spaces (
                space_id TEXT PRIMARY KEY,
                version BIGINT NOT NULL,
                updated_at BIGINT NOT NULL
            )""",
            """CREATE TABLE clients (
                space_id TEXT NOT NULL REFERENCES spaces,
                client_id TEXT NOT NULL,
                user_id TEXT NOT NULL,
                settled_through BIGINT NOT NULL,
                PRIMARY KEY (space_id, client_id, user_id)
            )""",
            """CREATE TABLE rows (
                space_id TEXT NOT NULL REFERENCES spaces,
                collection TEXT NOT NULL,
                item_id TEXT NOT NULL,
                version BIGINT NOT NULL,
                data TEXT,
                updated_at BIGINT NOT NULL,
                user_id TEXT NOT NULL,
                client_id TEXT NOT NULL,
                seq BIGINT NOT NULL,
                run_base BIGINT NOT NULL,
                PRIMARY KEY (space_id, collection, item_id)
            )""",
            "CREATE UNIQUE INDEX rows_by_version ON rows (space_id, version)",
            """CREATE TABLE receipts (
                space_id TEXT NOT NULL REFERENCES spaces,
                action_id TEXT NOT NULL,
                user_id TEXT NOT NULL,
                client_id TEXT NOT NULL,
                seq BIGINT NOT NULL,
                body_hash TEXT NOT NULL,
                result TEXT NOT NULL,
                PRIMARY KEY (space_id, action_id, user_id, client_id)
            )""",
            "CREATE INDEX receipts_by_seq ON receipts (space_id, user_id, client_id, seq)",
        ),
    ),
    Migration(
        "0002_epoch_and_horizon",
        (
            "CREATE TABLE properties (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
            "INSERT INTO properties (name, value) VALUES ('epoch', :random)",
            "ALTER TABLE spaces ADD COLUMN horizon BIGINT NOT NULL DEFAULT 0",
        ),
    ),
    # Who writes rows has locked their space's record: looking it up for each costs half the write.
    Migration(
        "0003_no_lookup_of_the_space",
        (
            "ALTER TABLE rows DROP CONSTRAINT rows_space_id_fkey",
            "ALTER TABLE receipts DROP CONSTRAINT receipts_space_id_fkey",
        ),
        only="postgresql",
    ),
    # By the statement that gives out a version, for one more would be one more round trip.
    Migration(
        "0004_pokes",
        (
            """CREATE FUNCTION poke() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_notify('driftline_pokes', NEW.version || ' ' || NEW.space_id);
                RETURN NULL;
            END $$""",
            """CREATE TRIGGER poke AFTER UPDATE OF version ON spaces
            FOR EACH ROW EXECUTE FUNCTION poke()""",
        ),
        only="postgresql",
    ),
    Migration(
        "0005_subscriptions",
        (
            """CREATE TABLE subscriptions (
                endpoint TEXT PRIMARY KEY,
                space_id TEXT NOT NULL,
                user_id TEXT NOT NULL,
                client_id TEXT NOT NULL,
                p256dh TEXT NOT NULL,
                auth TEXT NOT NULL,
                created_at BIGINT NOT NULL
            )""",
            "CREATE INDEX subscriptions_by_space ON subscriptions (space_id)",
        ),
    ),
    # Changes nothing; says that receipts may be in a form that an older server does not read.
    Migration("0006_short_receipts", ()),
)


def migrate(database: Database, steps: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Apply the steps that the database has not seen; returns their names.

    Raises `DatabaseTooNew` where the database knows a step that this code does not.
    """
    database.maintain(lambda connection: connection.execute(text(_RECORDS)))
    applied = [step.name for step in steps if database.maintain(partial(_apply, step))]
    unknown = sorted(database.read(_applied) - {step.name for step in steps})
    if unknown:
        raise DatabaseTooNew(
            f"The database was made by a newer Driftline (it has “{unknown[-1]}”): "
            "start that version, or use another database."
        )
    return applied


def _applied(connection: Connection) -> set[str]:
    return set(connection.scalars(text("SELECT name FROM migrations")))


def _apply(step: Migration, connection: Connection) -> bool:
    """Apply a step unless it is recorded already; another process may have been first."""
    if step.name in _applied(connection):
        return False
    is_meant = step.only in (None, connection.dialect.name)
    for statement in step.statements if is_meant else ():
        values = {"random": secrets.token_hex(8)} if ":random" in statement else {}
        connection.execute(text(statement), values)
    connection.execute(text("INSERT INTO migrations (name) VALUES (:name)"), {"name": step.name})
    return True
