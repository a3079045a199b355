"""Resolutions in all the situations that people get into with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from app.core.notes import COLLECTION, Note
from app.core.policy import MAX_AUTOMATIC
from app.core.resolutions import COLLECTION as RESOLUTIONS
from app.core.resolutions import Choice
from app.core.schema import ROWS
from app.errors import InvalidInput, NotFound, Rejected
from app.ports import Batch, Put, Scan
from tests.loopback import Loopback
from tests.pair import BASE, ITEM, MINE, THEIRS, Pair


async def test_later_changes_behind_a_conflict_are_part_of_mine(pair: Pair) -> None:
    await pair.edits(MINE)
    await pair.mine.save(Note(title="Old hut", body="Ask."), ITEM)
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert conflict.mine == {"title": "Old hut", "body": "Ask."}
    await pair.mine.resolve(ITEM, "theirs", seen=conflict)
    assert await pair.both() == (THEIRS, THEIRS)
    assert pair.client.queue.count == 0


async def test_change_on_top_of_one_that_arrived_is_merged_with_what_it_was_made_on(
    pair: Pair,
) -> None:
    """The base of a change is what its author saw, not what the server had by then."""
    pair.network.down = True
    await pair.mine.save(Note(title="Hut 2", body="Closed."), ITEM)
    (first,) = await pair.client.queue.pending()
    pair.network.down = False
    pair.network.faults.append("lost")
    await pair.clock.until(lambda: len(pair.network.pushed()) == 2)
    pair.network.down = True
    await pair.clock.settle()
    await pair.mine.save(Note(title="Hut 2", body="Ask."), ITEM)
    assert [entry.id for entry in await pair.client.queue.pending()][0] == first.id
    pair.network.down = False
    await pair.other.sync()
    await pair.theirs.save(Note(title="Hut 3", body="Closed."), ITEM)
    await pair.other.sync()
    await pair.client.sync()
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert conflict.merged.clean
    assert conflict.merged.data == {"title": "Hut 3", "body": "Ask."}


async def test_s07_resolution_made_offline_survives_a_restart(pair: Pair) -> None:
    await pair.edits(MINE)
    pair.network.down = True
    await pair.mine.resolve(ITEM, "mine")
    await pair.reopened()
    assert await pair.mine.get(ITEM) == MINE
    assert await pair.both() == (MINE, MINE)


async def test_s07_change_after_a_resolution_stays_when_that_is_taken_back(pair: Pair) -> None:
    await pair.edits(MINE)
    pair.network.down = True
    await pair.mine.resolve(ITEM, "theirs")
    later = Note(title="Later", body="Open.")
    await pair.mine.save(later, ITEM)
    await pair.mine.undo(ITEM)
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert conflict.mine == later.model_dump()


async def test_resolution_that_was_sent_cannot_be_taken_back(pair: Pair) -> None:
    await pair.edits(MINE)
    await pair.mine.resolve(ITEM, "mine")
    await pair.settle()
    with pytest.raises(NotFound, match="sent already"):
        await pair.mine.undo(ITEM)
    assert await pair.both() == (MINE, MINE)


async def test_resolution_can_conflict_again_and_overwrites_nothing(pair: Pair) -> None:
    await pair.edits(MINE)
    pair.network.down = True
    await pair.mine.resolve(ITEM, "mine")
    pair.network.down = False
    newest = Note(title="Newest", body="Burnt down.")
    await pair.theirs.save(newest, ITEM)
    await pair.other.sync()
    await pair.client.sync()
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert (conflict.base, conflict.mine) == (THEIRS.model_dump(), MINE.model_dump())
    assert conflict.theirs == newest.model_dump()
    await pair.mine.resolve(ITEM, "theirs")
    assert await pair.both() == (newest, newest)
    assert pair.client.queue.count == 0
    assert [it.choice for it in await pair.theirs.resolutions(ITEM)] == ["theirs"]


async def test_choice_for_what_was_seen_overwrites_nothing_newer(pair: Pair) -> None:
    await pair.edits(MINE)
    seen = await pair.mine.conflict(ITEM)
    newest = Note(title="Newest", body="Burnt down.")
    await pair.theirs.save(newest, ITEM)
    await pair.settle()
    await pair.mine.resolve(ITEM, "mine", seen=seen)
    await pair.settle()
    again = await pair.mine.conflict(ITEM)
    assert again is not None
    assert again.theirs == newest.model_dump()
    assert await pair.theirs.get(ITEM) == newest


async def test_d6_change_of_another_tab_is_not_given_up_unseen(pair: Pair) -> None:
    await pair.edits(MINE)
    seen = await pair.mine.conflict(ITEM)
    tab = (await pair.device.open(run=False)).collection(COLLECTION, Note)
    await tab.save(Note(title="Old hut", body="Important."), ITEM)
    with pytest.raises(InvalidInput, match="look at both versions again"):
        await pair.mine.resolve(ITEM, "theirs", seen=seen)
    await pair.mine.resolve(ITEM, "mine", seen=seen)
    kept = Note(title="Old hut", body="Important.")
    assert await pair.both() == (kept, kept)


@pytest.mark.parametrize(("choice", "expected"), [("mine", None), ("theirs", THEIRS)])
async def test_deletion_of_what_others_edited_is_kept_or_given_up(
    pair: Pair, choice: Choice, expected: Note | None
) -> None:
    await pair.edits(None, THEIRS)
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert (conflict.kind, conflict.mine) == ("deleted_here", None)
    await pair.mine.resolve(ITEM, choice)
    assert await pair.both() == (expected, expected)


async def test_restored_item_that_changed_again_meanwhile_is_a_conflict_and_not_overwritten(
    pair: Pair,
) -> None:
    await pair.edits(MINE, None)
    pair.network.down = True
    await pair.mine.resolve(ITEM, "mine")
    pair.network.down = False
    newest = Note(title="Newest", body="")
    await pair.other.queue.add("put", newest.model_dump(), collection=COLLECTION, item_id=ITEM)
    await pair.other.sync()
    await pair.client.sync()
    assert pair.client.status.get().conflicts == 1
    assert await pair.theirs.get(ITEM) == newest


async def test_record_of_a_resolution_that_is_discarded_goes_with_it(pair: Pair) -> None:
    await pair.edits(MINE)
    pair.network.down = True
    resolution = await pair.mine.resolve(ITEM, "mine")
    assert [e.collection for e in await pair.client.queue.pending()] == [COLLECTION, RESOLUTIONS]
    await pair.client.queue.remove(resolution)
    assert await pair.client.queue.pending() == []


async def test_what_depends_on_a_conflict_fails_with_theirs_and_waits_again_after_undo(
    pair: Pair,
) -> None:
    await pair.edits(MINE)
    (entry,) = await pair.client.queue.pending()
    await pair.client.queue.add("create", {"title": "x"}, collection="x", depends_on=[entry.id])
    before = await pair.client.queue.pending()
    pair.network.down = True
    await pair.mine.resolve(ITEM, "theirs")
    _, dependent = await pair.client.queue.pending()
    assert dependent.error is not None
    assert (dependent.state, dependent.error.code) == ("failed", "dependency_discarded")
    await pair.mine.undo(ITEM)
    assert await pair.client.queue.pending() == before
    await pair.mine.resolve(ITEM, "mine")
    await pair.settle()
    assert pair.client.queue.count == 0


async def chosen_with_a_dependent_of_its_record(pair: Pair) -> None:
    """Resolve a conflict offline, and add an action that depends on the record of that choice."""
    await pair.edits(MINE)
    pair.network.down = True
    await pair.mine.resolve(ITEM, "mine")
    record = (await pair.client.queue.pending())[-1]
    assert record.collection == RESOLUTIONS
    await pair.client.queue.add("create", {"title": "x"}, collection="x", depends_on=[record.id])


@pytest.mark.parametrize("again", ["mine", "theirs"])
async def test_what_depends_on_a_record_does_not_wait_for_ever_once_the_choice_is_made_anew(
    pair: Pair, again: Choice
) -> None:
    await chosen_with_a_dependent_of_its_record(pair)
    pair.network.down = False
    await pair.theirs.save(Note(title="Newest", body="Burnt down."), ITEM)
    await pair.other.sync()
    await pair.client.sync()
    await pair.mine.resolve(ITEM, again)
    await pair.settle()
    left = [entry.error and entry.error.code for entry in await pair.client.queue.pending()]
    assert left == ([] if again == "mine" else ["dependency_discarded"])


async def test_what_depends_on_a_record_waits_for_the_conflict_once_the_choice_is_taken_back(
    pair: Pair,
) -> None:
    await chosen_with_a_dependent_of_its_record(pair)
    await pair.mine.undo(ITEM)
    conflict, dependent = await pair.client.queue.pending()
    assert dependent.waits_for == (conflict.seq,)
    await pair.mine.resolve(ITEM, "mine")
    await pair.settle()
    assert pair.client.queue.count == 0


async def test_resolution_that_cannot_be_is_refused_and_changes_nothing(pair: Pair) -> None:
    await pair.edits(MINE)
    before = await pair.client.queue.pending()
    bad = Note.model_construct(title="x" * 300, body="")
    for refused, value in ((Rejected, bad), (InvalidInput, None)):
        with pytest.raises(refused):
            await pair.mine.resolve(ITEM, "merge", value)
    with pytest.raises(NotFound):
        await pair.mine.resolve("no-such-note", "mine")
    assert await pair.client.queue.pending() == before


async def test_deletion_that_was_sent_is_undone_by_making_the_item_anew(pair: Pair) -> None:
    deletion = await pair.mine.delete(ITEM)
    assert await pair.both() == (None, None)
    await deletion.undo()
    assert await pair.both() == (BASE, BASE)


async def test_deletion_of_what_was_never_sent_leaves_nothing_and_can_be_undone(
    pair: Pair,
) -> None:
    pair.network.down = True
    item_id = await pair.mine.save(MINE)
    deletion = await pair.mine.delete(item_id)
    assert await pair.client.queue.pending() == []
    await deletion.undo()
    await pair.settle()
    assert await pair.theirs.get(item_id) == MINE


async def test_item_that_others_keep_changing_is_put_to_a_person_after_a_few_times(
    pair: Pair, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    rivals = 0

    def contested(method: str, url: str, body: str | None, headers: Mapping[str, str]) -> Any:
        """Let somebody else change the note just before each change of this device arrives."""
        nonlocal rivals
        if body is not None and json.loads(body)["actions"]:
            rivals += 1
            asked = {"protocol": 1, "client_id": "rival"}
            rows = json.loads(server("POST", url, json.dumps(asked)).body)["rows"]
            change = {"type": "put", "collection": COLLECTION, "item_id": ITEM, "created_at": 0}
            named = {"id": f"r{rivals}", "seq": rivals, "data": {"title": f"Theirs {rivals}"}}
            action = {**change, **named, "base_version": rows[-1]["version"]}
            server("POST", url, json.dumps({**asked, "actions": [action]}))
        return server(method, url, body, headers)

    pair.client.collection(COLLECTION, Note, conflicts="mine")
    monkeypatch.setattr(pair.network, "_server", contested)
    await pair.mine.save(MINE, ITEM)
    await pair.clock.advance(300)
    assert pair.client.status.get().conflicts == 1
    assert rivals == MAX_AUTOMATIC + 1, "it is not sent over and over"
    assert await pair.both() == (MINE, Note(title=f"Theirs {rivals}"))


async def test_history_says_who_resolved_when_and_how_newest_first(pair: Pair) -> None:
    await pair.client.preferences.change(name="Ada")
    await pair.edits(MINE)
    await pair.mine.resolve(ITEM, "mine")
    first = pair.clock.time
    (waiting,) = await pair.mine.resolutions(ITEM)
    assert (waiting.choice, waiting.name, waiting.resolved_at) == ("mine", "Ada", first)
    await pair.settle()
    await pair.clock.advance(60)
    await pair.edits(Note(title="Again", body=""))
    await pair.mine.resolve(ITEM, "theirs")
    await pair.settle()
    for notes in (pair.mine, pair.theirs):
        told = await notes.resolutions(ITEM)
        assert [it.choice for it in told] == ["theirs", "mine"]
        assert {it.client_id for it in told} == {waiting.client_id}
        assert await notes.resolutions("note") == await notes.resolutions("note-10") == []
    assert len(waiting.client_id) == 36
    todos = pair.other.collection("todos", Note)
    assert await todos.resolutions(ITEM) == [], "of another collection"


@pytest.mark.parametrize("damage", [{"version": "torn"}, {"data": "torn"}, {"deleted": 7}])
async def test_h3_damaged_record_of_the_history_is_brought_back_from_the_server(
    pair: Pair, damage: dict[str, Any]
) -> None:
    await pair.edits(MINE)
    await pair.mine.resolve(ITEM, "mine")
    await pair.settle()
    before = await pair.mine.resolutions(ITEM)
    (record,) = await pair.device.store.read(Scan(ROWS, lower=[RESOLUTIONS], limit=1))
    await pair.device.store.transact([], lambda: Batch([Put(ROWS, {**record[0], **damage})]))
    assert await pair.mine.resolutions(ITEM) == []
    await pair.clock.advance(2)
    assert await pair.mine.resolutions(ITEM) == before
