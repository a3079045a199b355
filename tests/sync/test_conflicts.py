"""Conflicts as people meet them: both versions shown, a choice that is an action, and undo."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from app.core.collections import registry
from app.core.notes import COLLECTION, Note
from app.core.policy import MAX_AUTOMATIC
from app.core.resolutions import COLLECTION as RESOLUTIONS
from app.errors import InvalidInput, NotFound, Rejected
from app.sync.client import Client
from app.sync.collection import Collection
from tests.fakes import Device, FakeClock, FakeNetwork
from tests.loopback import Loopback

BASE = Note(title="Hut", body="Closed.")
MINE = Note(title="Old hut", body="Closed.")
THEIRS = Note(title="New hut", body="Open.")
ITEM = "note-1"


@dataclass
class Pair:
    """Two devices on one server, each with its notes; `mine` has lost the race."""

    clock: FakeClock
    network: FakeNetwork
    device: Device
    client: Client
    mine: Collection[Note]
    other: Client
    theirs: Collection[Note]

    async def settle(self) -> None:
        """Go online, and wait until nothing is on its way any more."""
        self.network.down = False
        for _ in range(2):
            await self.client.sync()
            await self.other.sync()

    async def edits(self, mine: Note | None, theirs: Note | None = THEIRS) -> None:
        """Have both change the note offline (`None` deletes it), and the other come back first."""
        await self.settle()
        self.network.down = True
        for notes, value in ((self.mine, mine), (self.theirs, theirs)):
            if value is None:
                await notes.delete(ITEM)
            else:
                await notes.save(value, ITEM)
        self.network.down = False
        await self.other.sync()
        await self.client.sync()

    async def reopened(self) -> None:
        """Kill this device's contexts, and open one anew."""
        await self.device.kill()
        self.client = await self.device.open()
        self.mine = self.client.collection(COLLECTION, Note)

    async def both(self) -> tuple[Note | None, Note | None]:
        """Return the note as it is on either device, once all is settled."""
        await self.settle()
        return await self.mine.get(ITEM), await self.theirs.get(ITEM)


@pytest.fixture(autouse=True)
def _own_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a test declares from other tests."""
    monkeypatch.setattr(registry, "_policies", {})


@pytest.fixture
async def pair(clock: FakeClock, network: FakeNetwork) -> AsyncIterator[Pair]:
    devices = Device(clock, network, seed=1), Device(clock, network, seed=2)
    client, other = [await device.open() for device in devices]
    mine, theirs = [it.collection(COLLECTION, Note) for it in (client, other)]
    pair = Pair(clock, network, devices[0], client, mine, other, theirs)
    await mine.save(BASE, ITEM)
    await pair.settle()
    yield pair
    for device in devices:
        await device.kill()


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


@pytest.mark.parametrize(
    ("choice", "value", "expected"),
    [
        ("mine", None, MINE),
        ("theirs", None, THEIRS),
        ("merge", Note(title="Both", body="Open."), Note(title="Both", body="Open.")),
    ],
)
async def test_s07_each_choice_reaches_the_server_as_a_new_action_and_everyone_is_equal(
    pair: Pair, choice: str, value: Note | None, expected: Note
) -> None:
    await pair.edits(MINE)
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    pushed = len(pair.network.pushed())
    resolution = await pair.mine.resolve(ITEM, choice, value, seen=conflict)  # type: ignore[arg-type]
    assert resolution != conflict.action_id
    assert await pair.mine.get(ITEM) == expected
    assert await pair.mine.conflict(ITEM) is None
    assert await pair.both() == (expected, expected)
    assert await resolution.settled(timeout=1) == "applied"
    sent = [action for batch in pair.network.pushed()[pushed:] for action in batch]
    assert resolution in sent
    assert len(sent) == (1 if choice == "theirs" else 2), "the choice, and its record"
    assert (pair.client.status.get().conflicts, pair.client.queue.count) == (0, 0)


async def test_s07_resolution_made_offline_survives_a_restart(pair: Pair) -> None:
    await pair.edits(MINE)
    pair.network.down = True
    await pair.mine.resolve(ITEM, "mine")
    await pair.reopened()
    assert await pair.mine.get(ITEM) == MINE
    assert await pair.both() == (MINE, MINE)


@pytest.mark.parametrize("choice", ["mine", "theirs", "merge"])
async def test_s07_resolution_that_was_not_sent_is_taken_back_whole(
    pair: Pair, choice: str
) -> None:
    await pair.edits(MINE)
    await pair.mine.save(Note(title="Old hut", body="Ask."), ITEM)
    before = await pair.client.queue.pending()
    pair.network.down = True
    value = THEIRS if choice == "merge" else None
    await pair.mine.resolve(ITEM, choice, value)  # type: ignore[arg-type]
    await pair.reopened()
    await pair.mine.undo(ITEM)
    assert await pair.client.queue.pending() == before
    assert await pair.mine.resolutions(ITEM) == []
    with pytest.raises(NotFound, match="nothing to take back"):
        await pair.mine.undo(ITEM)
    await pair.mine.resolve(ITEM, "mine")
    kept = Note(title="Old hut", body="Ask.")
    assert await pair.both() == (kept, kept), "what was taken back can be resolved anew"


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


@pytest.mark.parametrize(("choice", "expected"), [("mine", MINE), ("theirs", None)])
async def test_edit_of_what_others_deleted_is_restored_or_deleted(
    pair: Pair, choice: str, expected: Note | None
) -> None:
    await pair.edits(MINE, None)
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert (conflict.kind, conflict.theirs) == ("deleted_there", None)
    assert (conflict.merged.data, conflict.merged.clean) == (MINE.model_dump(), False)
    await pair.mine.resolve(ITEM, choice)  # type: ignore[arg-type]
    assert await pair.both() == (expected, expected)
    assert pair.client.queue.count == 0


@pytest.mark.parametrize(("choice", "expected"), [("mine", None), ("theirs", THEIRS)])
async def test_deletion_of_what_others_edited_is_kept_or_given_up(
    pair: Pair, choice: str, expected: Note | None
) -> None:
    await pair.edits(None, THEIRS)
    conflict = await pair.mine.conflict(ITEM)
    assert conflict is not None
    assert (conflict.kind, conflict.mine) == ("deleted_here", None)
    await pair.mine.resolve(ITEM, choice)  # type: ignore[arg-type]
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


async def test_resolution_that_cannot_be_is_refused_and_changes_nothing(pair: Pair) -> None:
    await pair.edits(MINE)
    before = await pair.client.queue.pending()
    bad = Note.model_construct(title="x" * 300, body="")
    for refused, choice, value in (
        (Rejected, "merge", bad),
        (InvalidInput, "merge", None),
    ):
        with pytest.raises(refused):
            await pair.mine.resolve(ITEM, choice, value)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await pair.mine.resolve("no-such-note", "mine")
    assert await pair.client.queue.pending() == before


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
