"""What a benchmark found: ours against theirs, round by round, and the bounds that it must meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

_COLUMNS = ("", "ours (best)", "{theirs} (best)", "ratio", "by round", "bound", "")
_DECIMALS = {"s": 3, "ms": 1, "MB": 2}


@dataclass(frozen=True)
class Comparison:
    """One figure of ours and of theirs in each round, less being better.

    `limit` is the most that ours may be, as a share of theirs; `None` where nothing is promised.
    """

    name: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    limit: float | None = None

    def __post_init__(self) -> None:
        if not self.ours or len(self.ours) != len(self.theirs):
            raise ValueError(f"{self.name}: both need a figure for each round, and one round")

    @property
    def ratio(self) -> float:
        """The ratio of the medians, ours to theirs."""
        return median(self.ours) / median(self.theirs)

    @property
    def ratio_by_round(self) -> float:
        """The median of each round's own ratio: what slows a whole round down cancels out."""
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    @property
    def is_over(self) -> bool:
        """Say whether the ratio of the medians exceeds the limit."""
        return self.limit is not None and self.ratio > self.limit

    def cells(self) -> tuple[str, ...]:
        """Return the comparison as a line of the report's table."""
        bound = ("", "") if self.limit is None else (f"{self.limit:.2f}", self._verdict())
        ratios = (f"{self.ratio:.2f}", f"{self.ratio_by_round:.2f}")
        return (self.name, self._figure(self.ours), self._figure(self.theirs), *ratios, *bound)

    def as_json(self) -> dict[str, Any]:
        """Return everything of it: each round's figures too."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": list(self.ours),
            "theirs": list(self.theirs),
            "median_ours": median(self.ours),
            "median_theirs": median(self.theirs),
            "ratio": self.ratio,
            "ratio_by_round": self.ratio_by_round,
            "limit": self.limit,
            "is_over": self.is_over,
        }

    def _verdict(self) -> str:
        return "over the bound" if self.is_over else "PASS"

    def _figure(self, values: Sequence[float]) -> str:
        digits = _DECIMALS[self.unit]
        return f"{median(values):.{digits}f} {self.unit} ({min(values):.{digits}f})"


@dataclass(frozen=True)
class Report:
    """What one benchmark found; `theirs` names the other side, `notes` say what was measured."""

    benchmark: str
    theirs: str
    comparisons: Sequence[Comparison]
    notes: Sequence[str] = ()
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Say whether any bound is missed."""
        return any(comparison.is_over for comparison in self.comparisons)

    def as_text(self) -> str:
        """Return the report for people: a table of medians, then the notes."""
        heads = tuple(head.format(theirs=self.theirs) for head in _COLUMNS)
        rounds = len(self.comparisons[0].ours)
        about = ", ".join(f"{name} {value}" for name, value in self.environment.items())
        table = aligned([heads, *(comparison.cells() for comparison in self.comparisons)])
        lines = [f"{self.benchmark}: medians of {rounds} rounds", about, "", *table]
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes)]) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "benchmark": self.benchmark,
            "theirs": self.theirs,
            "environment": self.environment,
            "comparisons": [comparison.as_json() for comparison in self.comparisons],
            "notes": list(self.notes),
        }


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line for each row: the first column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
