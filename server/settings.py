"""What a server is told at its start: from the command line, else from `DRIFTLINE_*` variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from app.errors import InvalidInput

PREFIX = "DRIFTLINE_"


@dataclass(frozen=True)
class Settings:
    """How a server runs.

    `site_root` is the folder that holds the app's files, `None` for the API alone. `api_url` is
    what the page is told to talk to, `transport` in which way (`batch`, or `rest` for any REST
    API). `allowed_origins` are other origins that may use the API. `max_streams` event streams may
    be open at a time in a process, and `max_streams_per_user` of them for one user. `workers` are
    the processes that serve. `push_contact` is an address at which push services can reach who
    runs this (`mailto:` or `https:`); `push_loopback` allows push services on this machine, for
    tests and development. `kill_switch` ends the service workers of all devices.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    database: str = "sqlite:///data/driftline.db"
    workers: int = 1
    api_url: str = "./api"
    transport: str = "batch"
    allowed_origins: tuple[str, ...] = ()
    log_level: str = "INFO"
    max_streams_per_user: int = 64
    max_streams: int = 2_000
    push_contact: str = "https://driftline.example"
    push_loopback: bool = False
    kill_switch: bool = False
    site_root: Path | None = None

    @classmethod
    def load(cls, environment: Mapping[str, str], given: Mapping[str, Any]) -> Settings:
        """Return the settings `given` (where not `None`), else those of the environment.

        Raises `InvalidInput` where a value does not fit.
        """
        values: dict[str, Any] = {
            setting.name: environment[PREFIX + setting.name.upper()]
            for setting in fields(cls)
            if PREFIX + setting.name.upper() in environment
        }
        values |= {name: value for name, value in given.items() if value is not None}
        for name in ("port", "workers", "max_streams_per_user", "max_streams"):
            if name in values:
                values[name] = whole_number(name, values[name])
        for name in ("push_loopback", "kill_switch"):
            if isinstance(values.get(name), str):
                values[name] = values[name].lower() in ("1", "true", "yes", "on")
        origins = values.get("allowed_origins", ())
        if isinstance(origins, str):
            values["allowed_origins"] = tuple(origins.replace(",", " ").split())
        if "site_root" in values:
            values["site_root"] = Path(values["site_root"])
        settings = cls(**values)
        settings._check()
        return settings

    def _check(self) -> None:
        if not 0 <= self.port <= 65535:
            raise InvalidInput(f"The port must be between 0 and 65535, not {self.port}.")
        if min(self.max_streams_per_user, self.max_streams) < 1:
            raise InvalidInput("At least one event stream must be allowed.")
        if self.workers < 1:
            raise InvalidInput("At least one worker is needed.")
        if self.workers > 1 and self.database.startswith("sqlite"):
            raise InvalidInput(
                "SQLite is served by one worker: nobody could tell the clients of another one "
                "what has changed. Leave --workers at 1, or give a postgresql:// URL."
            )
        if self.transport not in ("batch", "rest"):
            raise InvalidInput(f"The transport is batch or rest, not “{self.transport}”.")
        if not self.push_contact.startswith(("mailto:", "https:")):
            raise InvalidInput("The push contact must begin with mailto: or https:.")
        if self.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise InvalidInput(f"The log level cannot be “{self.log_level}”.")


def whole_number(name: str, value: Any) -> int:
    """Return the number that a setting's text says; raises `InvalidInput`."""
    try:
        return int(value)
    except ValueError:
        raise InvalidInput(f"The setting {name} must be a whole number, not “{value}”.") from None
