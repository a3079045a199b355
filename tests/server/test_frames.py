"""Messages between two processes of a server come out whole, however the stream is cut."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core.actions import registry
from app.protocol import SyncRequest
from server.exchange import Exchange
from server.frames import Unpacker, pack, pack_exchange, unpacked_exchange
from server.identity import LOCAL
from tests.server.builders import action, message, request

messages = st.lists(st.binary(max_size=20) | st.integers() | st.text(max_size=5), max_size=6)


@given(messages, st.data())
def test_messages_come_out_whole_and_in_order_wherever_the_stream_is_cut(
    sent: list[Any], data: st.DataObject
) -> None:
    stream = b"".join(map(pack, sent))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    places = [0, *sorted(cuts), len(stream)]
    unpacker = Unpacker()
    pieces = [stream[start:end] for start, end in zip(places, places[1:], strict=False)]
    assert [found for piece in pieces for found in unpacker.feed(piece)] == sent


def test_exchange_arrives_as_it_was() -> None:
    actions = message(1), action(2, data={"t": [1.5, None, "é"]}, depends_on=[1]), action(3, "fly")
    asked = SyncRequest.model_validate(request(*actions, cursor="c7", settled_through=0, limit=3))
    exchange = Exchange.of(registry, LOCAL, asked, now=5, pulls=False)
    (arrived,) = Unpacker().feed(pack_exchange(9, exchange))
    number, same = unpacked_exchange(arrived)
    assert (number, same) == (9, exchange)
    assert [it.action() for it in same.actions] == asked.actions
