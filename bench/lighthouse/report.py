"""What Lighthouse found: scores against their bounds, and the figures behind them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.report import aligned

CATEGORIES = ("performance", "accessibility", "best-practices")
FORMS: dict[str, tuple[str, ...]] = {"mobile": (), "desktop": ("--preset=desktop",)}
"""The forms that the page is judged in, and Lighthouse's options for each."""
LEAST = 95
FIGURES = {
    "first-contentful-paint": "first paint",
    "largest-contentful-paint": "largest paint",
    "speed-index": "speed index",
    "total-blocking-time": "blocked",
    "cumulative-layout-shift": "layout shift",
}
"""What the performance score is made of."""
UNBOUND = {("mobile", "performance")}
"""Scores that are told and not promised: a CPU four times slower makes of each long task of the
interpreter's start, which nothing can divide, a longer one (docs/performance.md)."""


@dataclass(frozen=True)
class Judged:
    """One judgement: scores of 100, milliseconds (the layout shift has no unit), and for each
    category what cost it points."""

    scores: dict[str, int]
    figures: dict[str, float]
    faults: tuple[str, ...] = ()

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Judged:
        """Return the judgement that Lighthouse's JSON holds."""
        audits = found["audits"]
        scores = {name: round(100 * found["categories"][name]["score"]) for name in CATEGORIES}
        figures = {name: float(audits[name]["numericValue"]) for name in FIGURES}
        return cls(scores, figures, tuple(_faults(found)))


@dataclass(frozen=True)
class Report:
    """All judgements, by form."""

    judged: Mapping[str, Sequence[Judged]]
    environment: Mapping[str, Any]

    @property
    def is_over(self) -> bool:
        """Say whether any score is below its bound."""
        return any(
            self.score(form, name) < LEAST
            for form in self.judged
            for name in CATEGORIES
            if (form, name) not in UNBOUND
        )

    def score(self, form: str, name: str) -> float:
        """Return the median of a score."""
        return median(judged.scores[name] for judged in self.judged[form])

    def as_text(self) -> str:
        """Return the report for people: a line for each score, then for each figure."""
        runs = len(next(iter(self.judged.values())))
        about = ", ".join(f"{name} {value}" for name, value in self.environment.items())
        rows: list[tuple[str, ...]] = [("", *self.judged)]
        rows += [
            (name, *(self._score_text(form, name) for form in self.judged)) for name in CATEGORIES
        ]
        rows += [
            (text, *(self._figure_text(form, name) for form in self.judged))
            for name, text in FIGURES.items()
        ]
        faults = {
            line for found in self.judged.values() for judged in found for line in judged.faults
        }
        lines = [f"lighthouse: medians of {runs} runs, warm", about, "", *aligned(rows), ""]
        return "\n".join([*lines, *(f"- {line}" for line in sorted(faults))]).rstrip() + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "benchmark": "lighthouse",
            "environment": dict(self.environment),
            "judged": {
                form: [{"scores": it.scores, "figures": it.figures} for it in found]
                for form, found in self.judged.items()
            },
        }

    def _score_text(self, form: str, name: str) -> str:
        score = self.score(form, name)
        if (form, name) in UNBOUND:
            return f"{score:g}"
        return f"{score:g} {'PASS' if score >= LEAST else f'below {LEAST}'}"

    def _figure_text(self, form: str, name: str) -> str:
        value = median(judged.figures[name] for judged in self.judged[form])
        return f"{value:.3f}" if name == "cumulative-layout-shift" else f"{value:,.0f} ms"


def _faults(found: Mapping[str, Any]) -> list[str]:
    """Name the audits that cost points, but those that the figures tell."""
    return [
        f"{name}: {audit['title']}"
        for name in CATEGORIES
        for reference in found["categories"][name]["auditRefs"]
        if reference["weight"] and reference["id"] not in FIGURES
        for audit in [found["audits"][reference["id"]]]
        if audit["score"] is not None and audit["score"] < 1
    ]
