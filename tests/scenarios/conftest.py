"""A clock, a server and a device for each test, as in tests/sync/.

These tests are long stretches of virtual time, too many turns for the interpreter of the page,
whose event loop does not say when all is done; tests/sync/ is what also runs there.
"""

from __future__ import annotations

from tests.sync.conftest import clock, device, network, pair, server

__all__ = ["clock", "device", "network", "pair", "server"]
