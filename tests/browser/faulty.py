"""A real server that spoils requests when told."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path

from tests.browser.servers import Server

DEATH = 10.0


class FaultyServer(Server):
    """A server that spoils requests when told (tests/server/faulty.py)."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(folder, "-m", "tests.server.faulty", port=port)

    def fault(self, kind: str, times: int = 1, seconds: float = 1) -> None:
        """Spoil the next `times` pushes and pulls."""
        self._ask({"kind": kind, "times": times, "seconds": seconds})

    def requests(self) -> int:
        """Return how many pushes and pulls there were since its start."""
        return int(self._ask(None)["requests"])

    def stored(self) -> list[str]:
        """Return the texts of all messages from the database file, past the faults."""
        with closing(sqlite3.connect(self.database.removeprefix("sqlite:///"))) as database:
            query = "SELECT data FROM rows WHERE collection = 'messages' ORDER BY version"
            rows = database.execute(query)
            return [json.loads(data)["text"] for (data,) in rows]

    def wait_for_death(self) -> None:
        """Wait until the process has killed itself."""
        assert self._process is not None
        self._process.wait(timeout=DEATH)
        self._process = None
        self.was_down = True

    def _ask(self, body: dict[str, object] | None) -> dict[str, int]:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/__faults__", data=data, timeout=10) as answer:
            return dict(json.load(answer))
