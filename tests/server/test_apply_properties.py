"""However a client's actions are cut into batches and resent, the effects are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.actions import registry
from app.protocol import Action
from server.apply import apply_batch
from server.prepared import prepare
from server.records import Author, Before, ItemKey, StoredRow
from tests.server.builders import action, parsed

ME = Author("user", "me")
ITEMS = ("n1", "n2", "n3")


class Space:
    """A space that one client pushes to; the client holds back what follows a failure."""

    def __init__(self) -> None:
        theirs = StoredRow("drafts", "n3", 4, '{"t":0}', 40, "user", "other", 1, 0)
        self.before = Before(version=4, updated_at=40, rows={theirs.key: theirs})
        self.effects: dict[str, int] = {}
        self.failed: set[ItemKey] = set()

    def push(self, actions: Sequence[Action]) -> list[str]:
        sent = [a for a in actions if (a.collection, a.item_id) not in self.failed]
        outcome = apply_batch(registry, self.before, ME, prepare(registry, sent), now=0)
        for pushed, result in zip(sent, outcome.results, strict=True):
            if result.verdict == "applied":
                self.effects[pushed.id] = self.effects.get(pushed.id, 0) + 1
            elif result.verdict != "duplicate":
                self.failed.add((pushed.collection, pushed.item_id))
        self.before = replace(
            self.before,
            version=outcome.version,
            updated_at=outcome.updated_at,
            rows={**self.before.rows, **outcome.rows},
            receipts={**self.before.receipts, **outcome.receipts},
        )
        return [result.verdict for result in outcome.results]


kinds = st.sampled_from(["create", "update", "update", "delete"])
bases = st.sampled_from([None, 3, 4])
intents = st.lists(st.tuples(kinds, st.sampled_from(ITEMS), bases), max_size=12)
cuts = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=12, max_size=12)


@settings(deadline=None)
@given(intents, cuts)
def test_any_split_with_any_resends_gives_the_same_rows_and_one_effect_each(
    intents: list[tuple[str, str, int | None]], cuts: list[tuple[int, int]]
) -> None:
    actions = parsed(
        *(
            action(seq, kind, item, base_version=base, data={"t": seq})
            for seq, (kind, item, base) in enumerate(intents, start=1)
        )
    )
    whole, cut = Space(), Space()
    whole.push(actions)
    rest = actions
    for size, times in cuts:
        batch, rest = rest[:size], rest[size:]
        for _ in range(times):
            cut.push(batch)
    assert {key: row.data for key, row in cut.before.rows.items()} == {
        key: row.data for key, row in whole.before.rows.items()
    }
    assert set(cut.effects.values()) <= {1}
    assert cut.effects == whole.effects
    assert cut.before.version == whole.before.version
