"""The words for what the page shows: times, counts, states. Pure, so that it is tested anywhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from app.core.view import ItemStatus
from app.protocol import MAX_TEXT
from app.sync.connection import ConnectionState
from app.sync.report import Status

CONNECTION = {"connected": "Connected", "connecting": "Connecting…", "disconnected": "Offline"}
HOLD = {"sign_in": "Sign in", "update": "Update the app"}
RESTORED = (
    "The server went back to an earlier backup. This device shows what the server has now; "
    "what you wrote and was not sent yet is {kept}."
)
KEPT = {True: "kept", False: "kept while this page is open"}
"""What happens to what was written, by whether the device keeps anything."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_SERVER = "Not connected to a server"
OPEN_ELSEWHERE = "Driftline is open in another tab. Close it, then tap Update again."
INVALID = (
    "{count:,} {items} on this device cannot be shown by this version of the app. "
    "Nothing is lost: update the app to see {them}."
)


def connection_text(state: ConnectionState) -> str:
    """Return the status line for a connection."""
    if state.status == "disconnected" and state.no_server:
        return NO_SERVER
    return CONNECTION[state.status]


def trouble_text(status: Status) -> str:
    """Return what to say where the server is there but does not take what is sent."""
    kept = KEPT[status.durable]
    if status.hold is not None:
        return f"{HOLD[status.hold]} to send {status.pending:,}. What you wrote is {kept}."
    if says_restored(status):
        return RESTORED.format(kept=kept)
    if status.connection.status == "connected" and status.last_error:
        again = "and will be sent again" if status.durable else "and is sent again until then"
        return f"{status.last_error} What you wrote is {kept} {again}."
    return invalid_text(status.invalid)


def says_restored(status: Status) -> bool:
    """Tell whether it is said that the server went back to a backup: it can be dismissed."""
    return status.restored and not status.last_error and status.hold is None


def invalid_text(count: int) -> str:
    """Return what to say of rows that do not fit this app's models; nothing where all fit."""
    if not count:
        return ""
    items, them = plural(count, "item", "items"), plural(count, "it", "them")
    return INVALID.format(count=count, items=items, them=them)


def synced_text(last_synced: int | None) -> str:
    """Return what stands behind the connection in the header; nothing before the first time."""
    return "" if last_synced is None else f"synced {clock_time(moment(last_synced))}"


def attention_text(status: Status) -> str:
    """Return what to announce of the changes that need a person; nothing where none does."""
    known = [
        (status.failed, plural(status.failed, "change was not sent", "changes were not sent")),
        (
            status.conflicts,
            plural(status.conflicts, "change is in conflict", "changes are in conflict"),
        ),
    ]
    found = [f"{count:,} {what}" for count, what in known if count]
    return f"{', '.join(found)}." if found else ""


def last_synced_text(last_synced: int | None) -> str:
    """Return when everything was last in step with the server."""
    if last_synced is None:
        return "Not synced yet"
    return f"Last synced at {clock_time(moment(last_synced))}"


def message_status(status: ItemStatus) -> str:
    """Return the page contract's status of a message: `pending`, `sent` or `failed`."""
    return {"synced": "sent", "pending": "pending"}.get(status, "failed")


def state_text(status: str, *, waiting: bool) -> str:
    """Return the words for a message's status; `waiting` where nothing is being sent now."""
    if status == "pending":
        return "Waiting to send" if waiting else "Sending…"
    return "Sent" if status == "sent" else "Not sent"


def is_waiting(status: Status) -> bool:
    """Tell whether what is pending waits: for a connection, a person, or the next attempt."""
    if status.hold is not None or status.connection.status == "disconnected":
        return True
    return status.last_error is not None and not status.syncing


def counter_text(text: str) -> str:
    """Return how long a text is, as the server counts it: in characters, without a blank end."""
    return f"{length_of(text):,} of {MAX_TEXT:,} characters"


def length_of(text: str) -> int:
    """Return the characters of a text that would be sent."""
    return len(text.rstrip())


def moment(milliseconds: int) -> datetime:
    """Return a time since the epoch as local time; one that no calendar has counts as the epoch."""
    try:
        return (EPOCH + timedelta(milliseconds=milliseconds)).astimezone()
    except (ValueError, OverflowError, OSError):
        return EPOCH.astimezone()


def clock_time(when: datetime) -> str:
    """Return the time of day as it stands beside a message."""
    return f"{when:%H:%M}"


def day_text(day: date, today: date) -> str:
    """Return the heading of a day."""
    distance = (today - day).days
    if distance in (0, 1):
        return ("Today", "Yesterday")[distance]
    year = "" if day.year == today.year else f" {day.year}"
    return f"{day:%A}, {day.day} {day:%B}{year}"


def plural(count: int, one: str, many: str) -> str:
    """Return `one` or `many`, whichever goes with `count`."""
    return one if count == 1 else many
