"""The only place for what a worker does again and again, whatever goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from widget_server.errors import Refusal

_FAILED_PAUSE_S = 1.0

_log = structlog.get_logger()


async def forever(name: str, step: Callable[[], Awaitable[None]]) -> None:
    """Again and again; what is not there now may be there in a second."""
    while True:
        if not await _tried(name, step()):
            await asyncio.sleep(_FAILED_PAUSE_S)


async def _tried(name: str, step: Awaitable[None]) -> bool:
    """Whether it went well. What nobody foresaw must not end the worker either, nor a server that runs with it."""
    try:
        await step
    except Refusal as problem:
        _log.warning("worker_waits", task=name, reason=problem.message)
    except Exception:
        _log.exception("worker_failed", task=name)
    else:
        return True
    return False
