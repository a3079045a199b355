"""The Lighthouse benchmark's pure part: what is made of judgements, and what counts as missed."""

from __future__ import annotations

from typing import Any

import pytest

from bench.lighthouse.report import CATEGORIES, FIGURES, LEAST, Judged, Report


def judged(**scores: int) -> Judged:
    found = dict.fromkeys(CATEGORIES, 100) | {k.replace("_", "-"): v for k, v in scores.items()}
    return Judged(found, dict.fromkeys(FIGURES, 123.4))


def report(mobile: list[Judged], desktop: list[Judged]) -> Report:
    return Report({"mobile": mobile, "desktop": desktop}, {"cores": 2})


def test_judgement_is_read_from_lighthouse_s_json_with_what_cost_points() -> None:
    weighted = [{"id": "deprecations", "weight": 5}, {"id": "unused-javascript", "weight": 0}]
    audits: dict[str, Any] = {name: {"numericValue": 7, "score": 0.5} for name in FIGURES}
    audits["deprecations"] = {"score": 0, "title": "Uses deprecated APIs"}
    audits["unused-javascript"] = {"score": 0, "title": "Reduce unused JavaScript"}
    categories = {name: {"score": 0.947, "auditRefs": []} for name in CATEGORIES}
    categories["best-practices"]["auditRefs"] = weighted
    found = Judged.read({"categories": categories, "audits": audits})
    assert found.scores == dict.fromkeys(CATEGORIES, 95)
    assert found.figures["total-blocking-time"] == 7
    assert found.faults == ("best-practices: Uses deprecated APIs",)


@pytest.mark.parametrize("name", ["accessibility", "best_practices"])
def test_median_below_the_bound_is_missed_in_either_form(name: str) -> None:
    bad, good = judged(**{name: LEAST - 1}), judged()
    assert report([bad], [good]).is_over
    assert report([good], [bad, good, bad]).is_over
    assert not report([good], [bad, good, good]).is_over


def test_performance_is_promised_for_a_desktop_and_told_for_a_phone() -> None:
    slow, fast = judged(performance=50), judged(performance=LEAST)
    assert not report([slow], [fast]).is_over
    assert report([fast], [slow]).is_over
    lines = report([slow], [fast]).as_text().splitlines()
    (line,) = [line for line in lines if line.startswith("performance")]
    assert line.split() == ["performance", "50", "95", "PASS"]


def test_text_and_json_hold_every_figure() -> None:
    found = report([judged()], [judged()])
    assert all(text in found.as_text() for text in FIGURES.values())
    assert found.as_json()["judged"]["mobile"][0]["figures"].keys() == FIGURES.keys()
