"""A real Driftline server in a process of its own, which tests stop, kill and start again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.browser.forked import Forked

ROOT = Path(__file__).resolve().parents[2]
PAGE_SIZE = 500
PORTS = range(20_000, 32_000)
"""Below those that systems give to connections: a server that is down for a moment loses none."""
_DEADLINE = 20.0


class Server:
    """`serve.py` on a free port with a fresh SQLite file; port and file outlive a restart.

    At a `port` where a server of another test was, browsers know the app already.

    `command` is what to start in place of `serve.py` (a server that misbehaves, say); it takes
    the same options. `was_down` says that the test made requests to it fail.
    """

    def __init__(
        self,
        folder: Path,
        *command: str,
        database: str | None = None,
        port: int | None = None,
    ) -> None:
        self._log_path = folder / "server.log"
        self._command = list(command or ("serve.py",))
        self._process: Forked | None = None
        self.database = database or f"sqlite:///{folder / 'driftline.db'}"
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.was_down = False
        self._added = 0
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Start it and return once it answers."""
        options = ["--port", str(self.port), "--database", self.database]
        command = [*self._command, *options]
        environment = {**os.environ, **self.environment}
        self._process = Forked(command, ROOT, environment, self._log_path)
        until = time.monotonic() + _DEADLINE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The server did not start:\n{self.log()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ask it to end, as a host does (SIGTERM), and wait until it has."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without warning (SIGKILL): what it was doing stays undone."""
        self._end(signal.SIGKILL)

    def begin_epoch(self) -> None:
        """Say that the database was put back from a backup; it must not run meanwhile."""
        command = [sys.executable, "serve.py", "--database", self.database, "new-epoch"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    def restart(self) -> None:
        """Stop it and start it again on the same port and database."""
        self.stop()
        self.start()

    def messages(self) -> list[str]:
        """Return the texts of all messages, in the order in which the server took them."""
        rows = sorted(self.rows("messages"), key=lambda row: int(row["version"]))
        return [row["data"]["text"] for row in rows if not row["deleted"]]

    def rows(self, collection: str) -> list[dict[str, Any]]:
        """Return all rows of a collection, tombstones too, pulled as a new client pulls them."""
        rows: list[dict[str, Any]] = []
        cursor, more = None, True
        while more:
            page = self.post("/api/sync", _pull(cursor))
            rows += page["rows"]
            cursor, more = page["cursor"], page["has_more"]
        return [row for row in rows if row["collection"] == collection]

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post JSON to the server and return the JSON of its answer."""
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))

    def add_messages(self, *texts: str) -> None:
        """Put messages on the server as another device would, at most 100 in a request."""
        for start in range(0, len(texts), 100):
            actions = [
                {
                    "id": f"seed-{seq}",
                    "seq": seq,
                    "type": "send_message",
                    "collection": "messages",
                    "item_id": f"seed-{seq}",
                    "data": {"text": text},
                    "created_at": int(time.time() * 1000),
                }
                for seq, text in enumerate(texts[start : start + 100], start + 1)
            ]
            seed = {"client_id": "seeder", "limit": 1, "actions": actions}
            self.post("/api/sync", {**_pull(None), **seed})

    def add_messages_of(self, sender: str, *texts: str, ages: Sequence[int] = ()) -> None:
        """Put messages on the server that somebody signed, as old as `ages` says in ms."""
        now = int(time.time() * 1000)
        said = [{"text": text, "sender": sender} for text in texts]
        times = [now - (ages[number] if ages else 0) for number in range(len(texts))]
        self._add("signer", "send_message", "messages", said, times)

    def add_notes_of(self, sender: str, *notes: tuple[str, str]) -> None:
        """Put notes on the server that another device wrote, as (title, body)."""
        written = [{"title": title, "body": body} for title, body in notes]
        self._add(sender, "create", "notes", written, [int(time.time() * 1000)] * len(notes))

    def _add(
        self,
        client_id: str,
        kind: str,
        collection: str,
        items: Sequence[Mapping[str, str]],
        times: Sequence[int],
    ) -> None:
        self._added += 1
        actions = [
            {
                "id": f"added-{self._added}-{number}",
                "seq": number + 100 * self._added,
                "type": kind,
                "collection": collection,
                "item_id": f"added-{self._added}-{number}",
                "data": data,
                "created_at": created_at,
            }
            for number, (data, created_at) in enumerate(zip(items, times, strict=True))
        ]
        self.post("/api/sync", {**_pull(None), "client_id": client_id, "actions": actions})

    def log(self) -> str:
        """Return what the server has written so far."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def close(self) -> None:
        """End it at the end of a test, whatever state it is in."""
        if self._process is not None:
            self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self.was_down = True
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=_DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"The server ignored {how.name}:\n{self.log()}") from None
        finally:
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/health", timeout=2):
                return True
        except OSError:
            return False


def free_port() -> int:
    """Return a port that nothing listens on now, and that no connection gets by itself."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _pull(cursor: str | None) -> dict[str, Any]:
    return {
        "protocol": 1,
        "client_id": "test-reader",
        "cursor": cursor,
        "settled_through": 0,
        "limit": PAGE_SIZE,
        "actions": [],
    }
