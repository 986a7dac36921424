"""Runs the root application under uvicorn: workers, reload, signals, the deadline."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import math
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import ChangeReload, Multiprocess

from gateway.app import create_app
from gateway.checks import findings
from gateway.config import Configuration, ConfigurationError, ServerSettings, Settings
from gateway.health import Health
from gateway.listening import certificate, listen
from gateway.loading import Service, load_services
from gateway.portal import Surroundings
from gateway.protocol import ConnectionCounts, FrontDoorProtocol, RequestLimits
from gateway.telemetry.logs import configure_logging
from gateway.telemetry.metrics import SHARED_FOLDER_VARIABLE

logger = logging.getLogger("gateway.server")

_STILL_BUSY = 1
_START_FAILED = 3  # as uvicorn: the process got as far as starting a service
# Of the time to drain: for running requests. The rest is for the services' lifespans to stop.
_SHARE_OF_REQUESTS = 0.8


def serve(
    configuration: Configuration,
    services: list[Service],
    *,
    reload: bool,
    announce: Callable[[str], None],
) -> int:
    """Serve until a signal says stop.

    Args:
        configuration: Sound settings.
        services: Their services. One process serves these; several load their own.
        reload: Start anew when a file of the project changes.
        announce: Called with the address once requests are answered.

    Returns:
        The exit code.

    Raises:
        CannotListen: The address, the certificate or the socket cannot be used.
    """
    settings = configuration.checked()
    tls = certificate(settings.server, configuration.project)
    listener, address = listen(settings.server, configuration.project, tls=bool(tls))
    announce_address = functools.partial(announce, address)
    several = reload or settings.server.workers > 1
    counts = ConnectionCounts()
    with _folder(wanted=several and not reload) as shared:
        config = _Config(
            # Together with the counts, so that both are the same ones in each worker.
            functools.partial(
                _application, configuration, None if several else services, counts, shared
            ),
            _limits(settings.server),
            counts,
            factory=True,
            http=FrontDoorProtocol,
            workers=1 if reload else settings.server.workers,
            reload=reload,
            reload_dirs=[str(configuration.project)] if reload else None,
            lifespan="on",
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            # The gateway's own, from the record of each exchange.
            access_log=False,
            log_config=None,
            timeout_keep_alive=settings.server.keep_alive_seconds,
            # How long a worker that replaces another (SIGHUP) may take to start.
            timeout_worker_healthcheck=math.ceil(settings.server.startup_seconds),
            timeout_graceful_shutdown=_seconds_for_requests(settings.server),
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
            ssl_keyfile_password=settings.server.tls_key_password.get_secret_value() or None,
        )
        with _figures_folder(wanted=several and settings.telemetry.metrics):
            return _run(config, configuration, listener, announce_address)


def _run(
    config: _Config,
    configuration: Configuration,
    listener: socket.socket,
    announce: Callable[[], None],
) -> int:
    server = configuration.checked().server
    try:
        if config.reload:
            target = uvicorn.Server(config).run
            _Reloader(config, target=target, sockets=[listener]).run_announced(announce)
            return 0
        if config.workers > 1:
            workers = _Workers(config, [listener])
            return workers.run_announced(announce, server.drain_seconds)
        return _serve_here(config, listener, announce)
    finally:
        listener.close()
        if server.unix_socket:
            (configuration.project / server.unix_socket).unlink(missing_ok=True)


def _serve_here(
    config: uvicorn.Config, listener: socket.socket, announce: Callable[[], None]
) -> int:
    server = _Server(config, announce)
    # uvicorn hands a signal on to whoever had it before, once it has stopped. Here that is nobody:
    # a stop that was asked for is a clean exit.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # A terminal that closes asks for a stop, too.
    signal.signal(signal.SIGHUP, lambda number, frame: signal.raise_signal(signal.SIGTERM))
    server.run(sockets=[listener])
    if not server.started:
        return _START_FAILED
    return _STILL_BUSY if server.lifespan.should_exit else 0


class _Config(uvicorn.Config):
    """What uvicorn's has no room for: the limits of connections, and what they count.

    Reloads an application that is not an import string, too: a callable does as well here.
    """

    def __init__(
        self,
        app: Callable[[], Starlette],
        limits: RequestLimits,
        counts: ConnectionCounts,
        **options: Any,
    ) -> None:
        super().__init__(app, **options)
        self.request_limits = limits
        self.connection_counts = counts

    @property
    def should_reload(self) -> bool:
        return self.reload

    def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop] | None:
        make = super().get_loop_factory()
        return None if make is None else functools.partial(self._loop, make)

    def _loop(self, make: Callable[[], asyncio.AbstractEventLoop]) -> asyncio.AbstractEventLoop:
        """An event loop, here and in each worker, that gives up handshakes of TLS in time.

        Until they are over the connection's protocol, which has the other deadlines, is not told of
        it; uvicorn has no setting for them.
        """
        loop = make()
        create_server = loop.create_server

        async def create_in_time(*where: Any, **options: Any) -> asyncio.AbstractServer:
            if self.ssl is not None and options.get("ssl") is self.ssl:
                options["ssl_handshake_timeout"] = self.request_limits.header_seconds
                # In this time the rest of a last answer is taken, too, and not the farewell alone.
                options["ssl_shutdown_timeout"] = self.request_limits.write_seconds
            return await create_server(*where, **options)

        loop.create_server = create_in_time  # type: ignore[assignment, method-assign]
        return loop


class _Server(uvicorn.Server):
    """Says where it listens once it really answers."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


class _Workers(Multiprocess):
    """Several serving processes on one socket."""

    def run_announced(self, announce: Callable[[], None], drain_seconds: float) -> int:
        self._announce = announce
        self._drain_seconds = drain_seconds
        self.run()
        codes = {process.exitcode for process in self.processes}
        if _START_FAILED in codes:
            return _START_FAILED
        return _STILL_BUSY if _STILL_BUSY in codes else 0

    def init_processes(self) -> None:
        super().init_processes()
        starting = list(self.processes)
        while starting and not self.should_exit.wait(0.05):
            self.handle_signals()
            if not starting[0].process.is_alive():
                return  # the supervisor deals with it
            if starting[0].is_ready(timeout=0.5):
                starting.pop(0)
        if not starting:
            self._announce()

    def join_all(self) -> None:
        # Each worker keeps the deadline itself, once it has got as far as to know of it.
        deadline = time.monotonic() + self._drain_seconds + 1
        for process in self.processes:
            process.process.join(max(deadline - time.monotonic(), 0))
            if process.process.is_alive():
                process.process.kill()
        super().join_all()


class _Reloader(ChangeReload):  # type: ignore[misc, valid-type]
    """One serving process that starts anew when a file changes."""

    def run_announced(self, announce: Callable[[], None]) -> None:
        announce()
        self.run()


def _application(
    configuration: Configuration,
    services: list[Service] | None,
    counts: ConnectionCounts,
    shared: Path | None,
) -> Starlette:
    """The root application, in the process that serves it, with uvicorn's handlers in place."""
    settings = configuration.checked()
    log_to_stderr(settings)
    try:
        services = services or load_services(configuration)
    except ConfigurationError as error:
        # A file changed since the supervisor looked.
        print(f"gateway: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(_START_FAILED)
    # A service may have configured logging for itself.
    log_to_stderr(settings)
    # What is loaded by now stays: the garbage collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    health = Health()
    on_stop_signal(StopSignals(health, settings.server))
    find = functools.partial(findings, settings, services, os.environ)
    surroundings = Surroundings(configuration, shared, find)
    return create_app(settings, services, health, counts, surroundings)


class StopSignals:
    """What signals to stop do: the first drains, the second ends the process at once."""

    def __init__(self, health: Health, server: ServerSettings) -> None:
        self._health = health
        self._server = server
        self._signals = 0

    def __call__(self, number: int, hand_on: Callable[[], None]) -> None:
        """A signal came; `hand_on` gives it to whoever had it before."""
        self._signals += 1
        if self._signals > 1:
            logger.warning("a second signal: exiting at once")
            logging.shutdown()
            os._exit(_STILL_BUSY)
        drain_seconds = self._server.drain_seconds
        self._health.drain(drain_seconds)
        # A thread of a WSGI service cannot be stopped, and Python waits for it at exit. The process
        # keeps its word all the same.
        _after(drain_seconds, lambda: _give_up(drain_seconds))
        delay = self._server.drain_delay_seconds
        if not delay:
            self._stop(hand_on)
            return
        logger.info("not ready any more; serving for %g s yet", delay)
        _after(delay, lambda: self._stop(hand_on))

    def _stop(self, hand_on: Callable[[], None]) -> None:
        try:
            self._health.stop()
        finally:
            hand_on()


def _after(seconds: float, act: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


def on_stop_signal(act: Callable[[int, Callable[[], None]], None]) -> None:
    """Act on SIGINT and SIGTERM, in the place of the handler that is there."""
    if threading.current_thread() is not threading.main_thread():
        return  # in somebody else's process; its owner stops it
    for number in (signal.SIGINT, signal.SIGTERM):
        previous = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None, previous: Any = previous) -> None:
            def hand_on() -> None:
                if callable(previous):
                    previous(received, frame)

            act(received, hand_on)

        signal.signal(number, handle)


def _give_up(drain_seconds: float) -> None:
    logger.error("still busy %g s after the signal (server.drain_seconds): exiting", drain_seconds)
    logging.shutdown()
    os._exit(_STILL_BUSY)


def log_to_stderr(settings: Settings) -> None:
    """Have everything logged there, as the settings say."""
    configure_logging(
        settings.server.log_level,
        settings.server.log_format,
        production=settings.environment == "production",
        stream=sys.stderr,
    )


def _limits(server: ServerSettings) -> RequestLimits:
    return RequestLimits(
        header_seconds=server.header_seconds,
        header_fields=server.header_fields,
        header_bytes=server.header_bytes,
        target_bytes=server.target_bytes,
        connections=server.connections,
        write_seconds=server.write_seconds,
    )


def _seconds_for_requests(server: ServerSettings) -> float:
    """How long running requests may take, once no more are accepted."""
    return max(server.drain_seconds - server.drain_delay_seconds, 0.0) * _SHARE_OF_REQUESTS


@contextlib.contextmanager
def _folder(*, wanted: bool) -> Iterator[Path | None]:
    """Where workers find each other: nobody else may, so it is never one that is there already."""
    if not wanted:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="gateway-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _figures_folder(*, wanted: bool) -> Iterator[None]:
    """Where workers keep their figures, so that each can tell those of all."""
    if not wanted or os.environ.get(SHARED_FOLDER_VARIABLE):
        yield
        return
    with _folder(wanted=True) as folder:
        os.environ[SHARED_FOLDER_VARIABLE] = str(folder)
        try:
            yield
        finally:
            del os.environ[SHARED_FOLDER_VARIABLE]
