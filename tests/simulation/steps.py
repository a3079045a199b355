"""What happens in a schedule: one step after the other, each of a kind that its seed chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.damage import damage
from tests.simulation.stored import entries_of

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.world import World

STEPS = {
    "act": 44,
    "time": 44,
    "crash": 6,
    "arm": 6,
    "open": 8,
    "abort": 4,
    "jump": 2,
    "cut": 3,
    "mend": 5,
    "script": 5,
    "online": 4,
}
"""Kinds of steps, and how often each is chosen."""

RARE: tuple[dict[str, int], ...] = (
    {"gate": 4},
    {"most": 4},
    {"wipe": 2},
    {"back_up": 3, "restore": 3},
    {"back_up": 3, "restore_quietly": 3},
    {"keep": 4, "roll_back": 4},
    {"damage": 4},
    {"poke": 5},
    {"page": 4},
    {"compact": 4},
    {"server_clock": 3},
    {"freeze": 5, "thaw": 5},
)
"""Kinds that a schedule may be without altogether, so that they do not hide each other."""

PUSHES = ("drop_answer", "kill_after_commit", "error_500", "delay_answer", "")
"""What a script of faults lets happen to the next pushes of a device, one after the other."""

HOUR = 3_600_000
TEN_YEARS = 10 * 365 * 24 * HOUR


class Steps:
    """The kinds of steps of one schedule."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self._kinds = dict(STEPS)
        for kinds in RARE:
            if self._rng.random() < 0.5:
                self._kinds |= kinds

    def take(self) -> None:
        """Take a step."""
        kind = self._rng.choices(list(self._kinds), list(self._kinds.values()))[0]
        device = self._rng.choice(self._world.devices)
        self._world.trace.append(f"{self._world.step}: {kind}, device {device.number}")
        getattr(self, f"_{kind}")(device)

    def _act(self, device: Device) -> None:
        self._world.person.act(device)

    def _time(self, _device: Device) -> None:
        scale = self._rng.choice((0.05, 0.2, 1.0, 5.0, 40.0))
        self._world.clock.advance(scale * self._rng.random())

    def _crash(self, device: Device) -> None:
        self._world.person.act(device)
        self._world.loop.run_ready(self._rng.randint(0, 60))
        if device.tabs:
            everything = self._rng.random() < 0.4
            (device if everything else self._rng.choice(device.tabs)).crash()

    def _arm(self, device: Device) -> None:
        name = self._rng.choice(("enqueue", "claim", "settle", "requeue"))
        kind = self._rng.choice(("crash_tab", "crash_device"))
        device.armed = (name, kind, self._rng.randint(0, 3))

    def _open(self, device: Device) -> None:
        if len(device.tabs) < 3:
            device.open()

    def _abort(self, device: Device) -> None:
        device.store.abort_in = self._rng.randint(1, 5)

    def _jump(self, device: Device) -> None:
        """The device's clock is set wrong by hours, or by years; never before 1970.

        Preferably the clock of a device on which something waits: its times are of another clock.
        """
        waiting = [other for other in self._world.devices if entries_of(other)]
        if waiting and self._rng.random() < 0.5:
            device = self._rng.choice(waiting)
        far = self._rng.random() < 0.3
        device.clock.skew += round(self._rng.uniform(-1, 1) * (TEN_YEARS if far else 5 * HOUR))
        device.clock.skew = max(-3 * TEN_YEARS, min(3 * TEN_YEARS, device.clock.skew))
        self._world.coverage["clock_jump_years" if far else "clock_jump", device.phase] += 1

    def _cut(self, device: Device) -> None:
        way = self._rng.choice(("out", "in"))
        device.link.cut.add(way)
        self._world.coverage[f"cut_{way}", device.phase] += 1

    def _mend(self, device: Device) -> None:
        device.link.cut.clear()
        device.link.page = None
        device.sign_in()
        if self._rng.random() < 0.5:
            self._world.server.most = None

    def _script(self, device: Device) -> None:
        device.link.script = self._rng.choices(PUSHES, k=3)
        self._world.person.act(device)
        self._world.clock.advance(self._rng.random())
        self._world.person.act(self._rng.choice(self._world.devices))

    def _online(self, device: Device) -> None:
        awake = [tab.client for tab in device.tabs if tab.client is not None and not tab.frozen]
        if awake:
            device.tapped()
            self._rng.choice(awake).wake(urgent=True)

    def _gate(self, device: Device) -> None:
        """From now on the server knows nobody there, or wants a newer app, until that is mended."""
        device.link.gate = self._rng.choice(("error_401", "error_426"))

    def _most(self, _device: Device) -> None:
        """From now on something refuses requests with more than so many actions."""
        self._world.server.most = self._rng.choice((1, 1, 2, 4))

    def _wipe(self, device: Device) -> None:
        self._world.coverage["wipe", device.phase] += 1
        device.wipe()

    def _back_up(self, _device: Device) -> None:
        self._world.server.back_up()

    def _restore(self, device: Device) -> None:
        if self._world.server.restore():
            self._world.coverage["restore", device.phase] += 1

    def _restore_quietly(self, device: Device) -> None:
        if self._world.server.restore(announced=False):
            self._world.coverage["restore_quietly", device.phase] += 1

    def _keep(self, device: Device) -> None:
        """The storage is as it is now in a copy, or on the disk, from which a device may come back.

        Preferably with something in it that is still to be sent.
        """
        if self._rng.random() < 0.7:
            self._world.person.act(device, self._rng.choice(("turn", "delete", "send")))
            self._world.clock.settle()
        device.keep()

    def _roll_back(self, device: Device) -> None:
        """The storage goes back to its copy, preferably after a time in which much was settled."""
        person, clock, rng = self._world.person, self._world.clock, self._rng
        if rng.random() < 0.7:
            for _ in range(4):
                person.act(device, rng.choice(("send", "turn", "update", "create")))
                clock.advance(rng.uniform(0.2, 3))
        phase = device.phase
        if not device.roll_back():
            return
        self._world.coverage["roll_back", phase] += 1
        if rng.random() < 0.5:  # what is new is old, too, by the time that the server is heard
            device.link.cut.add("out")
            device.open()
            clock.settle()
            person.act(device, rng.choice(("send", "turn")))
            clock.settle()
            device.crash()
            device.link.cut.clear()
        device.open()
        clock.advance(rng.uniform(0, 2))
        person.act(device)
        clock.advance(rng.uniform(0, 3))
        person.act(device, "retry")

    def _damage(self, device: Device) -> None:
        what = damage(device, self._rng)
        if what:
            self._world.coverage["damage", what] += 1

    def _poke(self, device: Device) -> None:
        """The server's word comes, of what is new or long known, once or again and again."""
        cursor = self._rng.choice((self._world.server.cursor(), device.cursor(), None))
        for _ in range(self._rng.choice((1, 1, 20))):
            if device.poke(cursor):
                self._world.coverage["poke", device.phase] += 1

    def _page(self, device: Device) -> None:
        """From now on something in between answers in the sync endpoint's place, and only there."""
        device.link.page = self._rng.choice(("page_502", "page_503"))

    def _compact(self, device: Device) -> None:
        """Deletions are forgotten, preferably those that a device has not heard of."""
        if self._rng.random() < 0.7:
            device.link.cut.add("out")
            self._world.person.act(self._rng.choice(self._world.devices), "delete")
            self._world.clock.advance(self._rng.uniform(0, 90))
        if self._world.server.compact():
            self._world.coverage["compact", device.phase] += 1

    def _server_clock(self, device: Device) -> None:
        skew = round(self._rng.uniform(-24, 24) * HOUR)
        way = "back" if skew < self._world.server.skew else "ahead"
        self._world.server.skew = skew
        self._world.coverage[f"server_clock_{way}", device.phase] += 1

    def _freeze(self, device: Device) -> None:
        awake = [tab for tab in device.tabs if not tab.frozen]
        if awake:
            self._world.coverage["freeze", device.phase] += 1
            self._rng.choice(awake).freeze()

    def _thaw(self, device: Device) -> None:
        for tab in device.tabs:
            tab.thaw()
