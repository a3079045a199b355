"""What is measured: pushes, pulls, how cost grows with what is stored, and open streams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bench.server.fill import effects, fill
from bench.server.load import Ask, Load, run, until
from bench.server.processes import Process
from bench.server.report import Aim, Cell, Table
from bench.server.requests import position, pulling, pushing
from bench.server.streams import fan_out

CLIENTS = (1, 16, 64)
JUDGED = 16
"""The number of clients that the aims are meant for."""

SIZES = (1, 100)
_PAGE = 500
_PULLED = 10_000


@dataclass(frozen=True)
class Plan:
    """How much is measured: seconds for each load, the most rows that are stored, open streams."""

    seconds: float = 4.0
    most_rows: int = 1_000_000
    streams: int = 1_000
    pokes: int = 5
    clients: tuple[int, ...] = CLIENTS

    def rows(self, *numbers: int) -> list[int]:
        """Return those of the numbers of rows that are within the plan."""
        return [number for number in numbers if number <= self.most_rows]


@dataclass(frozen=True)
class Target:
    """A running server, the database behind it, and what is promised of that kind of database."""

    name: str
    database: str
    process: Process
    pushes_wanted: float
    actions_wanted: float


class Unanswered(Exception):
    """Some requests were not answered as they should be."""


def measure_ceiling(plan: Plan, ceiling: Process) -> dict[tuple[int, int], float]:
    """Return the requests per second of the server that stores nothing, by clients and size."""
    return {
        (clients, size): _loaded(
            ceiling, [until(plan.seconds / 2, pushing("", size)) for _ in range(clients)]
        ).rate
        for size in SIZES
        for clients in plan.clients
    }


def measure_pushes(
    plan: Plan, target: Target, ceiling: dict[tuple[int, int], float]
) -> tuple[Table, list[Aim]]:
    """Push new rows with several numbers of clients, one action at a time and in batches."""
    heads = ("clients × actions", "pushes/s", "actions/s", "p50 ms", "p95 ms", "p99 ms")
    costs = ("of ceiling", "CPU µs/action", "database's", "memory MB")
    table = Table(f"Pushes on {target.name}", (*heads, *costs))
    epoch, _ = position(target.process.url)
    _loaded(target.process, [until(plan.seconds / 4, pushing(epoch, 1))])
    rates: dict[tuple[int, int, bool], float] = {}
    loads = [(clients, size, False) for size in SIZES for clients in plan.clients]
    for clients, size, follows in [*loads, (plan.clients[-1], 1, True)]:
        _, newest = position(target.process.url)
        ask = partial(pushing, epoch, size, follow_from=newest if follows else None)
        asks = [until(plan.seconds, ask()) for _ in range(clients)]
        line, rate = _pushed(target, asks, size, None if follows else ceiling[clients, size])
        name = f"{clients} × {size}{', following' if follows else ''}"
        table.rows.append((name, *line))
        rates[clients, size, follows] = rate
    _, ended_at = position(target.process.url)
    kept = effects(target.database)
    judged = JUDGED if JUDGED in plan.clients else plan.clients[-1]
    pushed = f"{target.name}: actions/s of {judged} clients in pushes of"
    return table, [
        # Each action pushed is the one write of its row.
        Aim(f"{pushed} one action", rates[judged, 1, False], target.pushes_wanted),
        Aim(f"{pushed} batches of 100", rates[judged, 100, False], target.actions_wanted),
        Aim(f"{target.name}: rows for each version given out", kept / ended_at, 1),
    ]


def _pushed(
    target: Target, asks: list[Ask], size: int, ceiling: float | None
) -> tuple[list[Cell], float]:
    """Run a load of pushes and return its line, and its actions per second."""
    process = target.process
    cpu, database_cpu, memory = process.cpu(), process.database_cpu(), process.memory()
    stored = effects(target.database)
    load = _loaded(process, asks)
    actions = len(load.latencies) * size
    made = effects(target.database) - stored
    if made != actions:
        raise Unanswered(f"{actions:,} actions were answered and had {made:,} effects.")
    per_action = 1_000_000 / actions
    line: list[Cell] = [
        load.rate,
        load.rate * size,
        *_percentiles(load),
        None if ceiling is None else f"{load.rate / ceiling:.0%}",
        (process.cpu() - cpu) * per_action,
        (process.database_cpu() - database_cpu) * per_action,
        f"{memory:.0f} → {process.memory():.0f}",
    ]
    return line, load.rate * size


def measure_pulls(plan: Plan, target: Target) -> tuple[Table, list[Aim]]:
    """Pull everything, in pages of 500 rows, one after the other."""
    heads = ("rows", "s", "rows/s", "p50 ms a page", "p99 ms", "CPU µs/row", "memory MB")
    table = Table(f"Pulls on {target.name}", heads)
    aims: list[Aim] = []
    for rows in plan.rows(_PULLED, 10 * _PULLED):
        fill(target.database, rows)
        cpu, memory = target.process.cpu(), target.process.memory()
        load = min(
            (_loaded(target.process, [pulling(None, pages=rows // _PAGE)]) for _ in range(3)),
            key=lambda load: load.seconds,
        )
        spent = (target.process.cpu() - cpu) / 3 / rows * 1_000_000
        p50, _, p99 = _percentiles(load)
        grown = f"{memory:.0f} → {target.process.memory():.0f}"
        table.rows.append((rows, load.seconds, rows / load.seconds, p50, p99, spent, grown))
        if rows == _PULLED:
            name = f"{target.name}: seconds to pull 10,000 rows"
            aims.append(Aim(name, load.seconds, 0.5, is_least=False))
    return table, aims


def measure_growth(plan: Plan, target: Target) -> tuple[Table, list[Aim]]:
    """Push one action, and pull pages, with more and more rows in the space."""
    heads = ("rows stored", "push p50 ms", "CPU ms", "database's", "last page p50 ms", "CPU ms")
    table = Table(
        f"Growth on {target.name}", (*heads, "middle page p50 ms", "CPU ms", "first page p50 ms")
    )
    process = target.process
    for rows in plan.rows(1_000, 10_000, 100_000, 1_000_000):
        fill(target.database, rows)
        epoch, newest = position(process.url)
        cells: list[Cell] = []
        for ask in (
            pushing(epoch, 1),
            pulling(f"c{epoch}.{newest - _PAGE}", again=True),
            pulling(f"c{epoch}.{newest // 2}", again=True),
            pulling(None, again=True),
        ):
            cpu, database_cpu = process.cpu(), process.database_cpu()
            load = _loaded(process, [until(plan.seconds / 4, ask)])
            each = 1000 / len(load.latencies)
            cells += [load.percentile(0.5) * 1000, (process.cpu() - cpu) * each]
            if not cells[2:]:
                cells.append((process.database_cpu() - database_cpu) * each)
        table.rows.append((rows, *cells[:-1]))
    return table, []


def measure_streams(plan: Plan, target: Target) -> tuple[Table, list[Aim]]:
    """Hold event streams open, and poke them all."""
    heads = ("open streams", "slowest s", "median s", "CPU ms a poke", "memory MB")
    table = Table(f"Pokes on {target.name}: from a push to the last stream", heads)
    epoch, _ = position(target.process.url)
    found = fan_out(target.process, plan.streams, plan.pokes, pushing(epoch, 1))
    memory = f"{found.memory_before:.0f} → {found.memory_open:.0f} → {found.memory_poked:.0f}"
    slowest = max(found.seconds)
    table.rows.append((plan.streams, slowest, found.median, found.cpu * 1000, memory))
    name = f"{target.name}: seconds until {plan.streams:,} streams were poked"
    return table, [Aim(name, slowest, 2.0, is_least=False)]


def _percentiles(load: Load) -> list[float]:
    return [load.percentile(share) * 1000 for share in (0.5, 0.95, 0.99)]


def _loaded(process: Process, asks: list[Ask]) -> Load:
    load = run(process.url, asks)
    if set(load.statuses) != {200}:
        raise Unanswered(f"Not every request was answered with 200: {dict(load.statuses)}.")
    return load
