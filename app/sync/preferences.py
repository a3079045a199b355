"""What a person set on this device: kept in the metadata, observable, the same in every tab."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.core.actions import fields_of
from app.core.schema import METADATA
from app.errors import InvalidInput
from app.ports import Batch, Channel, Get, Put, Store
from app.protocol import MAX_NAME, check_json
from app.sync.stores import Writable

KEY = "preferences"
Theme = Literal["system", "light", "dark"]

_log = logging.getLogger(__name__)


class Values(BaseModel):
    """The preferences; what an older or newer version of the app kept besides is left alone.

    `name` is how a person signs what they write; it says who it was, and proves nothing. `theme`
    is the look that they chose.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Annotated[str, Field(max_length=MAX_NAME), AfterValidator(check_json)] = ""
    theme: Theme = "system"


class Preferences(Writable[Values]):
    """The observable preferences of this device."""

    def __init__(self, store: Store, channel: Channel) -> None:
        super().__init__(Values())
        self._store = store
        self._channel = channel
        channel.subscribe(self._receive)

    async def load(self) -> None:
        """Read what is kept; what cannot be read any more counts as not set."""
        (kept,) = await self._store.read(Get(METADATA, KEY))
        self._take(kept["value"] if kept else {})

    async def change(self, **values: Any) -> None:
        """Set and keep the named preferences; raises `InvalidInput` or `StorageError`."""
        try:
            changed = Values.model_validate(self.get().model_dump() | values)
        except ValidationError as error:
            raise InvalidInput("This setting cannot be kept.", fields_of(error)) from None
        kept = changed.model_dump(mode="json")
        write = Put(METADATA, {"key": KEY, "value": kept})
        await self._store.transact([], lambda: Batch([write]))
        self.set(changed)
        self._channel.publish({"kind": KEY, "value": kept})

    def _receive(self, message: Any) -> None:
        if message.get("kind") == KEY:
            self._take(message["value"])

    def _take(self, kept: Any) -> None:
        try:
            self.set(Values.model_validate(kept))
        except ValidationError as error:
            _log.warning("The preferences on this device cannot be read: %s", fields_of(error))
