"""What a schedule is: how many steps, which of them, and what is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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
