"""The file with everything on a device is JSON, whatever the pages it was written in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.export import FORMAT, FORMAT_VERSION, ExportFile

NAMES = st.sampled_from(["messages", "notes", "Nøtes \ud800 \"'"])
ROWS = st.lists(st.tuples(NAMES, st.text(max_size=5), st.text(max_size=9)), max_size=12)


def pages(values: list[Any], size: int) -> list[list[Any]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


@given(ROWS, st.integers(0, 7), st.integers(1, 5))
def test_everything_is_in_the_file_once_and_in_order(
    rows: list[tuple[str, str, str]], waiting: int, size: int
) -> None:
    kept = [
        {"collection": name, "id": item, "data": {"text": text}}
        for name, item, text in sorted(rows, key=lambda row: row[0])
    ]
    outbox = [{"seq": seq, "action": '{"id": "x"}'} for seq in range(waiting)]
    file = ExportFile()
    text = file.begin({"app_version": "1.2.3", "preferences": {"name": "Ada"}})
    text += "".join(file.entries(page) for page in pages(outbox, size))
    text += "".join(file.rows(page) for page in pages(kept, size))
    found = json.loads(text + file.end())
    assert found["outbox"] == outbox
    assert [row for rows in found["rows"].values() for row in rows] == kept
    assert all(row["collection"] == name for name in found["rows"] for row in found["rows"][name])
    assert (found["format"], found["format_version"]) == (FORMAT, FORMAT_VERSION)
    assert (found["app_version"], found["preferences"]) == ("1.2.3", {"name": "Ada"})


@pytest.mark.parametrize("character", ["\ud800", "\u2028", "\0"])
def test_a_file_of_any_text_can_be_encoded(character: str) -> None:
    file = ExportFile()
    text = file.begin({"preferences": {"name": character}}) + file.entries([{"x": character}])
    assert json.loads((text + file.end()).encode())["outbox"] == [{"x": character}]
