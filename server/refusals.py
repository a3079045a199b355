"""When the database refuses: what that is, and which refusals pass if one just begins anew."""

from __future__ import annotations

from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import DriftlineError

_NO_PRIVILEGE = "42501"
_NOT_PREPARED = "26000"
_PASSING = ("40001", "40P01", _NOT_PREPARED)
_CUT_OFF = ("57P", "25P03")


class DatabaseUnavailable(DriftlineError):
    """The database is busy, full or out of reach, and nothing of the transaction was written.

    One exception: where the connection broke during the commit itself, or the process that writes
    was killed, nobody can tell. Sent again under the same ids, an action has one effect in either
    case.
    """


class DatabaseTooNew(DriftlineError):
    """The database was made by a newer version of this code."""


def is_refusal(error: Exception) -> bool:
    """Tell whether the database refused (busy, full, damaged) rather than the query was wrong."""
    ours = isinstance(error, DataError | IntegrityError | ProgrammingError)
    if ours and _sqlstate(error) not in (_NO_PRIVILEGE, _NOT_PREPARED):
        return False
    return isinstance(error, DatabaseError | InterfaceError | PoolTimeout)


def is_passing(error: Exception) -> bool:
    """Tell whether the same transaction may well succeed if it is begun anew at once.

    So it is where another transaction won a race, where an idle connection had been cut off, and
    where it was made to forget the statements that it had prepared.
    """
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_lost or _sqlstate(error) in _PASSING


def is_cut_off(error: BaseException | None) -> bool:
    """Tell whether PostgreSQL ends the connection with this error: the driver may not know yet."""
    return (getattr(error, "sqlstate", None) or "").startswith(_CUT_OFF)


def unavailable(error: Exception) -> DatabaseUnavailable:
    """Return the refusal as ours, in one line."""
    reason = str(getattr(error, "orig", None) or "it is too busy").strip().partition("\n")[0]
    return DatabaseUnavailable(f"The database cannot be used now: {reason}.")


def _sqlstate(error: Exception) -> str | None:
    state: str | None = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state
