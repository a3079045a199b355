"""Differing words: what is marked is what differs, and the cost has a bound."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import textdiff
from app.core.textdiff import MAX_EDITS, Span, compare
from app.protocol import MAX_TEXT
from tests.examples import examples

LOTS = settings(max_examples=examples(200), deadline=None)
words = st.lists(st.sampled_from(["hut", "open", "the", ",", " ", "\n", "ä"]), max_size=14)
texts = words.map("".join)


def whole(spans: tuple[Span, ...]) -> str:
    return "".join(span.text for span in spans)


def kept(spans: tuple[Span, ...]) -> str:
    return "".join(span.text for span in spans if not span.changed)


def test_differing_words_are_marked_in_both_texts() -> None:
    one, other = compare("Back at the hut at 18:00.", "Back at the old hut at 19:00.")
    assert [span.text for span in one if span.changed] == ["18"]
    assert [span.text for span in other if span.changed] == ["old ", "19"]


def test_space_between_changed_words_is_marked_with_them() -> None:
    one, _ = compare("a red roof here", "a blue door here")
    assert [(span.text, span.changed) for span in one] == [
        ("a ", False),
        ("red roof", True),
        (" here", False),
    ]


@LOTS
@given(texts, texts)
def test_spans_are_the_whole_texts_by_turns(one: str, other: str) -> None:
    for spans, text in zip(compare(one, other), (one, other), strict=True):
        assert whole(spans) == text
        assert all(a.changed != b.changed for a, b in zip(spans, spans[1:], strict=False))


@LOTS
@given(texts, texts)
def test_nothing_is_marked_exactly_where_nothing_differs(one: str, other: str) -> None:
    here, there = compare(one, other)
    assert any(span.changed for span in (*here, *there)) == (one != other)


@LOTS
@given(words, words)
def test_as_much_is_kept_as_there_is_in_common(a: list[str], b: list[str]) -> None:
    longest = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            longest[i + 1][j + 1] = (
                longest[i][j] + 1 if one == other else max(longest[i][j + 1], longest[i + 1][j])
            )
    pairs = textdiff._common(a, b)
    assert len(pairs) == longest[-1][-1]
    assert all(a[i] == b[j] for i, j in pairs)


@pytest.mark.parametrize("alphabet", [["a ", "b "], [".", ",", ";"], None])
def test_longest_text_costs_no_more_than_the_bound(
    alphabet: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(1)

    def text() -> str:
        made = ""
        while len(made) < MAX_TEXT:
            made += chance.choice(alphabet) if alphabet else f"{chance.random()} "
        return made[:MAX_TEXT]

    steps, step = [0], textdiff._step

    def counted(furthest: dict[int, int], diagonal: int, edits: int) -> int:
        steps[0] += 1
        return step(furthest, diagonal, edits)

    monkeypatch.setattr(textdiff, "_step", counted)
    one, other = f"Same beginning. {text()}", f"Same beginning. {text()}"
    here, there = compare(one, other)
    assert steps[0] <= (MAX_EDITS + 1) * (MAX_EDITS + 2) / 2
    assert (whole(here), whole(there)) == (one, other)
    assert kept(here).startswith("Same beginning. ")
