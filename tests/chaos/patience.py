"""Waiting for what will be so."""

import asyncio
from collections.abc import Awaitable, Callable

STEP_S = 0.05
PATIENCE_S = 60.0
"""Nobody waits so long but on a machine that is busy with something else."""


async def until(is_so: Callable[[], Awaitable[bool]], *, patience_s: float = PATIENCE_S) -> None:
    """Raises TimeoutError where it never is."""
    async with asyncio.timeout(patience_s):
        while True:
            if await is_so():
                return
            await asyncio.sleep(STEP_S)
