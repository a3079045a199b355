"""The form of an edit: data becomes fields and comes back as it was, or as it was typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.ui.outbox_fields import data_of_fields, fields_of_data

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


def test_text_is_text_in_one_line_or_several_and_the_rest_is_json() -> None:
    data = {"title": "Hut", "text": "Hi", "note": "a\nb", "long": "x" * 81, "due_on": [1, None]}
    fields = fields_of_data(data)
    kinds = {field.name: field.kind for field in fields}
    assert kinds == {
        "title": "line",
        "text": "lines",
        "note": "lines",
        "long": "lines",
        "due_on": "json",
    }
    assert [field.label for field in fields] == ["Title", "Text", "Note", "Long", "Due on (JSON)"]


@given(st.dictionaries(st.text(min_size=1, max_size=8), JSON, max_size=5))
def test_what_nobody_touched_comes_back_as_it_was(data: dict[str, object]) -> None:
    typed = {
        field.name: field.value.replace("\r\n", "\n").replace("\r", "\n")
        for field in fields_of_data(data)
    }
    assert data_of_fields(data, typed) == data


def test_what_was_typed_takes_the_place_of_what_was_there() -> None:
    data = {"text": "7", "count": 7}
    assert data_of_fields(data, {"text": "8", "count": '{"n": [1]}'}) == {
        "text": "8",
        "count": {"n": [1]},
    }


@pytest.mark.parametrize("typed", ["", "yes", "[1,", "{'a': 1}", "[" * 100_000, "9" * 5_000])
def test_what_is_no_json_is_named_with_its_field(typed: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        data_of_fields({"count": 1, "text": "x"}, {"count": typed, "text": "y"})
    assert list(caught.value.fields) == ["count"]
    assert caught.value.fields["count"].startswith("is not JSON")


def test_place_of_a_mistake_in_json_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        data_of_fields({"count": 1}, {"count": "[1,\n 2"})
    assert "line 2, character 3" in caught.value.fields["count"]
