"""Identifiers made on the device, so that an item has one id from the tap to the server."""

from __future__ import annotations

import uuid


def uuid7(now: int, random_bits: int) -> str:
    """Return a version 7 UUID (RFC 9562 §5.7) as text.

    `now` is in milliseconds since the epoch; `random_bits` is an integer of 74 random bits.
    """
    time_bits = (now & (2**48 - 1)) << 80
    version = 0x7 << 76
    upper_random = ((random_bits >> 62) & 0xFFF) << 64
    variant = 0b10 << 62
    lower_random = random_bits & (2**62 - 1)
    return str(uuid.UUID(int=time_bits | version | upper_random | variant | lower_random))
