"""Conflicts as people meet them: both versions shown, a choice that is an action, and undo.

What else may happen to them is in tests/scenarios/test_resolutions.py.
"""

from __future__ import annotations

import pytest

from app.core.notes import COLLECTION, Note
from app.core.resolutions import Choice
from app.errors import NotFound
from tests.pair import BASE, ITEM, MINE, THEIRS, Pair


async def test_conflict_shows_base_mine_theirs_and_what_differs(pair: Pair) -> None:
    await pair.edits(MINE)
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert (conflict.collection, conflict.id, conflict.kind) == (COLLECTION, ITEM, "edit")
    assert conflict.base == BASE.model_dump()
    assert conflict.mine == MINE.model_dump()
    assert conflict.theirs == THEIRS.model_dump()
    assert conflict.fields == ("body", "title")
    assert conflict.merged.overlapping == ("title",)
    assert conflict.merged.data == {"title": "Old hut", "body": "Open."}
    shown = await pair.mine.shown(ITEM)
    assert shown is not None
    assert (conflict.action_id, conflict.version) == (shown.action_id, shown.server_version)
    assert (conflict.theirs_at, conflict.theirs_by) == (shown.updated_at, "local")
    assert await pair.theirs.conflict(ITEM) is None


@pytest.mark.parametrize(
    ("choice", "value", "expected"),
    [
        ("mine", None, MINE),
        ("theirs", None, THEIRS),
        ("merge", Note(title="Both", body="Open."), Note(title="Both", body="Open.")),
    ],
)
async def test_s07_each_choice_reaches_the_server_as_a_new_action_and_everyone_is_equal(
    pair: Pair, choice: Choice, value: Note | None, expected: Note
) -> None:
    await pair.edits(MINE)
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    pushed = len(pair.network.pushed())
    resolution = await pair.mine.resolve(ITEM, choice, value, seen=conflict)
    assert resolution != conflict.action_id
    assert await pair.mine.get(ITEM) == expected
    assert await pair.mine.conflict(ITEM) is None
    assert await pair.both() == (expected, expected)
    assert await resolution.settled(timeout=1) == "applied"
    sent = [action for batch in pair.network.pushed()[pushed:] for action in batch]
    assert resolution in sent
    assert len(sent) == (1 if choice == "theirs" else 2), "the choice, and its record"
    assert (pair.client.status.get().conflicts, pair.client.queue.count) == (0, 0)


@pytest.mark.parametrize("choice", ["mine", "theirs", "merge"])
async def test_s07_resolution_that_was_not_sent_is_taken_back_whole(
    pair: Pair, choice: Choice
) -> None:
    await pair.edits(MINE)
    await pair.mine.save(Note(title="Old hut", body="Ask."), ITEM)
    before = await pair.client.queue.pending()
    pair.network.down = True
    value = THEIRS if choice == "merge" else None
    await pair.mine.resolve(ITEM, choice, value)
    await pair.reopened()
    await pair.mine.undo(ITEM)
    assert await pair.client.queue.pending() == before
    assert await pair.mine.resolutions(ITEM) == []
    with pytest.raises(NotFound, match="nothing to take back"):
        await pair.mine.undo(ITEM)
    await pair.mine.resolve(ITEM, "mine")
    kept = Note(title="Old hut", body="Ask.")
    assert await pair.both() == (kept, kept), "what was taken back can be resolved anew"


async def test_d6_second_tab_that_resolves_otherwise_is_told_and_overwrites_nothing(
    pair: Pair,
) -> None:
    await pair.edits(MINE)
    tab = (await pair.device.open(run=False)).collection(COLLECTION, Note)
    seen = await tab.conflict(ITEM)
    await pair.mine.resolve(ITEM, "mine")
    with pytest.raises(NotFound, match="resolved.*elsewhere. Nothing was overwritten"):
        await tab.resolve(ITEM, "theirs", seen=seen)
    newest = Note(title="Newest", body="Burnt down.")
    await pair.settle()
    await pair.edits(Note(title="Again", body=""), newest)
    with pytest.raises(NotFound, match="Nothing was overwritten"):
        await tab.resolve(ITEM, "mine", seen=seen)
    shown = await tab.conflict(ITEM)
    assert shown is not None
    assert shown.theirs == newest.model_dump(), "the new conflict is there to be seen"


@pytest.mark.parametrize(("choice", "expected"), [("mine", MINE), ("theirs", None)])
async def test_edit_of_what_others_deleted_is_restored_or_deleted(
    pair: Pair, choice: Choice, expected: Note | None
) -> None:
    await pair.edits(MINE, None)
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert (conflict.kind, conflict.theirs) == ("deleted_there", None)
    assert (conflict.merged.data, conflict.merged.clean) == (MINE.model_dump(), False)
    await pair.mine.resolve(ITEM, choice)
    assert await pair.both() == (expected, expected)
    assert pair.client.queue.count == 0


async def test_deletion_is_taken_back_while_it_was_not_sent(pair: Pair) -> None:
    pair.network.down = True
    await pair.mine.save(MINE, ITEM)
    before = await pair.client.queue.pending()
    deletion = await pair.mine.delete(ITEM)
    assert await pair.mine.get(ITEM) is None
    await deletion.undo()
    assert await pair.client.queue.pending() == before, "the change before it is there again"
    assert await pair.both() == (MINE, MINE)
    with pytest.raises(NotFound):
        await deletion.undo()


async def test_policy_merges_by_itself_and_says_applied_to_who_asked(pair: Pair) -> None:
    pair.client.collection(COLLECTION, Note, conflicts="merge")
    pair.network.down = True
    await pair.theirs.save(Note(title="Hut", body="Open."), ITEM)
    queued = await pair.client.queue.add(
        "update", {"title": "Old hut"}, collection=COLLECTION, item_id=ITEM
    )
    pair.network.down = False
    await pair.other.sync()
    report = await pair.client.sync()
    assert (report.synced, report.conflicts) == (1, 0)
    assert await queued.settled(timeout=10) == "applied"
    both = Note(title="Old hut", body="Open.")
    assert await pair.both() == (both, both)
    assert await pair.mine.resolutions(ITEM) == [], "nobody chose anything"


async def test_saving_what_was_seen_never_overwrites_what_came_meanwhile(pair: Pair) -> None:
    seen = await pair.mine.shown(ITEM)
    await pair.theirs.save(THEIRS, ITEM)
    await pair.settle()
    await pair.mine.save(MINE, ITEM, seen=seen)
    await pair.settle()
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert [conflict.base, conflict.mine, conflict.theirs] == [
        note.model_dump() for note in (BASE, MINE, THEIRS)
    ]


async def test_saving_what_was_seen_changes_only_the_fields_that_differ(pair: Pair) -> None:
    seen = await pair.mine.shown(ITEM)
    pair.network.down = True
    await pair.mine.save(MINE, ITEM, seen=seen)
    (entry,) = await pair.client.queue.pending()
    assert entry.parsed().data == {"title": MINE.title}


async def test_conflict_of_a_deleted_item_is_among_the_conflicts_of_its_collection(
    pair: Pair,
) -> None:
    await pair.edits(None)
    assert [conflict.id for conflict in await pair.mine.conflicts()] == [ITEM]
    assert not await pair.mine.undoable(ITEM)
    await pair.mine.resolve(ITEM, "theirs")
    assert await pair.mine.undoable(ITEM)
    assert await pair.mine.conflicts() == []
