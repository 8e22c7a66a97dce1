"""Whether visitors can be served now, in one sentence a part, and what workers say of their rounds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from widget_server.errors import Fault, Refusal, Unavailable
from widget_server.store.audit import Audits

Check = Callable[[], Awaitable[None]]

PATIENCE_S = 3.0
OK = "ok"


class Readiness:
    def __init__(
        self, checks: Mapping[str, Check], audits: Audits | None = None, *, notes: Mapping[str, Check] | None = None
    ) -> None:
        """`notes` are parts without which visitors are served all the same."""
        self._checks = checks
        self._audits = audits
        self._notes = notes or {}

    async def ask(self) -> dict[str, str]:
        """Each part by name with "ok" or what is wrong."""
        answers = await asyncio.gather(*(_answer(check) for check in self._checks.values()))
        return dict(zip(self._checks, answers, strict=True))

    async def notes(self) -> dict[str, str]:
        """What somebody should see to, although visitors can be served: only parts that something is wrong with."""
        told = await asyncio.gather(*(_note(check) for check in self._notes.values()))
        return {part: note for part, note in zip(self._notes, told, strict=True) if note}

    async def figures(self) -> dict[str, float]:
        """What workers have left in SQL, as names and values of metrics; nothing while SQL is away."""
        if self._audits is None:
            return {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                rounds, backlogs = await self._audits.last_rounds(), await self._audits.backlogs()
        except (Unavailable, TimeoutError):
            return {}
        figures = {"tenuto_outbox_waiting": float(sum(one.waiting for one in backlogs.values()))}
        for one in rounds:
            of = f'{{partition="{one.partition}"}}'
            figures[f"tenuto_audit_ended_timestamp_seconds{of}"] = one.ended_at.timestamp()
            figures[f"tenuto_audit_looked_at{of}"] = float(one.looked_at)
            figures[f"tenuto_audit_found{of}"] = float(one.found)
            figures[f"tenuto_audit_mended_total{of}"] = float(one.mended_ever)
        return figures


async def _answer(check: Check) -> str:
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


async def _note(check: Check) -> str:
    """Empty also where nobody can look just now: the part that is missing tells of itself."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await check()
    except Fault as fault:
        return str(fault)
    except (Refusal, TimeoutError):
        pass
    return ""
