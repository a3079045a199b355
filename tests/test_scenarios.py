"""docs/scenarios.md names every scenario once, and only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GROUPS = {"S": 30, "B": 10, "C": 7, "D": 6, "E": 6, "F": 3, "H": 4}
EXPECTED = [
    f"{group}{number:02}" if group == "S" else f"{group}{number}"
    for group, last in GROUPS.items()
    for number in range(1, last + 1)
]


def table() -> dict[str, str]:
    """Return the last column of the tables by scenario."""
    text = (ROOT / "docs/scenarios.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| ([A-Z]\d+) \| .+ \| (.+) \|$", text, re.MULTILINE)
    assert len(lines) == len(dict(lines)), "a scenario is there twice"
    return dict(lines)


def all_tests() -> set[str]:
    """Return the names of all tests."""
    names: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        source = path.read_text(encoding="utf-8")
        names |= set(re.findall(r"^ *(?:async )?def (test_\w+)\(", source, re.MULTILINE))
    return names


def test_every_scenario_is_in_the_tables_and_is_shown_by_a_test_or_called_missing() -> None:
    named = table()
    assert list(named) == EXPECTED
    for scenario, tests in named.items():
        assert "`test_" in tests or tests.startswith("not yet"), scenario


def test_every_test_that_the_tables_name_exists() -> None:
    named = {test for tests in table().values() for test in re.findall(r"`(\w+)`", tests)}
    assert named - all_tests() == set()
