"""The only place that runs processes: sockets, signals, and an end in the right order."""

import asyncio
import errno
import gc
import resource
import signal
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from widget_server.connections import PunctualProtocol
from widget_server.engine.embedded import EmbeddedRedis
from widget_server.errors import Fault
from widget_server.live.hub import Hub

GRACE_S = 5
_BACKLOG = 2048
_YOUNG_OBJECTS = 10_000
"""About what a hundred requests under way are made of; they need no garbage collector, they end by themselves."""
_DEAF_MAX_MS = 60_000
_FILES_MAX = 65_536
_FILES_OF_OUR_OWN = 128
"""Kept free for Redis, SQL and static files, whatever visitors do."""
_LOOPBACK = {"localhost": ("127.0.0.1", "::1")}


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """The port on each address of the host; for localhost on both loopbacks. Raises Fault where it is taken."""
    opened: list[socket.socket] = []
    try:
        for address in _LOOPBACK.get(host, (host,)):
            try:
                opened.append(_listener(address, port))
            except OSError as trouble:
                if opened and trouble.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue  # a machine without IPv6
                raise Fault(_why_not(port, trouble)) from trouble
        yield opened
    finally:
        for listener in opened:
            listener.close()


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=_BACKLOG)
    _give_up_on_the_deaf(listener)
    return listener


def run(main: Coroutine[Any, Any, None]) -> None:
    """Like asyncio.run, on the fastest event loop there is: uvloop, where it runs."""
    with asyncio.Runner(loop_factory=_config(None).get_loop_factory()) as runner:
        runner.run(main)


async def serve(app: ASGIApp, sockets: list[socket.socket], hub: Hub, redis: EmbeddedRedis | None, *extra: Any) -> None:
    """Serve until a signal comes; then say goodbye to open streams first, so that nothing waits for them."""
    _spare_the_collector()
    connections_max = _raised_file_limit() - _FILES_OF_OUR_OWN
    hub.fit_into(connections_max)
    server = _Server(_config(app, connections_max=connections_max))
    serving = asyncio.create_task(server.serve(sockets=sockets))

    async def stop_serving() -> None:
        hub.goodbye()
        server.should_exit = True
        await serving

    await run_until_signal([serving, *_keeping(redis), *(asyncio.create_task(task) for task in extra)], stop_serving)


async def work(redis: EmbeddedRedis | None, *tasks: Coroutine[Any, Any, None]) -> None:
    """Run tasks until a signal comes."""
    _spare_the_collector()

    async def nothing() -> None:
        return

    await run_until_signal([*_keeping(redis), *(asyncio.create_task(task) for task in tasks)], nothing)


async def run_until_signal(tasks: list[asyncio.Task[None]], stop: Any) -> None:
    """Until a signal comes, or one of the tasks ends, whose trouble is then ours."""
    signalled = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    waiting = asyncio.create_task(signalled.wait())
    try:
        ended, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        await stop()
        for task in ended:
            task.result()
    finally:
        for task in (waiting, *tasks):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(waiting, *tasks, return_exceptions=True)


def _spare_the_collector() -> None:
    """What is there by now stays. If the garbage collector went through all of it again and again, a request would take
    a third longer while many are under way, and all that is due in a tenth of a second would wait for it."""
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


def _raised_file_limit() -> int:
    """As many open files, and so connections, as this process may have, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _FILES_MAX)
    if wanted > soft:
        with suppress(OSError, ValueError):  # macOS calls its limit infinite, and has one all the same
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft


def _config(app: Any, *, connections_max: int | None = None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PunctualProtocol,
        ws="none",
        limit_concurrency=connections_max,  # more are answered with 503, so that there is always a file for a door
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        proxy_headers=False,  # whose word counts about where a request is from is for guards.py to say
    )


def _keeping(redis: EmbeddedRedis | None) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(redis.keep())] if redis is not None else []


def _give_up_on_the_deaf(listener: socket.socket) -> None:
    """A client that takes nothing for so long is gone; without this its connection stays for a quarter of an hour."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAF_MAX_MS)


def _why_not(port: int, trouble: OSError) -> str:
    if trouble.errno == errno.EADDRINUSE:
        return f"Port {port} is taken: end what uses it, or choose another in TENUTO_PORT."
    return f"Port {port} cannot be opened: {trouble.strerror}."


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: uvicorn raises them again after its own end, and nothing behind it would be cleaned up."""
        yield
