"""Conflict policies: what they decide is sent anew, what they cannot decide is a person's."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from app.core import crud
from app.core.actions import Data, Policy, Registry
from app.core.claim import claim
from app.core.conflict import Conflict
from app.core.enqueue import Draft, enqueue
from app.core.entry import Entry
from app.core.policy import MAX_AUTOMATIC, by_policy
from app.core.settle import Settled, settle
from app.errors import InvalidInput
from app.memory import MemoryStore
from app.protocol import Action, Result, Row
from tests.core.test_outbox import NOW, answer, entries, new_store, run

BASE: Data = {"title": "Hut", "body": "Closed.", "tag": ""}


class Sheet(BaseModel):
    title: str
    body: str = ""
    tag: str = ""


def registry_with(policy: Policy | None) -> Registry:
    """Return a registry of one's own, in which things are sheets."""
    own = Registry()
    own.action("create")(crud.create)
    own.action("update", checks_version=True)(crud.update)
    own.action("put", checks_version=True)(crud.put)
    own.action("delete", checks_version=True)(crud.delete)
    own.declare("things", Sheet, policy)
    return own


def row(version: int, data: Data | None) -> Row:
    return Row(
        collection="things",
        id="a",
        version=version,
        data=data,
        deleted=data is None,
        updated_at=version,
        updated_by="local",
    )


class Desk:
    """One item that this device changes, and a server whose word the test gives."""

    def __init__(self, policy: Policy | None) -> None:
        self.registry = registry_with(policy)
        self.store: MemoryStore = new_store()
        self.version = 1
        self.made = 0

    async def pull(self, data: Data | None) -> None:
        pulled = answer(rows=(row(self.version, data),))
        await run(self.store, settle([], pulled, None, NOW))

    async def add(self, kind: str, data: Data | None = None, **more: Any) -> str:
        self.made += 1
        draft = Draft(f"n{self.made}", kind, "things", "a", data, NOW, **more)
        await run(self.store, enqueue([draft], self.registry))
        return draft.id

    async def conflict(self, theirs: Data | None, version: int | None = None) -> Settled:
        """Send what is due; the first of it is in conflict with `theirs`."""
        self.version = version or self.version + 1
        claimed = await run(self.store, claim(NOW, 10))
        first, *others = claimed.entries
        results = [Result(id=first.id, verdict="conflict", row=row(self.version, theirs))]
        results += [Result(id=entry.id, verdict="retry") for entry in others]

        def resolve(line: Any, theirs: Row | None) -> Any:
            return by_policy(line, theirs, self.registry, lambda _: False)

        settled: Settled = await run(
            self.store,
            settle(claimed.entries, answer(*results), claimed.cursor, NOW, resolve=resolve),
        )
        return settled

    async def sent(self) -> list[Action]:
        return [entry.parsed() for entry in await entries(self.store)]


async def desk_with(policy: Policy | None, *changes: Data | None) -> Desk:
    desk = Desk(policy)
    await desk.pull(BASE)
    for data in changes:
        await desk.add("delete" if data is None else "update", data)
    return desk


async def states(desk: Desk) -> list[str]:
    return [entry.state for entry in await entries(desk.store)]


async def test_manual_is_the_default_and_asks() -> None:
    desk = await desk_with(None, {"title": "Mine"})
    settled = await desk.conflict({**BASE, "body": "Open."})
    assert (settled.conflicts, await states(desk)) == (1, ["conflict"])


async def test_merge_sends_disjoint_changes_anew_on_the_server_s_version() -> None:
    desk = await desk_with("merge", {"title": "Mine"})
    settled = await desk.conflict({**BASE, "body": "Theirs."})
    assert (settled.conflicts, settled.outcomes) == (0, {})
    (action,) = await desk.sent()
    assert action.data == {"title": "Mine", "body": "Theirs.", "tag": ""}
    assert (action.id, action.type, action.base_version) == ("n1_a1", "put", 2)
    (entry,) = await entries(desk.store)
    assert (entry.state, entry.sent, entry.earlier_ids) == ("pending", False, ("n1",))


async def test_what_a_policy_decided_names_the_ids_under_which_there_was_no_verdict() -> None:
    desk = await desk_with("merge", {"title": "Mine"}, {"tag": "mine"})
    await desk.conflict({**BASE, "body": "Theirs."})
    (action,) = await desk.sent()
    assert action.data == {"title": "Mine", "body": "Theirs.", "tag": "mine"}
    assert action.earlier_ids == ("n2",)


async def test_merge_of_overlapping_changes_asks() -> None:
    desk = await desk_with("merge", {"title": "Mine"})
    assert (await desk.conflict({**BASE, "title": "Theirs"})).conflicts == 1


@pytest.mark.parametrize(("mine", "theirs"), [(None, {**BASE, "body": "x"}), ({"body": "x"}, None)])
async def test_merge_of_a_deletion_and_an_edit_asks(mine: Data | None, theirs: Data | None) -> None:
    desk = await desk_with("merge", mine)
    assert (await desk.conflict(theirs)).conflicts == 1


async def test_merge_that_leaves_nothing_to_send_counts_as_applied() -> None:
    desk = await desk_with("merge", {"title": "Same"})
    settled = await desk.conflict({**BASE, "title": "Same", "body": "Theirs."})
    assert (settled.synced, settled.conflicts) == (1, 0)
    assert settled.outcomes == {"n1": "applied"}
    assert await desk.sent() == []


async def test_mine_is_sent_as_it_is_shown_on_this_device() -> None:
    desk = await desk_with("mine", {"title": "Mine"})
    await desk.conflict({**BASE, "title": "Theirs", "body": "Theirs."})
    (action,) = await desk.sent()
    assert (action.data, action.base_version) == ({**BASE, "title": "Mine"}, 2)


async def test_mine_restores_what_others_deleted_and_deletes_what_they_edited() -> None:
    desk = await desk_with("mine", {"title": "Mine"})
    await desk.conflict(None)
    assert [(it.type, it.data) for it in await desk.sent()] == [("put", {**BASE, "title": "Mine"})]
    desk = await desk_with("mine", None)
    await desk.conflict({**BASE, "title": "Theirs"})
    assert [(it.type, it.data) for it in await desk.sent()] == [("delete", None)]


async def test_theirs_drops_mine_and_says_so() -> None:
    desk = await desk_with("theirs", {"title": "Mine"})
    settled = await desk.conflict({**BASE, "title": "Theirs"})
    assert (settled.conflicts, settled.synced) == (0, 0)
    assert settled.outcomes == {"n1": "discarded"}
    assert await desk.sent() == []


async def test_theirs_asks_where_something_depends_on_mine() -> None:
    desk = await desk_with("theirs", {"title": "Mine"})
    draft = Draft("later", "create", "things", "b", dict(BASE), NOW, ("n1",))
    await run(desk.store, enqueue([draft], desk.registry))
    assert (await desk.conflict({**BASE, "title": "Theirs"})).conflicts == 1
    assert await states(desk) == ["conflict", "blocked"]


async def test_function_decides_deletes_or_asks() -> None:
    def longest(conflict: Conflict) -> Data | None:
        assert conflict.mine is not None
        assert conflict.theirs is not None
        titles = {conflict.mine["title"], conflict.theirs["title"]}
        conflict.theirs["title"] = "it gets a copy"
        return {**conflict.mine, "title": " and ".join(sorted(titles))}

    desk = await desk_with(longest, {"title": "Mine"})
    await desk.conflict({**BASE, "title": "Theirs"})
    (entry,) = await entries(desk.store)
    assert entry.parsed().data == {**BASE, "title": "Mine and Theirs"}
    assert entry.base == {**BASE, "title": "Theirs"}
    desk = await desk_with(lambda _: None, {"title": "Mine"})
    await desk.conflict({**BASE, "title": "Theirs"})
    assert [it.type for it in await desk.sent()] == ["delete"]
    desk = await desk_with(lambda _: ..., {"title": "Mine"})
    assert (await desk.conflict({**BASE, "title": "Theirs"})).conflicts == 1


@pytest.mark.parametrize(
    "answered", [KeyError("title"), {"title": 7}, {"title": "x" * 70_000}, "?"]
)
async def test_function_that_fails_leaves_the_conflict_to_a_person_and_says_why(
    answered: Any,
) -> None:
    def bad(_: Conflict) -> Any:
        if isinstance(answered, Exception):
            raise answered
        return answered

    desk = await desk_with(bad, {"title": "Mine"})
    settled = await desk.conflict({**BASE, "title": "Theirs"})
    assert (settled.conflicts, settled.outcomes) == (1, {"n1": "conflict"})
    (entry,) = await entries(desk.store)
    assert entry.state == "conflict"
    assert entry.error is not None
    assert entry.error.code == "policy_failed"
    assert entry.parsed().data == {"title": "Mine"}


async def test_policy_gives_up_after_a_number_of_times_in_a_row() -> None:
    desk = await desk_with("mine", {"title": "Mine"})
    for number in range(MAX_AUTOMATIC):
        assert (await desk.conflict({**BASE, "title": f"Theirs {number}"})).conflicts == 0
    (entry,) = await entries(desk.store)
    assert len({entry.id, *entry.earlier_ids}) == MAX_AUTOMATIC + 1
    assert (await desk.conflict({**BASE, "title": "Theirs at last"})).conflicts == 1


async def test_action_that_was_merged_is_told_applied_under_its_first_id() -> None:
    desk = await desk_with("merge", {"title": "Mine"})
    await desk.conflict({**BASE, "body": "Theirs."})
    claimed = await run(desk.store, claim(NOW, 10))
    applied = answer(Result(id="n1_a1", verdict="applied"))
    settled = await run(desk.store, settle(claimed.entries, applied, claimed.cursor, NOW))
    assert settled.outcomes == {"n1": "applied", "n1_a1": "applied"}


async def test_later_changes_of_the_item_are_merged_with_it() -> None:
    desk = await desk_with("merge", {"title": "Mine"})
    claimed = await run(desk.store, claim(NOW, 10))
    await desk.add("update", {"tag": "later"})
    conflict = Result(id="n1", verdict="conflict", row=row(2, {**BASE, "body": "Theirs."}))

    def resolve(line: Any, theirs: Row | None) -> Any:
        return by_policy(line, theirs, desk.registry, lambda _: False)

    decision = settle(claimed.entries, answer(conflict), claimed.cursor, NOW, resolve=resolve)
    await run(desk.store, decision)
    (action,) = await desk.sent()
    assert action.data == {"title": "Mine", "body": "Theirs.", "tag": "later"}


async def test_what_a_handler_carries_out_is_not_merged_away() -> None:
    desk = await desk_with("mine", {"title": "Mine"})
    await desk.add("ring", {"bell": "front door"})
    await desk.conflict({**BASE, "title": "Theirs"})
    assert [it.type for it in await desk.sent()] == ["put", "ring"]
    first, second = await entries(desk.store)
    assert (first.state, second.state) == ("pending", "pending")
    assert (second.parsed().base_version, second.base) == (2, {**BASE, "title": "Theirs"})


async def test_fields_that_this_version_does_not_know_stay_as_the_server_has_them() -> None:
    base = {**BASE, "colour": "red"}
    for policy in ("merge", "mine"):
        desk = Desk(policy)
        await desk.pull(base)
        await desk.add("update", {"title": "Mine"})
        await desk.conflict({**base, "colour": "blue"})
        (action,) = await desk.sent()
        assert action.data == {**BASE, "title": "Mine", "colour": "blue"}


async def test_default_that_only_this_version_fills_in_is_no_change_of_mine() -> None:
    old = {"title": "Hut"}
    desk = Desk("merge")
    await desk.pull(old)
    await desk.add("update", {"title": "Mine"})
    await desk.conflict({**old, "body": "Theirs."})
    (action,) = await desk.sent()
    assert action.data == {"title": "Mine", "body": "Theirs.", "tag": ""}


def test_policy_stays_as_declared_and_an_unknown_one_is_refused() -> None:
    own = registry_with("merge")
    own.declare("things", Sheet)
    assert own.policy("things") == "merge"
    assert own.policy("others") == "manual"
    with pytest.raises(InvalidInput, match="no conflict policy"):
        own.declare("things", Sheet, "newest")  # type: ignore[arg-type]  # which is the case


def test_entry_of_an_older_version_of_the_app_is_read() -> None:
    old = Entry(seq=1, id="a", type="update", collection="c", item_id="i", action="{}")
    stored = old.model_dump(mode="json", exclude={"before", "replaced", "automatic"})
    assert Entry.model_validate(stored) == old
