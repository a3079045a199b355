"""How often Python looks for garbage in a process that serves."""

from __future__ import annotations

import gc

COLLECT_AFTER = 50_000
"""Objects made, and not gone by themselves, after which garbage is looked for."""


def collect_less() -> None:
    """Look for garbage seldom, and never among what is loaded by now.

    Batches make thousands of objects, none in a circle: the search took a fifth of their time.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
