"""A world: devices with tabs, a server, networks, and one seed that chooses all steps."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.simulation import quiet
from tests.simulation.checks import Watch, check_held, entries_of
from tests.simulation.clock import SimClock
from tests.simulation.coverage import NETWORK, Coverage
from tests.simulation.device import Device
from tests.simulation.ledger import Ledger
from tests.simulation.loop import SimLoop
from tests.simulation.notes import own_registry
from tests.simulation.person import Person
from tests.simulation.server import SimServer
from tests.simulation.steps import Steps
from tests.simulation.tab import die_with_their_tab, owner_of

DRAINED_WITHIN = 5_400.0
"""Seconds within which everything drains once the faults have stopped: an hour that
an action may be put off, the longest backoff, and one round more."""

TROUBLED_WITHIN = 1_000.0
"""Seconds within which all say again that all is well: a queue that was held is tried after 900."""


DAMAGE = ("The stored action %s (seq %d) is damaged",)
"""What is logged as an error and is none of the product: the schedule damaged it."""

Mode = Literal["safety", "liveness", "both"]
"""What is looked at: after each step, that nothing is wrong; once the faults have stopped, that all
comes to a good end; or both."""


@dataclass(frozen=True)
class Plan:
    """How many steps a schedule has, which of them are taken (all, where none are named), and the
    mode."""

    length: int = 100
    only: tuple[int, ...] | None = None
    mode: Mode = "both"

    @property
    def taken(self) -> Sequence[int]:
        """The numbers of the steps that are taken."""
        return range(1, self.length + 1) if self.only is None else self.only

    @property
    def options(self) -> str:
        """The plan as the options of the command line."""
        chosen = f" --only {','.join(map(str, self.only))}" if self.only is not None else ""
        return f"--steps {self.length}{chosen} --mode {self.mode}"


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
            self._raise()
        else:
            self._heal()

    def _check(self) -> None:
        self.clock.settle()
        if self.plan.mode == "liveness":
            return
        device = self.rng.choice(self.devices)
        quiet.check_requests(self, device)
        quiet.note_status(self, device)
        check_held(self, device)
        if device.unsure and self.rng.random() < 0.3:
            self._look_again(device)
        if device.tabs and not device.unsure:
            quiet.check_view(self, self.rng.choice(device.tabs))
        self._raise()

    def _look_again(self, device: Device) -> None:
        """A tab that died may not have said what it changed: who comes to another one sees it."""
        device.unsure = device.unheard = False
        for tab in device.tabs:
            if tab.client is not None and not tab.frozen:
                device.tapped()
                self.loop.call_soon(tab.client.resume, context=tab.context)
        self.clock.settle()

    def _heal(self) -> None:
        """Faults stop: everything drains by itself, and what is tapped then goes at once."""
        self.faulty = self.server.poison = False
        self.server.most = None
        self.server.announce()
        for device in self.devices:
            device.link.cut.clear()
            device.link.script = []
            device.link.page = None
            device.store.abort_in = 0
            device.armed = None
            for tab in device.tabs:
                tab.thaw()
            if self.rng.random() < 0.8:
                device.sign_in()
            device.link.gate = None
            if not device.tabs:
                device.open()
        self._wait(DRAINED_WITHIN, lambda: quiet.unfinished(self))
        for device in self.devices:
            self.person.look_at_history(device.tabs[0])
        self._tap()
        for device in self.devices:
            # What a tab said last is never made up for, unless it leads: its status goes round.
            if device.unheard:
                self._look_again(device)
        self._wait(70, lambda: quiet.misshown(self))
        self._poke()
        quiet.check_heard(self)
        quiet.check_saved(self)
        quiet.check_server(self)
        quiet.check_converged(self)
        self._raise()

    def _tap(self) -> None:
        """Once all is quiet, a new action of each device goes within seconds."""
        self._wait(TROUBLED_WITHIN, lambda: quiet.troubled(self))
        before = {entry.id for device in self.devices for entry in entries_of(device)}
        for device in self.devices:
            self.person.send_message(self.rng.choice(device.tabs))
        self.clock.advance(5)
        for device in self.devices:
            for entry in entries_of(device):
                if entry.collection == "messages" and entry.id not in before:
                    said = f"a tap is {entry.state} after 5 s"
                    self.fail(11, f"device {device.number}: {said}")
        self._wait(70, lambda: quiet.unfinished(self))

    def _poke(self) -> None:
        """Once all is quiet, the server's word brings what is new within seconds, and only that."""
        if quiet.is_resting(self):
            for device in self.devices:
                device.poke(device.cursor())
            self.clock.advance(1)
            quiet.check_idle(self)
        teller, *others = self.devices
        self.person.send_message(self.rng.choice(teller.tabs))
        self.clock.advance(3)
        for device in others:
            device.poke(self.server.cursor())
        self.clock.advance(5)
        quiet.check_poked(self, others)
        self._wait(70, lambda: quiet.unfinished(self))

    def _wait(self, most: float, reason: Callable[[], str]) -> None:
        """Let time pass while there is a reason, at most so many seconds."""
        begun = self.clock.time
        while why := reason():
            if self.clock.time - begun >= most * 1000:
                self.fail(11, f"{most:.0f} s after the faults stopped: {why}")
            self._raise()
            self.clock.advance(10)
        self._raise()

    def _raise(self) -> None:
        if self.broken:
            raise Violation(self.broken[0])

    def report(self, error: Exception) -> str:
        """Return what broke, where, and how to replay it."""
        what = str(error) if isinstance(error, Violation) else repr(error)
        replay = f"python -m tests.simulation --seed {self.seed} {self.plan.options}"
        return f"seed {self.seed}, step {self.step}: {what}\n  replay: {replay}"
