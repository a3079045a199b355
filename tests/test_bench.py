"""The benchmarks' pure parts: what is made of figures, and the page that we are compared with."""

from __future__ import annotations

import argparse
import json
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command_line
from bench.boot import run, stock
from bench.boot.visits import Start
from bench.report import Comparison, Report, aligned


def comparison(limit: float | None = 0.5, **changes: Any) -> Comparison:
    figures: dict[str, Any] = {"ours": [1.0, 3.0, 2.0], "theirs": [4.0, 4.0, 5.0], **changes}
    return Comparison("start", "s", **figures, limit=limit)


def test_a_bound_holds_for_the_ratio_of_the_medians_and_may_be_met_exactly() -> None:
    assert comparison().ratio == 0.5
    assert not comparison(0.5).is_over
    assert comparison(0.49).is_over
    assert not comparison(None).is_over


def test_a_round_slow_for_both_sides_leaves_the_ratio_by_round_alone() -> None:
    slow = comparison(ours=[1.0, 30.0, 1.0], theirs=[2.0, 60.0, 2.0])
    assert slow.ratio_by_round == 0.5


def test_figures_of_unequal_number_or_none_are_refused() -> None:
    with pytest.raises(ValueError, match="a figure for each round"):
        comparison(ours=[1.0])
    with pytest.raises(ValueError, match="a figure for each round"):
        comparison(ours=[], theirs=[])


def test_the_report_shows_medians_best_values_ratios_and_verdicts() -> None:
    found = Report("boot", "stock", [comparison(), comparison(0.4)], ["A note."], {"cores": 2})
    lines = found.as_text().splitlines()
    assert lines[:2] == ["boot: medians of 3 rounds", "cores 2"]
    assert lines[4].split() == [
        *("start", "2.000", "s", "(1.000)", "4.000", "s", "(4.000)", "0.50", "0.40", "0.50", "PASS")
    ]
    assert lines[5].endswith("0.40  over the bound")
    assert lines[-1] == "- A note."
    assert found.is_over
    assert json.loads(json.dumps(found.as_json()))["comparisons"][0]["ours"] == [1.0, 3.0, 2.0]


def test_columns_are_aligned() -> None:
    assert aligned([("a", "1"), ("long", "100")]) == ["a       1", "long  100"]


@pytest.fixture
def measured_as(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace the benchmarks by one that misses its bound; gives the rounds asked for."""
    asked: list[int] = []

    def benchmark(options: argparse.Namespace) -> Report:
        asked.append(options.rounds)
        return Report("boot", "stock", [comparison(0.1)])

    monkeypatch.setattr(command_line, "BENCHMARKS", {"boot": benchmark})
    return asked


def test_a_missed_bound_fails_the_command_only_where_it_is_checked(
    measured_as: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main([]) == 0
    assert command_line.main(["boot", "--rounds", "9", "--check"]) == 1
    assert measured_as == [7, 9]
    assert capsys.readouterr().out.count("over the bound") == 2


def test_every_figure_can_be_had_as_json(measured_as: list[int], tmp_path: Path) -> None:
    command_line.main(["--json", str(tmp_path / "found.json")])
    (found,) = json.loads((tmp_path / "found.json").read_text())
    assert found["benchmark"] == "boot"
    assert found["comparisons"][0]["is_over"] is True


@pytest.mark.parametrize(
    "arguments",
    [["unheard-of"], ["--rounds", "0"], ["--rounds", "x"], ["--parts", "x"], ["--databases", ""]],
)
def test_a_command_that_makes_no_sense_is_refused(
    arguments: list[str], measured_as: list[int]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert measured_as == []


def test_rounds_go_forwards_and_backwards_in_turn_and_the_first_is_dropped() -> None:
    log: list[str] = []

    def start(name: str) -> Start:
        log.append(name)
        return Start(len(log), 0, 0, 0, 0)

    measured = run.measure({"a": lambda: start("a"), "b": lambda: start("b")}, 2, pause=0)
    assert log == ["b", "a", "a", "b", "b", "a"]
    assert [found.ready for found in measured["a"]] == [3, 6]


def test_the_boot_report_holds_ours_against_the_same_kind_of_stock_start() -> None:
    seconds = {
        "ours cold": 3,
        "stock cold": 4,
        "ours offline": 1,
        "stock warm": 2,
        "ours online": 2,
    }
    measured = {name: [Start(time, 9, 9, 0.2, 5_000_000)] for name, time in seconds.items()}
    found = {it.name: it for it in run.report(measured, 70_000, {}).comparisons}
    assert found["warm, our server stopped"].ratio == 0.5
    assert found["warm, our server stopped"].limit == 0.45
    assert found["cold"].ratio == 0.75
    assert found["cold"].limit == 0.75
    assert found["warm, our server running"].ratio == 1
    assert found["  blocked"].ours == [0.2]
    assert found["  received"].ours == [5.0]


def wheel(folder: Path, name: str, *requires: str) -> tuple[Path, Message]:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    path.write_bytes(name.encode())
    metadata = Message()
    metadata["Name"], metadata["Version"] = name, "1.0"
    for requirement in requires:
        metadata["Requires-Dist"] = requirement
    return path, metadata


def test_the_stock_lock_names_what_is_there_and_what_it_needs_of_that(tmp_path: Path) -> None:
    wheels = dict(
        [
            wheel(tmp_path, "pydantic", "pydantic_core==1.0", 'tzdata; extra == "zone"'),
            wheel(tmp_path, "pydantic_core"),
        ]
    )
    entries = stock.lock_entries(wheels)
    assert entries["pydantic"]["depends"] == ["pydantic-core"]
    assert entries["pydantic"]["file_name"] == "pydantic-1.0-py3-none-any.whl"
    assert entries["pydantic-core"]["imports"] == ["pydantic_core"]
    assert entries["pydantic-core"]["depends"] == []
