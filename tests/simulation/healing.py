"""The end of a schedule: faults stop, all drains and comes to rest, and then all is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation import quiet
from tests.simulation.stored import entries_of

if TYPE_CHECKING:
    from tests.simulation.world import World

DRAINED_WITHIN = 5_400.0
"""Seconds within which everything drains once the faults have stopped: an hour that
an action may be put off, the longest backoff, and one round more."""

TROUBLED_WITHIN = 1_000.0
"""Seconds within which all say again that all is well: a queue that was held is tried after 900."""


def heal(world: World) -> None:
    """Faults stop: everything drains by itself, and what is tapped then goes at once."""
    world.faulty = world.server.poison = False
    world.server.most = None
    world.server.announce()
    for device in world.devices:
        device.link.cut.clear()
        device.link.script = []
        device.link.page = None
        device.store.abort_in = 0
        device.armed = None
        for tab in device.tabs:
            tab.thaw()
        if world.rng.random() < 0.8:
            device.sign_in()
        device.link.gate = None
        if not device.tabs:
            device.open()
    _wait(world, DRAINED_WITHIN, lambda: quiet.unfinished(world))
    _wait(world, TROUBLED_WITHIN, lambda: quiet.troubled(world))
    _look_at_history(world)
    _tap(world)
    for device in world.devices:
        # What a tab said last is never made up for, unless it leads: its status goes round.
        if device.unheard:
            world.look_again(device)
    _wait(world, 70, lambda: quiet.misshown(world))
    _poke(world)
    quiet.check_heard(world)
    quiet.check_saved(world)
    quiet.check_server(world)
    quiet.check_converged(world)
    world.raise_broken()


def _look_at_history(world: World) -> None:
    """A damaged record of a choice comes back once somebody looks there."""
    for device in world.devices:
        world.person.look_at_history(device.tabs[0])
    world.clock.advance(1)
    _wait(world, 70, lambda: quiet.unfinished(world))


def _tap(world: World) -> None:
    """Once all is quiet, a new action of each device goes within seconds."""
    before = {entry.id for device in world.devices for entry in entries_of(device)}
    for device in world.devices:
        world.person.send_message(world.rng.choice(device.tabs))
    world.clock.advance(5)
    for device in world.devices:
        for entry in entries_of(device):
            if entry.collection == "messages" and entry.id not in before:
                said = f"a tap is {entry.state} after 5 s"
                world.fail(11, f"device {device.number}: {said}")
    _wait(world, 70, lambda: quiet.unfinished(world))


def _poke(world: World) -> None:
    """Once all is quiet, the server's word brings what is new within seconds, and only that."""
    if quiet.is_resting(world):
        for device in world.devices:
            device.poke(device.cursor())
        world.clock.advance(1)
        quiet.check_idle(world)
    teller, *others = world.devices
    world.person.send_message(world.rng.choice(teller.tabs))
    world.clock.advance(3)
    newest = world.ledger.newest  # a late copy of a request may bring more, of which nobody is told
    for device in others:
        device.poke(world.server.cursor())
    world.clock.advance(5)
    quiet.check_poked(world, others, newest)
    _wait(world, 70, lambda: quiet.unfinished(world))


def _wait(world: World, most: float, reason: Callable[[], str]) -> None:
    """Let time pass while there is a reason, at most so many seconds.

    A late copy of a request may bring more, where a backup was put back in between that knows
    nothing of it: nobody is told, and all have as many seconds from then on.
    """
    begun = world.clock.time
    while why := reason():
        if world.clock.time - max(begun, world.ledger.untold_at) >= most * 1000:
            world.fail(11, f"{most:.0f} s after the faults stopped: {why}")
        world.raise_broken()
        world.clock.advance(10)
    world.raise_broken()
