"""Comparing Redis with SQL: what each of them keeps is looked at once, in small steps, and nothing is changed.

What changes while it is looked at may look wrong for a moment. So everything suspicious is looked at a second time, and
only what is still wrong then is a finding.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, TypeVar

from widget_server.clock import Clock, from_ms, iso, to_ms
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine.inspection import CountedLine, CountedSlot, FoundKey, Inspection, diary_named
from widget_server.engine.kept import BOOKED, DiaryEntry, entries_of
from widget_server.store.audit import Audits, CountedMeeting
from widget_server.store.sites import Sites
from widget_server.use_cases import findings
from widget_server.use_cases.findings import Finding, Kind

AT_ONCE = 25
LINES_AT_ONCE = 100
"""Of slots that many hold. The worker ends holds in the same event loop: what is due while it looks at so many waits
for a millisecond or so."""
SUSPICIONS_MAX = 10_000
"""More of them are not looked at again in this round; what is wrong stays wrong until the next."""
LOOK_AGAIN_AFTER = timedelta(seconds=2.5)
"""As long as whoever books or cancels has before the worker tells Redis in their place, and a moment."""
RESOLVED_WITHIN = timedelta(seconds=30)
UNTOLD_MAX = timedelta(minutes=1)
COUNTED_BACK_TO = timedelta(days=1)
"""Meetings that began longer ago need no seats in Redis: they are neither restored nor compared."""
_DAYS_AT_ONCE = 5

_One = TypeVar("_One")


@dataclass(frozen=True, slots=True)
class Look:
    """One step: how much was looked at, and what seemed wrong."""

    slots: int = 0
    holds: int = 0
    meetings: int = 0
    claims: int = 0
    suspicions: tuple[Finding, ...] = ()

    @property
    def size(self) -> int:
        return self.slots + self.holds + self.meetings + self.claims


class Auditing:
    def __init__(
        self,
        *,
        inspection: Inspection,
        audits: Audits,
        sites: Sites,
        clock: Clock,
        look_again_after: timedelta = LOOK_AGAIN_AFTER,
    ) -> None:
        self._inspection = inspection
        self._audits = audits
        self._sites = sites
        self._clock = clock
        self.look_again_after_s = look_again_after.total_seconds()

    async def found(
        self, sites: Sequence[Site], *, thoroughly: bool = True, step: Callable[[Look], None] = lambda _: None
    ) -> list[Finding]:
        """Look at everything, and after a moment once more at what was suspicious. Raises Unavailable."""
        suspicions: list[Finding] = []
        async for look in self.look(sites, thoroughly=thoroughly):
            suspicions += look.suspicions[: SUSPICIONS_MAX - len(suspicions)]
            step(look)
        if not suspicions:
            return []
        await asyncio.sleep(self.look_again_after_s)
        return await self.again(suspicions)

    async def look(self, sites: Sequence[Site], *, thoroughly: bool = True) -> AsyncIterator[Look]:
        """Once at everything that Redis and SQL keep of these sites, in steps of a few milliseconds.

        Unless `thoroughly`, records of what is over are left out. Raises Unavailable.
        """
        for partition in sorted({site.partition for site in sites}):
            of_partition = {site.key: site for site in sites if site.partition == partition}
            yield Look(suspicions=tuple(await self._gates(list(of_partition.values()))))
            async for look in self._look_at_redis(partition, of_partition):
                yield look
        yield Look(suspicions=tuple(await self._outbox(sites)))
        for site in sites:
            async for look in self._look_at_sql(site, thoroughly=thoroughly):
                yield look

    async def again(self, suspicions: Iterable[Finding]) -> list[Finding]:
        """What of this is still wrong, some time later. Raises Unavailable."""
        first = {suspicion.place: suspicion for suspicion in suspicions}
        by_site: defaultdict[str, list[Finding]] = defaultdict(list)
        for suspicion in first.values():
            by_site[suspicion.site_key].append(suspicion)
        sites = {site.key: site for site in await self._sites.all()}  # by now perhaps in another epoch
        still = [
            found
            for site_key, of_site in by_site.items()
            if site_key in sites
            for found in await self._again(sites[site_key], of_site)
        ]
        return [found for found in still if found.place in first and first[found.place].is_still(found)]

    async def _again(self, site: Site, suspicions: Sequence[Finding]) -> list[Finding]:
        def slots_of(*kinds: Kind) -> list[Slot]:
            return list(dict.fromkeys(slot for one in suspicions if one.kind in kinds for slot in one.slots))

        holds = list(dict.fromkeys(one.hold_id for one in suspicions if one.hold_id is not None))
        sets = list(dict.fromkeys(of for one in suspicions if one.kind is Kind.BUDGET for of in findings.sets_of(one)))
        claims = list(dict.fromkeys(one.claim for one in suspicions if one.claim is not None))
        # Each begins when it is its turn: none is left that never began, where an earlier one fails.
        looks: Iterator[Coroutine[Any, Any, list[Finding]]] = chain(
            (self._slots(site, slots) for slots in _chunks(slots_of(Kind.BOOKED, Kind.HELD, Kind.LINE))),
            (self._holds(site, chunk) for chunk in _chunks(holds)),
            (self._still_due(site, chunk) for chunk in _chunks(holds)),
            (self._budgets(site, chunk) for chunk in _chunks(sets)),
            (self._claims_again(site, chunk) for chunk in _chunks(claims)),
            (self._meetings(site, slots) for slots in _chunks(slots_of(Kind.MEETING))),
        )
        found = await self._gates([site])
        found += [finding for look in looks for finding in await look]
        found += await self._outbox([site])
        return found + [one for one in suspicions if one.kind is Kind.OUTCOME]  # which nobody takes back

    async def _look_at_redis(self, partition: str, sites: dict[str, Site]) -> AsyncIterator[Look]:
        async for keys in self._inspection.keys(partition):
            by_site: defaultdict[str, list[FoundKey]] = defaultdict(list)
            for key in keys:
                by_site[key.site_key].append(key)
            yield Look()
            for site_key in sorted(by_site.keys() & sites.keys()):
                async for look in self._look_at_keys(sites[site_key], by_site[site_key]):
                    yield look
        async for refs in self._inspection.due(partition):
            for site_key in sorted({site_key for site_key, _ in refs} & sites.keys()):
                holds = [hold_id for key, hold_id in refs if key == site_key]
                for chunk in _chunks(holds, LINES_AT_ONCE):
                    yield Look(suspicions=tuple(await self._due(sites[site_key], chunk)))

    async def _look_at_keys(self, site: Site, keys: Sequence[FoundKey]) -> AsyncIterator[Look]:
        named: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            named[key.kind].append(key.name)
        for days in _chunks(named["day"], _DAYS_AT_ONCE):
            async for look in self._look_at_days(site, days):
                yield look
        for slots in _chunks(named["slot"], LINES_AT_ONCE):
            async for look in self._look_at_slots(site, await self._inspection.not_held(site, slots)):
                yield look
        async for look in self._look_at_holds(site, named):
            yield look
        async for look in self._look_at_diaries(site, named["diary"]):
            yield look

    async def _look_at_holds(self, site: Site, named: Mapping[str, Sequence[str]]) -> AsyncIterator[Look]:
        for holds in _chunks(named.get("hold", ())):
            yield Look(holds=len(holds), suspicions=tuple(await self._holds(site, holds)))
        for sets in _chunks([(kind, name) for kind in ("visitor", "network") for name in named.get(kind, ())]):
            yield Look(suspicions=tuple(await self._budgets(site, sets)))

    async def _look_at_diaries(self, site: Site, names: Sequence[str]) -> AsyncIterator[Look]:
        """Nobody asks any more who was busy on days that are over."""
        today = self._clock.now().astimezone(UTC).date()
        diaries = [diary for name in names if (diary := diary_named(name)) is not None and diary[1] >= today]
        for chunk in _chunks(diaries):
            for some in _weighed(chunk, await self._inspection.claim_counts(site, chunk)):
                for claims in _chunks(await self._inspection.claims(site, some), LINES_AT_ONCE):
                    yield Look(claims=len(claims), suspicions=tuple(await self._claims(site, claims)))

    async def _look_at_days(self, site: Site, days: Sequence[str]) -> AsyncIterator[Look]:
        """Most slots are held by nobody: of these the booked seats are all there is to compare."""
        counted = await self._inspection.counted_on(site, days)
        for chunk in _chunks([one for one in counted if one.is_quiet]):
            in_sql = await self._audits.booked_of(site.id, [one.slot for one in chunk])
            yield Look(slots=len(chunk), suspicions=tuple(self._booked(site, chunk, in_sql)))
        async for look in self._look_at_slots(site, [one.slot for one in counted if not one.is_quiet]):
            yield look

    async def _look_at_slots(self, site: Site, slots: Sequence[Slot]) -> AsyncIterator[Look]:
        for chunk in _chunks(slots):
            yield Look(slots=len(chunk), suspicions=tuple(await self._slots(site, chunk)))

    async def _look_at_sql(self, site: Site, *, thoroughly: bool) -> AsyncIterator[Look]:
        async for meetings in self._audits.meetings(site.id, self._counted_from()):
            unsound = findings.unsound(site.key, meetings)
            differing = [
                finding
                for slots in _chunks(await self._differing(site, meetings))
                for finding in await self._slots(site, slots)
            ]
            yield Look(meetings=len(meetings), suspicions=(*unsound, *differing))
        async for assigned in self._audits.assignments(site.id, self._clock.now()):
            for entries in _chunks(entries_of(assigned), LINES_AT_ONCE):
                yield Look(claims=len(entries), suspicions=tuple(await self._unclaimed(site, entries)))
        if thoroughly:
            async for holds in self._audits.without_order(site.id):
                yield Look(suspicions=tuple(findings.without_order(site.key, hold_id) for hold_id in holds))

    async def _gates(self, sites: Sequence[Site]) -> list[Finding]:
        epochs = zip(sites, await self._inspection.epochs(sites), strict=True)
        return [findings.gate(site.key, epoch, site.epoch) for site, epoch in epochs if epoch != site.epoch]

    async def _differing(self, site: Site, meetings: Sequence[CountedMeeting]) -> list[Slot]:
        """Slots of which SQL and Redis do not count the same; most do, and need no closer look."""
        known = await self._inspection.booked(site, [meeting.seats.slot for meeting in meetings])
        of_sql = [(meeting.seats.booked, meeting.seats.version) for meeting in meetings]
        return [
            meeting.seats.slot
            for meeting, in_redis, in_sql in zip(meetings, known, of_sql, strict=True)
            if in_redis != in_sql
        ]

    async def _slots(self, site: Site, slots: Sequence[Slot]) -> list[Finding]:
        """Redis is read first: SQL, read later, then has each version that Redis may have been told."""
        counted: list[CountedSlot] = []
        found: list[Finding] = []
        counted_from = self._counted_from()
        for some in _weighed(slots, await self._inspection.line_counts(site, slots)):
            read = list((await self._inspection.counted(site, some)).values())
            to_compare = [one for one in read if one.slot.starts_at >= counted_from]
            found += [finding for one in to_compare for finding in findings.held(site.key, one)]
            found += await self._lines(site, [(one.slot, line) for one in read for line in one.lines])
            counted += read
        return found + self._booked(site, counted, await self._audits.booked_of(site.id, slots))

    async def _lines(self, site: Site, lines: Sequence[tuple[Slot, CountedLine]]) -> list[Finding]:
        found: list[Finding] = []
        for chunk in _chunks(lines, LINES_AT_ONCE):
            holds = await self._inspection.holds(site, list(dict.fromkeys(line.hold_id for _, line in chunk)))
            found += findings.lines(site.key, chunk, holds)
        return found

    def _booked(self, site: Site, counted: Sequence[CountedSlot], in_sql: Mapping[Slot, BookedSeats]) -> list[Finding]:
        counted_from = self._counted_from()
        return [
            finding
            for one in counted
            if one.slot.starts_at >= counted_from
            for finding in findings.booked(site.key, one, in_sql.get(one.slot, BookedSeats(one.slot, 0, 0)))
        ]

    def _counted_from(self) -> datetime:
        return self._clock.now() - COUNTED_BACK_TO

    async def _holds(self, site: Site, hold_ids: Sequence[str]) -> list[Finding]:
        now_ms = await self._inspection.now_ms(site.partition)
        noted = await self._inspection.noted(site, hold_ids)
        found = [finding for one in noted for finding in findings.noted(site.key, one, now_ms)]
        pinned = [one.hold for one in noted if one.hold.state is HoldState.PAYING]
        now = from_ms(now_ms)
        overdue = [hold.id for hold in pinned if from_ms(hold.expires_ms) + RESOLVED_WITHIN < now]
        if overdue:
            being_paid = await self._audits.being_paid(site.id, overdue)
            overdue = [hold_id for hold_id in overdue if hold_id not in being_paid]
        decided = await self._audits.decided(site.id, overdue) if overdue else set()
        return found + [findings.pin(site.key, hold_id, is_decided=hold_id in decided) for hold_id in overdue]

    async def _budgets(self, site: Site, sets: Sequence[tuple[str, str]]) -> list[Finding]:
        """`sets`: visitor or network, and its hash."""
        members = await self._inspection.budgets(site, sets)
        holds = await self._inspection.holds(site, list(dict.fromkeys(one for ids in members for one in ids)))
        return [
            findings.stray(site.key, kind, name, hold_id)
            for (kind, name), ids in zip(sets, members, strict=True)
            for hold_id in ids
            if not findings.counts(holds[hold_id], kind, name)
        ]

    async def _claims(self, site: Site, standing: Sequence[tuple[DiaryEntry, float]]) -> list[Finding]:
        """They were read before SQL and the holds are: what was booked by then, SQL has."""
        booked = [entry for entry, score in standing if score == BOOKED]
        holds = list(dict.fromkeys(entry.hold_id for entry, score in standing if score != BOOKED))
        in_sql = set(await self._in_sql(site, booked))
        kept_holds = await self._inspection.holds(site, holds)
        return findings.claims(site.key, standing, kept_holds, in_sql, to_ms(self._clock.now()))

    async def _in_sql(self, site: Site, entries: Sequence[DiaryEntry]) -> list[DiaryEntry]:
        """Those that bookings of these holds and slots should have."""
        if not entries:
            return []
        slots = {claim.slot_id for entry in entries if (claim := entry.claim)}
        return entries_of(await self._audits.assignments_of(site.id, {entry.hold_id for entry in entries}, slots))

    async def _unclaimed(self, site: Site, entries: Sequence[DiaryEntry]) -> list[Finding]:
        scores = await self._inspection.claim_scores(site, entries)
        return findings.unclaimed(site.key, zip(entries, scores, strict=True))

    async def _claims_again(self, site: Site, entries: Sequence[DiaryEntry]) -> list[Finding]:
        scores = zip(entries, await self._inspection.claim_scores(site, entries), strict=True)
        found = await self._claims(site, [(entry, score) for entry, score in scores if score is not None])
        return found + await self._unclaimed(site, await self._in_sql(site, entries))

    async def _due(self, site: Site, hold_ids: Sequence[str]) -> list[Finding]:
        holds = await self._inspection.holds(site, hold_ids)
        return [finding for hold_id, hold in holds.items() for finding in findings.due(site.key, hold_id, hold)]

    async def _still_due(self, site: Site, hold_ids: Sequence[str]) -> list[Finding]:
        return await self._due(site, await self._inspection.still_due(site, hold_ids))

    async def _meetings(self, site: Site, slots: Sequence[Slot]) -> list[Finding]:
        return findings.unsound(site.key, await self._audits.meetings_of(site.id, slots))

    async def _outbox(self, sites: Sequence[Site]) -> list[Finding]:
        backlogs, late_before = await self._audits.backlogs(), self._clock.now() - UNTOLD_MAX
        late = [(site.key, of_site) for site in sites if (of_site := backlogs.get(site.id)) is not None]
        return [
            findings.untold(site_key, of_site.waiting, since=iso(of_site.oldest_at))
            for site_key, of_site in late
            if of_site.oldest_at < late_before
        ]


def _chunks(whole: Sequence[_One], size: int = AT_ONCE) -> Iterator[Sequence[_One]]:
    return (whole[at : at + size] for at in range(0, len(whole), size))


def _weighed(whole: Sequence[_One], lines: Sequence[int]) -> Iterator[list[_One]]:
    """As many slots at once as have LINES_AT_ONCE lines together, or diaries with claims, and at least one."""
    some: list[_One] = []
    weight = 0
    for one, count in zip(whole, lines, strict=True):
        if some and weight + count > LINES_AT_ONCE:
            yield some
            some, weight = [], 0
        some.append(one)
        weight += count
    if some:
        yield some
