"""A clock, a server and a network for each test, as in tests/sync.

A folder of its own: these tests move the clock far and often, which the shipped interpreter, whose
event loop does not tell when it is idle, takes very long for (tests/pyodide).
"""

from __future__ import annotations

from tests.sync.conftest import clock, network, server

__all__ = ["clock", "network", "server"]
