"""What goes into the queue, and what comes back: actions to enqueue, and their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.actions import Data
from app.core.enqueue import Seen
from app.core.entry import Outcome
from app.sync.outcomes import Outcomes

DEFAULT_COLLECTION = "actions"


@dataclass(frozen=True)
class New:
    """An action to enqueue; without `item_id` it is about an item of its own.

    It waits until all that it `depends_on` was applied: actions by their ids, or earlier `New` ones
    of the same call. One that is `undoable` can be taken back while it was not sent. It changes the
    item as it was `seen`, even if that has moved on since.
    """

    type: str
    data: Data | None = None
    collection: str = DEFAULT_COLLECTION
    item_id: str | None = None
    depends_on: Sequence[str | New] = ()
    undoable: bool = False
    seen: Seen | None = None


class Queued(str):
    """The id of an enqueued action, which can be asked how the action ended."""

    _outcomes: Outcomes

    def __new__(cls, action_id: str, outcomes: Outcomes) -> Queued:
        queued = super().__new__(cls, action_id)
        queued._outcomes = outcomes
        return queued

    async def settled(self, timeout: float) -> Outcome | None:
        """Return how the action ended, or `None` if it has not within `timeout` seconds.

        Did the server take this write? `applied` says that it has.
        """
        return await self._outcomes.settled(str(self), timeout)
