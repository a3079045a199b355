"""Running the server, in one process with its writer or in several, until it is told to stop."""

from __future__ import annotations

import errno
import signal
import socket
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Protocol

import uvicorn
from starlette.datastructures import State
from starlette.types import Receive, Scope, Send

from app.errors import DriftlineError
from server.database import Database
from server.garbage import collect_less
from server.metrics import share_metrics
from server.migrations import migrate
from server.reading import BoundedHttp
from server.services import Services
from server.settings import Settings
from server.workers import Workers
from server.writer_process import writer_process

DRAIN_SECONDS = 1
"""How long requests under way may take once the server was told to stop."""


class CannotListen(DriftlineError):
    """The address cannot be listened on."""


class Servable(Protocol):
    """An ASGI app that carries its services in its state, as `create_app` makes them."""

    @property
    def state(self) -> State: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


MakeApp = Callable[[Settings], Servable]


class DriftlineServer(uvicorn.Server):
    """Says when it takes connections, and ends open event streams before it waits for the rest."""

    def __init__(
        self,
        config: uvicorn.Config,
        services: Services,
        writer: socket.socket | None,
        ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._services = services
        self._writer = writer
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        if self._writer is not None:
            await self._services.write_elsewhere(self._writer)
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, then stop."""
        self._services.pokes.close()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`; raises `CannotListen`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # asyncio sets it for listeners that it made itself; without, each answer waits 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"Port {port} on {host} is in use already: choose another with --port."
        elif error.errno == errno.EACCES:
            reason = f"Port {port} needs more rights: choose one above 1023 with --port."
        else:
            reason = f"The server cannot listen on {host}, port {port}: {error.strerror}."
        raise CannotListen(reason) from None


def url_of(listener: socket.socket, host: str) -> str:
    """Return the address a browser on this machine reaches the listener at."""
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def serve(make_app: MakeApp, listener: socket.socket, settings: Settings) -> None:
    """Serve in as many processes as the settings say, until SIGTERM or SIGINT.

    One line says where, once requests are taken. Raises `DriftlineError` where the app cannot be
    made.
    """

    def say() -> None:
        where = url_of(listener, settings.host)
        print(f"Driftline is ready at {where}", flush=True)  # noqa: T201 - the ready line

    if settings.workers == 1:
        serve_alone(make_app, listener, settings, say)
    else:
        serve_together(make_app, listener, settings, say)


def serve_together(
    make_app: MakeApp, listener: socket.socket, settings: Settings, ready: Callable[[], None]
) -> None:
    """Serve in processes of their own, and replace each that dies."""
    # What stands in the way is said here, once, and not by each worker.
    database = Database(settings.database)
    try:
        migrate(database)
    finally:
        database.close()
    with TemporaryDirectory(prefix="driftline-metrics-") as folder:

        def work(number: int, say: Callable[[], None]) -> None:
            share_metrics(folder, number)
            serve_alone(make_app, listener, settings, say)

        Workers(work, settings.workers).run(ready)


def serve_alone(
    make_app: MakeApp, listener: socket.socket, settings: Settings, ready: Callable[[], None]
) -> None:
    """Serve in this process and one that writes; requests under way at the end are finished."""
    # uvicorn raises the signal again once it has stopped: then it shall end the process well.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    with writer_process(settings.database) as writer:
        app = make_app(settings)
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        services: Services = app.state.services
        collect_less()
        DriftlineServer(config, services, writer, ready).run([listener])


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
