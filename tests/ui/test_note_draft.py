"""What is written on a note goes with what others do, and overwrites nothing that was not seen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.notes import Note
from app.ui.note_draft import FIELDS, NoteDraft, read_draft

SEEN = Note(title="Hut", body="Key under the stone")
texts = st.sampled_from(["", "Hut", "River", "Lake"])
notes = st.builds(Note, title=texts, body=texts)
drafts = st.builds(NoteDraft, written=notes, base=notes, version=st.just(3))


def test_fields_on_which_nothing_was_written_show_what_others_made_of_them() -> None:
    draft = NoteDraft(Note(title="Hut", body="Key with the warden"), SEEN, 3)
    followed = draft.follow(Note(title="Old hut", body="Key under the stone"), 4)
    assert followed.written == Note(title="Old hut", body="Key with the warden")
    assert followed.version == 4


def test_field_that_both_changed_stays_and_is_based_on_what_the_person_saw() -> None:
    draft = NoteDraft(Note(title="Hut", body="Key with the warden"), SEEN, 3)
    followed = draft.follow(Note(title="Old hut", body="Key is lost"), 4)
    assert followed.written == Note(title="Old hut", body="Key with the warden")
    assert followed.base == Note(title="Old hut", body="Key under the stone")
    assert followed.version == 3


@given(draft=drafts, now=notes)
def test_what_was_written_stays_and_no_change_of_others_counts_as_seen(
    draft: NoteDraft, now: Note
) -> None:
    followed = draft.follow(now, 4)
    clashes = False
    for name in FIELDS:
        mine, seen, theirs = (getattr(it, name) for it in (draft.written, draft.base, now))
        assert getattr(followed.written, name) == (theirs if mine == seen else mine)
        clash = mine not in (seen, theirs) and theirs != seen
        assert getattr(followed.base, name) == (seen if clash else theirs)
        clashes = clashes or clash
    assert followed.version == (3 if clashes else 4)
    assert followed.follow(now, 4) == followed


@given(draft=drafts)
def test_draft_comes_back_as_it_was(draft: NoteDraft) -> None:
    assert read_draft(draft.text(), NoteDraft.of(Note(), 9)) == draft


@pytest.mark.parametrize(
    ("kept", "written"),
    [
        (json.dumps({"title": "Old", "body": "one"}), Note(title="Old", body="one")),
        ("Key under", Note(body="Key under")),
        ("[]", Note(body="[]")),
        (json.dumps({"title": "", "body": "", "base": 1}), None),
    ],
)
def test_draft_that_is_older_or_damaged_is_of_the_note_as_it_is_now(
    kept: str, written: Note | None
) -> None:
    written = written or Note(body=kept)
    assert read_draft(kept, NoteDraft.of(SEEN, 3)) == NoteDraft(written, SEEN, 3)
