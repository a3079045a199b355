"""What the load test found: tables for people and programs, and what was aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.report import aligned

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Figures under heads; the first column names what was measured."""

    title: str
    heads: Sequence[str]
    rows: list[Sequence[Cell]] = field(default_factory=list)

    def as_text(self) -> list[str]:
        """Return the table's lines."""
        cells = [tuple(map(_shown, row)) for row in self.rows]
        return [self.title, "", *aligned([tuple(self.heads), *cells])]

    def as_json(self) -> dict[str, Any]:
        """Return the table for programs."""
        records = [dict(zip(self.heads, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": records}


@dataclass(frozen=True)
class Aim:
    """Something that was aimed at: `found` is to be at least, or at most, what was `wanted`."""

    name: str
    found: float
    wanted: float
    is_least: bool = True

    @property
    def is_met(self) -> bool:
        """Say whether it was reached."""
        return self.found >= self.wanted if self.is_least else self.found <= self.wanted

    def cells(self) -> tuple[Cell, ...]:
        """Return the aim as a line of a table."""
        bound = f"{'≥' if self.is_least else '≤'} {_shown(self.wanted)}"
        return (self.name, self.found, bound, "PASS" if self.is_met else "MISSED")


@dataclass(frozen=True)
class ServerReport:
    """What one run of the load test found."""

    tables: Sequence[Table]
    aims: Sequence[Aim]
    environment: dict[str, Any]
    notes: Sequence[str]

    @property
    def is_over(self) -> bool:
        """Say whether any aim was missed."""
        return not all(aim.is_met for aim in self.aims)

    def as_text(self) -> str:
        """Return the report for people."""
        about = ", ".join(f"{name} {value}" for name, value in self.environment.items())
        lines = ["server: a bounded load on the sync server", about]
        aimed = Table("Aims", ("aim", "found", "bound", ""), [aim.cells() for aim in self.aims])
        for table in (*self.tables, *([aimed] if self.aims else [])):
            lines += ["", *table.as_text()]
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes)]) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "benchmark": "server",
            "environment": self.environment,
            "tables": [table.as_json() for table in self.tables],
            "aims": [
                {"name": it.name, "found": it.found, "wanted": it.wanted, "is_met": it.is_met}
                for it in self.aims
            ],
            "notes": list(self.notes),
        }


def _shown(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
    return f"{value:,}" if isinstance(value, int) else value
