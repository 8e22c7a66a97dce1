"""Whether visitors can be served now: asks each part, and says in one sentence what is wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from widget_server.errors import Fault, Refusal

PATIENCE_S = 3.0
OK = "ok"


class Readiness:
    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        self._checks = checks

    async def ask(self) -> dict[str, str]:
        """Each part by name with "ok" or what is wrong."""
        answers = await asyncio.gather(*(_answer(check) for check in self._checks.values()))
        return dict(zip(self._checks, answers, strict=True))


async def _answer(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await check()
    except Refusal as refusal:
        return refusal.message
    except Fault as fault:
        return str(fault)
    except TimeoutError:
        return "It does not answer."
    return OK
