"""The audit that never ends: the worker goes round through everything, slowly, and mends by the rules what it finds."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog

from widget_server.clock import Clock
from widget_server.domain.sites import Site
from widget_server.errors import Loading, StaleEpoch, Unavailable
from widget_server.store.audit import Audits, Tally
from widget_server.store.sites import Sites
from widget_server.use_cases.auditing import SUSPICIONS_MAX, Auditing, Look
from widget_server.use_cases.findings import Finding, Kind
from widget_server.use_cases.rebuilding import Rebuilding

ROUND_LENGTH = timedelta(seconds=30)
PAUSE_MIN_S = 0.0125
"""At most so often is there a step, of a hundred slots or so: some 2,000 slots a second, however many there are."""
PAUSE_MAX_S = 1.0

_MENDED = (
    *(Kind.BOOKED, Kind.HELD, Kind.LINE, Kind.MISSING_LINE, Kind.CLAIM, Kind.MISSING_CLAIM),
    *(Kind.DUE, Kind.BUDGET),
)

_log = structlog.get_logger()


Place = tuple[str, Kind, str]


class Rounds:
    def __init__(
        self,
        *,
        auditing: Auditing,
        rebuilding: Rebuilding,
        audits: Audits,
        sites: Sites,
        clock: Clock,
        length: timedelta = ROUND_LENGTH,
    ) -> None:
        self._auditing = auditing
        self._rebuilding = rebuilding
        self._audits = audits
        self._sites = sites
        self._clock = clock
        self._length_s = length.total_seconds()
        self._pauses_s: dict[str, float] = {}
        self._told: dict[str, set[Place]] = {}
        """Partition -> what the last round found and nobody here can mend: that is logged once."""

    async def first(self, partition: str) -> None:
        """At a worker's start: what Redis has lost while nobody watched. Sites without a loss notice nothing.

        A site of which bookings are missing is filled anew under a new epoch: Redis may count from an older state, and
        widgets have seen later versions. Raises Unavailable.
        """
        sites, tally = await self._sites_of(partition), Tally(partition, self._clock.now(), self._clock.now())
        found = await self._auditing.found(sites, thoroughly=False, step=partial(_count, tally))
        lost = {one.site_key for one in found if one.kind is Kind.BOOKED}
        if lost:
            _log.error("redis_lost_bookings", partition=partition, sites=sorted(lost))
        to_fill = [site for site in sites if site.key in lost]
        self._rebuilding.doubt(to_fill)
        await self._rebuilding.fill_all(to_fill)
        tally.found, tally.mended = len(found), len(lost)
        tally.mended += await self._mend([one for one in found if one.site_key not in lost])
        await self._keep(tally)

    async def go_round(self, partition: str) -> None:
        """Look at everything once, in about the length of a round, or in as long as it takes. Raises Unavailable."""
        loop, tally = asyncio.get_running_loop(), Tally(partition, self._clock.now(), self._clock.now())
        began_at_s, steps, unmended = loop.time(), 0, set[Place]()
        suspects: dict[Place, tuple[float, Finding]] = {}
        async for look in self._auditing.look(await self._sites_of(partition), thoroughly=False):
            steps += 1
            _count(tally, look)
            for one in look.suspicions[: SUSPICIONS_MAX - len(suspects)]:
                suspects.setdefault(one.place, (loop.time(), one))
            unmended |= await self._look_again(_taken(suspects, loop.time() - self._auditing.look_again_after_s), tally)
            await asyncio.sleep(self._pauses_s.get(partition, PAUSE_MIN_S))
        if suspects:
            await asyncio.sleep(self._auditing.look_again_after_s)
            unmended |= await self._look_again(_taken(suspects, loop.time()), tally)
        self._told[partition] = unmended
        await self._keep(tally)
        self._pauses_s[partition] = min(max(self._length_s / max(steps, 1), PAUSE_MIN_S), PAUSE_MAX_S)
        await asyncio.sleep(max(0.0, began_at_s + self._length_s - loop.time()))

    async def _look_again(self, suspicions: Sequence[Finding], tally: Tally) -> set[Place]:
        """Mend what is still wrong. What nobody here can mend is logged, unless it has been before, and returned."""
        found = await self._auditing.again(suspicions) if suspicions else []
        tally.found += len(found)
        tally.mended += await self._mend(found)
        unmended = {one.place: one for one in found if one.kind not in _MENDED}
        for place, one in unmended.items():
            if place not in self._told.get(tally.partition, ()):
                _log.error("audit_found", site=one.site_key, kind=one.kind.value, redis=one.redis, sql=one.sql)
        return set(unmended)

    async def _mend(self, found: Sequence[Finding]) -> int:
        """One after the other, so that each is logged by whoever has mended it. Raises Unavailable.

        A site of which one could not be mended is left to the next round.
        """
        sites = {site.key: site for site in await self._sites.all()} if found else {}
        mended, left_alone = 0, set[str]()
        for one in found:
            if one.kind not in _MENDED or one.site_key in left_alone:
                continue
            is_mended = await self._try_to_mend(sites, one)
            mended += is_mended is True
            if is_mended is None:
                left_alone.add(one.site_key)
        return mended

    async def _try_to_mend(self, sites: dict[str, Site], one: Finding) -> bool | None:
        """Whether it had to be; None where that could not be done."""
        try:
            if not await self._rebuilding.mend(sites, [one]):
                return False
        except (Loading, StaleEpoch) as problem:
            _log.warning("not_mended_yet", site=one.site_key, reason=str(problem))
            return None
        except Unavailable:
            raise  # Redis or SQL is not there, for nobody
        except Exception:
            _log.exception("worker_failed", task="audit", site=one.site_key)
            return None
        slots = [slot.id for slot in one.slots]
        _log.warning("audit_mended", site=one.site_key, kind=one.kind.value, slots=slots, redis=one.redis)
        return True

    async def _keep(self, tally: Tally) -> None:
        tally.ended_at = self._clock.now()
        await self._audits.keep(tally)

    async def _sites_of(self, partition: str) -> list[Site]:
        return await self._sites.of_partition(partition)


def _count(tally: Tally, look: Look) -> None:
    tally.looked_at += look.size


def _taken(suspects: dict[Place, tuple[float, Finding]], since_s: float) -> list[Finding]:
    """Out of those that wait, the ones that were suspicious by then."""
    due = [one for at_s, one in suspects.values() if at_s <= since_s]
    for one in due:
        del suspects[one.place]
    return due
