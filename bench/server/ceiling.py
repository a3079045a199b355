"""A server that stores nothing: `python -m bench.server.ceiling`.

It reads requests with the same HTTP server as ours, looks at none, and gives all the same answer.
What the machine, the client and that HTTP server allow can be read off it: the ceiling.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

from server.reading import BoundedHttp
from server.run import listen, url_of

_ROW = b'{"version":1}'
_ANSWER = b'{"protocol":1,"results":[],"rows":[' + _ROW + b'],"cursor":"c0.1","has_more":false}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_ANSWER)).encode()),
    ],
}
_BODY = {"type": "http.response.body", "body": _ANSWER}


async def answer(_scope: Scope, receive: Receive, send: Send) -> None:
    """Read the request to its end and answer."""
    while (await receive()).get("more_body"):
        pass
    await send(_START)
    await send(_BODY)


def main() -> None:
    """Serve until SIGTERM."""
    listener = listen("127.0.0.1", 0)
    sys.stdout.write(f"Driftline is ready at {url_of(listener, '127.0.0.1')}\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        answer, http=BoundedHttp, lifespan="off", log_config=None, access_log=False
    )
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
