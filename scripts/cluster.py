"""A PostgreSQL cluster of one's own, gone when it is closed: `python -m scripts.cluster`.

It lies in a temporary folder and is reached by a socket in there: no port is taken, and nobody
else gets in. PostgreSQL refuses to run as root, so under root another user owns it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from scripts.postgres import programs

UNPRIVILEGED = ("postgres", "nobody")
_START_SECONDS = 60


class Cluster:
    """Runs PostgreSQL until it is closed; `settings` are of postgresql.conf.

    Commits reach the disk unless `durable` is false: then a crash of the machine, not one of
    PostgreSQL, could lose some.
    """

    def __init__(self, *, durable: bool = True, **settings: str | int) -> None:
        self._programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="driftline-"))
        self._owner = _owner()
        if self._owner:
            os.chown(self.folder, self._owner["user"], self._owner["group"])
        self._settings = {"fsync": "on" if durable else "off", **settings}
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start PostgreSQL, also after it was killed, and wait until it takes connections."""
        given = {"listen_addresses": "", "unix_socket_directories": self.folder, **self._settings}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        until = time.monotonic() + _START_SECONDS
        while True:
            self._process = self._run("postgres", "-D", "data", *options)
            while self._process.poll() is None:
                if self._answers():
                    return
                if time.monotonic() > until:
                    raise RuntimeError(f"PostgreSQL does not answer: {self.log()}")
                time.sleep(0.02)
            # The processes of a cluster that was killed take a moment to notice.
            if time.monotonic() > until or "pre-existing shared memory" not in self.log():
                raise RuntimeError(f"PostgreSQL does not start: {self.log()}")
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End PostgreSQL: SIGINT lets it end well, SIGQUIT at once, SIGKILL is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=_START_SECONDS)
            self._process = None

    def close(self) -> None:
        """End PostgreSQL and delete its folder."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://driftline@/{name}?host={self.folder}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database and return its URL; it is dropped at the end."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement of one's own in the database `postgres`; return what it finds."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def cut_off(self, name: str) -> None:
        """End all connections to a database, as its administrator can."""
        self.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )

    def log(self) -> str:
        """Return the last lines that PostgreSQL wrote."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-10:])

    def _make(self) -> None:
        options = ["-D", "data", "-U", "driftline", "-E", "UTF8", "--locale=C", "-A", "trust"]
        if self._run("initdb", "--no-sync", *options).wait(timeout=_START_SECONDS):
            raise RuntimeError(f"PostgreSQL's initdb failed: {self.log()}")

    def _run(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._programs / program, *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Not in the group that Ctrl+C reaches: those who use it end first.
                start_new_session=True,
                **self._owner,
            )

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def _owner() -> dict[str, Any]:
    """Return as whom to run PostgreSQL, for `subprocess`; nothing where oneself will do."""
    if os.geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = next(users[name] for name in UNPRIVILEGED if name in users)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def running(*, durable: bool = True, **settings: str | int) -> Iterator[Cluster]:
    """Run a cluster for as long as the context lasts."""
    cluster = Cluster(durable=durable, **settings)
    try:
        yield cluster
    finally:
        cluster.close()


def main() -> int:
    """Run a cluster with one empty database until Ctrl+C, and say its URL."""
    with running() as cluster, cluster.database() as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        signal.sigwait([signal.SIGINT, signal.SIGTERM])
    return 0


if __name__ == "__main__":
    sys.exit(main())
