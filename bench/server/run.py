"""The load test as a whole: for each kind of database, a server on an empty one, part by part."""

from __future__ import annotations

import os
import platform
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.server.parts import (
    Plan,
    Target,
    Unanswered,
    measure_ceiling,
    measure_growth,
    measure_pulls,
    measure_pushes,
    measure_streams,
)
from bench.server.processes import running
from bench.server.report import Aim, ServerReport, Table
from runtime.npm import ToolError
from scripts import cluster

PARTS = ("pushes", "pulls", "growth", "streams")
DATABASES = ("sqlite", "postgresql")

_NOTES = (
    "A push is answered once its effects are on the disk, with their receipts: exactly once.",
    "Each client has one request under way. One that follows pulls what all others wrote, too.",
    "The ceiling is a server that stores nothing, behind the same HTTP server and client.",
    "CPU is user and system time of the server's processes; the database's is PostgreSQL's own.",
    "Memory is the server's resident memory before and after; for streams also with all open.",
    "The load generator runs on the same machine.",
)
_SPARE_FILES = 256


def run(
    parts: tuple[str, ...] = PARTS, databases: tuple[str, ...] = DATABASES, plan: Plan | None = None
) -> ServerReport:
    """Measure and report; raises `ToolError` where something needed is not there."""
    plan = plan or Plan()
    _allow_files(2 * plan.streams + _SPARE_FILES)
    load_before = os.getloadavg()[0]
    tables: list[Table] = []
    aims: list[Aim] = []
    try:
        with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder:
            ceiling = _ceiling(plan, Path(folder)) if "pushes" in parts else {}
            for name in databases:
                for part in parts:
                    with _target(name, plan, Path(folder)) as target:
                        table, aimed = _measured(part, plan, target, ceiling)
                    tables.append(table)
                    aims += aimed
    except (Unanswered, ConnectionError, TimeoutError) as problem:
        raise ToolError(f"The measurement failed: {problem}") from problem
    return ServerReport(tables, aims, _environment(load_before), _NOTES)


def _measured(
    part: str, plan: Plan, target: Target, ceiling: dict[tuple[int, int], float]
) -> tuple[Table, list[Aim]]:
    if part == "pushes":
        return measure_pushes(plan, target, ceiling)
    others: dict[str, Callable[[Plan, Target], tuple[Table, list[Aim]]]] = {
        "pulls": measure_pulls,
        "growth": measure_growth,
        "streams": measure_streams,
    }
    return others[part](plan, target)


def _ceiling(plan: Plan, folder: Path) -> dict[tuple[int, int], float]:
    with running("bench.server.ceiling", log=folder / "ceiling.log") as process:
        return measure_ceiling(plan, process)


@contextmanager
def _target(name: str, plan: Plan, folder: Path) -> Iterator[Target]:
    """Run a server on an empty database of its own."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory(dir=folder) as own:
            url = f"sqlite:///{own}/bench.db"
            with _serving(url, plan, Path(own)) as process:
                yield Target("SQLite", url, process, 1_500, 15_000)
        return
    with cluster.running() as postgres, postgres.database() as url:
        leader = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
        with _serving(url, plan, folder, leader) as process:
            yield Target("PostgreSQL", url, process, 1_000, 10_000)


def _serving(url: str, plan: Plan, folder: Path, database_pid: int | None = None) -> Any:
    most = str(plan.streams + _SPARE_FILES)
    limits = {"DRIFTLINE_MAX_STREAMS_PER_USER": most, "DRIFTLINE_MAX_STREAMS": most}
    return running(
        "bench.server.api",
        *("--port", "0", "--database", url),
        log=folder / "server.log",
        environment=limits,
        database_pid=database_pid,
    )


def _allow_files(count: int) -> None:
    """Let this process and those that it starts open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise ToolError(f"{count:,} open files are needed, and {hard:,} are allowed: ulimit -Hn.")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _environment(load_before: float) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load average before": f"{load_before:.1f}",
        "after": f"{os.getloadavg()[0]:.1f}",
    }
