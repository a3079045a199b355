"""Reading requests off a connection, by httptools, with a limit on all that is not the body."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.writing import OneWrite

MOST_BESIDE_BODY = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, which by itself takes headers without end into memory.

    Counted are the bytes of the request line, the headers, and what chunks add to the body. What
    was read in one piece is looked at as a whole, so that a little more may pass.
    """

    _beside_body = 0

    def connection_made(  # type: ignore[override]  # as uvicorn's protocols have it
        self, transport: asyncio.Transport
    ) -> None:
        """Take a new connection, on which an answer is written in one piece."""
        super().connection_made(OneWrite(transport, self.loop))  # type: ignore[arg-type] # it stands for one

    def data_received(self, data: bytes) -> None:
        """Take in what came, and hang up on a request that is too long."""
        self._beside_body += len(data)
        super().data_received(data)
        if self._beside_body > MOST_BESIDE_BODY and not self.transport.is_closing():
            self.send_400_response("The request's headers are too long.")

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body, which has a limit of its own."""
        self._beside_body -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._beside_body = 0
        super().on_message_complete()
