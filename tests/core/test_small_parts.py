"""Backoff, identifiers, what may be sent, and how a view comes about."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from app.core.actions import Registry
from app.core.backoff import Backoff, Probe, parse_retry_after
from app.core.ids import uuid7
from app.core.messages import Message, compose
from app.errors import InvalidInput, NotFound, Rejected
from app.protocol import MAX_LIST, MAX_NAME, MAX_TEXT, Action, check_json

chances = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 12), chances)
def test_backoff_is_full_jitter_below_a_doubling_ceiling(failures: int, chance: float) -> None:
    delay = Backoff(first=1, cap=60).delay(failures, chance)
    assert 0 <= delay <= min(60, 2 ** (failures - 1))


@given(st.integers(13, 100), chances)
def test_backoff_after_many_failures_grows_to_a_quarter_of_an_hour(
    failures: int, chance: float
) -> None:
    backoff = Backoff(first=1, cap=60, late_cap=900)
    assert 0 <= backoff.delay(failures, chance) <= min(900, 60 * 2 ** (failures - 12))
    assert backoff.ceiling(100) == 900


@given(st.integers(1, 100), chances, st.floats(0, 10_000))
def test_retry_after_is_a_lower_bound(failures: int, chance: float, asked: float) -> None:
    backoff = Backoff()
    longest = max(asked + 1, backoff.ceiling(failures))
    assert asked <= backoff.delay(failures, chance, asked) <= longest


@given(st.integers(0, 100), chances)
def test_probe_doubles_from_five_to_sixty_seconds(probes: int, chance: float) -> None:
    nominal = min(60, 5 * 2**probes)
    assert 0.8 * nominal <= Probe().delay(probes, chance) <= 1.2 * nominal


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 7 ", 7),
        ("soon", None),
        ("²", None),
        ("-5", None),
        ("2592000", 86_400),
        ("9" * 400, 86_400),
        ("Thu, 01 Jan 1980 00:00:00 GMT", 3_600),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60),
        ("Thu, 01 Jan 1960 00:00:00 GMT", 0),
    ],
)
def test_retry_after_in_seconds_and_dates(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=0) == seconds


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))
def test_identifier_is_a_version_7_uuid_that_sorts_by_time(now: int, bits: int) -> None:
    made = uuid.UUID(uuid7(now, bits))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == now
    assert uuid7(now, bits) != uuid7(now, bits ^ 1)
    assert now == 0 or uuid7(now - 1, 2**74 - 1) < uuid7(now, 0)


@pytest.mark.parametrize("text", ["hi", " leading", "<b>x</b>", "🙂" * 10, "a\u0000b", "\u202eabc"])
def test_any_text_is_sent_as_text(text: str) -> None:
    assert compose(text) == {"text": text}


def test_text_of_the_limit_is_sent_and_one_more_is_refused_with_both_figures() -> None:
    assert compose("x" * MAX_TEXT)
    with pytest.raises(InvalidInput, match="8,001 characters.*8,000.*kept"):
        compose("x" * (MAX_TEXT + 1))


def test_message_is_signed_where_a_person_said_how() -> None:
    assert compose("Hi", " Ada ") == {"text": "Hi", "sender": "Ada"}
    assert compose("Hi", "  ") == {"text": "Hi"}
    assert Message.model_validate({"text": "from before", "sent_at": 1}).sender == ""
    with pytest.raises(ValidationError):
        Message(text="Hi", sent_at=1, sender="x" * (MAX_NAME + 1))


@pytest.mark.parametrize("text", ["", "   ", "\n\t\n"])
def test_empty_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="Write something"):
        compose(text)


def test_half_of_an_emoji_is_refused_with_advice() -> None:
    with pytest.raises(InvalidInput, match="broken character.*kept"):
        compose("hello \ud83d")


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [nested(17), [0] * (MAX_LIST + 1), float("nan"), float("inf"), 2**53, "\udc00", {"\udc00": 1}],
)
def test_json_that_not_every_device_can_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"is|holds|must"):
        check_json(value)


texts = st.text(st.characters(codec="utf-8"), max_size=5)
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53) + 1, 2**53 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(texts, json_values, max_size=4))
def test_action_survives_its_own_json(data: dict[str, Any]) -> None:
    action = Action(id="a", seq=1, type="t", collection="c", item_id="i", data=data, created_at=0)
    assert Action.model_validate_json(action.model_dump_json()) == action


@pytest.mark.parametrize("bad", ["", "a b", "ä", "x" * 65, "../x"])
def test_identifiers_are_short_and_plain(bad: str) -> None:
    with pytest.raises(ValidationError):
        Action(id=bad, seq=1, type="t", collection="c", item_id="i", created_at=0)


class Thing(BaseModel):
    name: str


def action(kind: str, data: dict[str, Any] | None = None) -> Action:
    return Action(
        id="a", seq=1, type=kind, collection="things", item_id="i", data=data, created_at=0
    )


def things() -> Registry:
    from app.core import crud

    own = Registry()
    own.action("create")(crud.create)
    own.action("update", checks_version=True)(crud.update)
    own.action("delete", checks_version=True)(crud.delete)
    own.declare("things", Thing)
    return own


def test_create_update_delete_go_by_the_model() -> None:
    own = things()
    made = own.apply(None, action("create", {"name": "a"}))
    assert made == {"name": "a"}
    assert own.apply(made, action("update", {"name": "b"})) == {"name": "b"}
    assert own.apply(made, action("delete")) is None
    with pytest.raises(Rejected) as refused:
        own.apply(None, action("create", {"name": 1}))
    assert list(refused.value.fields) == ["name"]
    with pytest.raises(Rejected, match="exists already"):
        own.apply(made, action("create", {"name": "b"}))
    with pytest.raises(Rejected, match="not exist"):
        own.apply(None, action("update", {"name": "b"}))
    with pytest.raises(NotFound):
        own.apply(None, action("fly"))
