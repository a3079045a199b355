"""A world: devices with tabs, a server, networks, and one seed that chooses all steps."""

from __future__ import annotations

import logging
import random
from collections import Counter

from tests.simulation import healing, quiet
from tests.simulation.checks import Watch, check_held
from tests.simulation.clock import SimClock
from tests.simulation.coverage import NETWORK, Coverage
from tests.simulation.device import Device
from tests.simulation.ledger import Ledger
from tests.simulation.loop import SimLoop
from tests.simulation.notes import own_registry
from tests.simulation.person import Person
from tests.simulation.plan import Plan
from tests.simulation.server import SimServer
from tests.simulation.steps import Steps
from tests.simulation.tab import die_with_their_tab, owner_of

DAMAGE = ("The stored action %s (seq %d) is damaged",)
"""What is logged as an error and is none of the product: the schedule damaged it."""


class Violation(AssertionError):
    """An invariant is broken."""


class _Defects(logging.Handler):
    """Whatever the product logs as a defect is one."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg in DAMAGE:
            return
        error = record.exc_info[1] if record.exc_info else None
        self._world.fail(0, f"{record.getMessage()}: {error!r}")


class World:
    """Everything of one schedule; `fail` notes a broken invariant by its number."""

    def __init__(self, loop: SimLoop, seed: int, plan: Plan) -> None:
        self.seed = seed
        self.plan = plan
        self.rng = random.Random(seed)
        self.loop = loop
        loop.task_made = die_with_their_tab
        loop.owner_of = owner_of
        loop.failed = lambda context: self.fail(0, f"{context['message']}: {context}")
        self.clock = SimClock(loop)
        self.registry = own_registry()
        self.coverage: Coverage = Counter()
        self.broken: list[str] = []
        self.step = 0
        self.trace: list[str] = []
        self.faulty = True
        self.fault_rate = self.rng.choice((0.0, 0.1, 0.3, 0.5))
        self.faults = self.rng.sample(NETWORK, self.rng.randint(1, len(NETWORK)))
        self.ledger = Ledger(self)
        self.owners: dict[str, Device] = {}
        self.losing = self.rng.choice((0.0, 0.0, 0.1, 0.5))
        self.losing_followers = self.rng.random() < 0.4
        self.server = SimServer(self)
        self.devices = [Device(self, n) for n in range(self.rng.randint(2, 5))]
        self.watches = {device.number: Watch(self, device) for device in self.devices}
        self.taps: dict[int, list[int]] = {device.number: [] for device in self.devices}
        for device in self.devices:
            device.take_storage()
        self.person = Person(self)
        self.steps = Steps(self)

    def fail(self, invariant: int, message: str) -> None:
        """Note that an invariant is broken."""
        self.broken.append(f"invariant {invariant}: {message}")

    def is_discarded(self, action_id: str) -> bool:
        """Tell whether a person discarded an action; one that was sent may still arrive."""
        return any(action_id in watch.discarded for watch in self.watches.values())

    def network_fault(self) -> str | None:
        """Choose what happens to a request."""
        if not self.faulty or self.rng.random() >= self.fault_rate:
            return None
        return self.rng.choice(self.faults)

    def run(self) -> None:
        """Take the steps, heal, and check; raises `Violation`."""
        log = logging.getLogger("app")
        handler, propagate, log.propagate = _Defects(self), log.propagate, False
        log.addHandler(handler)
        try:
            for device in self.devices:
                for _ in range(self.rng.randint(1, 3)):
                    device.open()
            self.clock.settle()
            for step in self.plan.taken:
                self.step = step
                # Its own numbers, so that a step does the same where others are left out.
                self.rng.seed(f"{self.seed}-{step}")
                self.steps.take()
                self._check()
            self._end()
        finally:
            log.removeHandler(handler)
            log.propagate = propagate
            for device in self.devices:
                for tab in list(device.tabs):
                    tab.crash(kind="end")
            self.clock.settle()

    def _end(self) -> None:
        if self.plan.mode == "safety":
            quiet.check_saved(self)
            quiet.check_server(self)
            self.raise_broken()
        else:
            healing.heal(self)

    def _check(self) -> None:
        self.clock.settle()
        if self.plan.mode == "liveness":
            return
        device = self.rng.choice(self.devices)
        quiet.check_requests(self, device)
        quiet.note_status(self, device)
        check_held(self, device)
        if device.unsure and self.rng.random() < 0.3:
            self.look_again(device)
        if device.tabs and not device.unsure:
            quiet.check_view(self, self.rng.choice(device.tabs))
        self.raise_broken()

    def look_again(self, device: Device) -> None:
        """A tab that died may not have said what it changed: who comes to another one sees it."""
        device.unsure = device.unheard = False
        for tab in device.tabs:
            if tab.client is not None and not tab.frozen:
                device.tapped()
                self.loop.call_soon(tab.client.resume, context=tab.context)
        self.clock.settle()

    def raise_broken(self) -> None:
        """Raise `Violation` where an invariant is broken."""
        if self.broken:
            raise Violation(self.broken[0])

    def report(self, error: Exception) -> str:
        """Return what broke, where, and how to replay it."""
        what = str(error) if isinstance(error, Violation) else repr(error)
        replay = f"python -m tests.simulation --seed {self.seed} {self.plan.options}"
        return f"seed {self.seed}, step {self.step}: {what}\n  replay: {replay}"
