"""Two devices that change one note, each without knowing of the other."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.notes import COLLECTION, Note
from app.sync.client import Client
from app.sync.collection import Collection
from tests.fakes import Device, FakeClock, FakeNetwork

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


async def made(clock: FakeClock, network: FakeNetwork) -> tuple[Pair, list[Device]]:
    """Return two devices that both have the note as it was first."""
    devices = [Device(clock, network, seed=1), Device(clock, network, seed=2)]
    client, other = [await device.open() for device in devices]
    mine, theirs = [it.collection(COLLECTION, Note) for it in (client, other)]
    pair = Pair(clock, network, devices[0], client, mine, other, theirs)
    await mine.save(BASE, ITEM)
    await pair.settle()
    return pair, devices
