"""The only place that looks at all Redis keeps of a partition. It reads, in small steps, while others are served.

What one script writes together may be read here in several steps. So what was read counts only if the version beside it
was the same before and after; else it is read again, and left out where it never stands still.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import NamedTuple

from widget_server.domain.holds import HoldState
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.engine import kept, keys
from widget_server.engine.connection import Connection
from widget_server.engine.feed import NOTHING
from widget_server.engine.kept import DiaryEntry, KeptHold
from widget_server.engine.keys import SiteKeys
from widget_server.engine.wire import Reply, Word

SITES_AT_ONCE = 1_000
SCANNED_AT_ONCE, FILTERED_AT_ONCE = 500, 2_000
"""Most keys that Redis itself leaves out cost nobody else anything."""
DUE_AT_ONCE = 500
DAYS_AT_ONCE = 500
"""A service has two years of them. Others are served in between, and a busy machine answers so many within a second."""
READS_MAX = 3
_OF_DAYS = "*:[ds][al][yo]*:*"
"""Of keys of the kinds `day` and `slot`."""
_NAME_OF_DAY = re.compile(r"([^.:]+)[.:](\d{8})(T\d{4}Z\.\d+)?")
LIVE = (HoldState.HELD, HoldState.PAYING)

DiaryDay = tuple[str, date]
"""Somebody's name and a day of UTC."""


class FoundKey(NamedTuple):
    """A key of a site: `gate` has no name, a `day` the name `<service>:<date>`, a `diary` `<claimed>:<date>`, the
    others that of what they are of.
    """

    site_key: str
    kind: str
    name: str


class CountedLine(NamedTuple):
    hold_id: str
    seats: int
    deadline_ms: float
    """Or infinity."""


@dataclass(frozen=True, slots=True)
class CountedSlot:
    """How Redis counts a slot, and the lines that it has of it."""

    slot: Slot
    figures: str
    """As they stand there; empty where there are none."""
    held: int
    booked: int
    booked_version: int
    frees_ms: int | None
    lines: tuple[CountedLine, ...]

    @property
    def is_readable(self) -> bool:
        return not self.figures or _figures(self.figures) is not None

    @property
    def is_quiet(self) -> bool:
        """Nobody holds any of it, as far as is counted."""
        return self.is_readable and self.held == 0 and self.frees_ms is None

    @property
    def seats_of_lines(self) -> int:
        return sum(line.seats for line in self.lines)

    @property
    def first_deadline_ms(self) -> int | None:
        return min((int(line.deadline_ms) for line in self.lines if line.deadline_ms != inf), default=None)


class Filling(NamedTuple):
    epoch: int
    begun_at: str
    """A place in the feed: all that stands before it was there when the filling began."""


@dataclass(frozen=True, slots=True)
class NotedHold:
    """A hold, and the scores under which it stands wherever a live one does; None where it does not."""

    hold: KeptHold
    lines: tuple[float | None, ...]
    claims: tuple[float | None, ...]
    """Of `hold.entries`."""
    due: float | None
    visitor: float | None
    network: float | None

    @property
    def score(self) -> float:
        """Of its lines, and in the budgets."""
        return inf if self.hold.state is HoldState.PAYING else self.hold.expires_ms


class Inspection:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def keys(self, partition: str) -> AsyncIterator[list[FoundKey]]:
        """All keys of all sites, in one pass and in chunks; some perhaps twice, some chunks empty. Raises Unavailable.

        What is there all the time is found. It takes a second or so for a million keys, during which others are served.
        """
        async for chunk in self._scan(partition, "*", SCANNED_AT_ONCE):
            yield chunk

    async def days(self, partition: str) -> dict[str, dict[str, list[str]]]:
        """Site key -> day, as in `BookedDay` -> those of its slots that have lines. Raises Unavailable.

        All days that Redis counts seats of or has lines of: what is there all the time is found, what comes meanwhile
        perhaps.
        """
        days: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        async for chunk in self._scan(partition, _OF_DAYS, FILTERED_AT_ONCE):
            for site_key, kind, name in chunk:
                found = _NAME_OF_DAY.fullmatch(name) if kind in ("day", "slot") else None
                if found is not None:
                    days[site_key][f"{found[1]}.{found[2]}"].update([name] if found[3] else [])
        return {key: {day: sorted(slots) for day, slots in of_site.items()} for key, of_site in days.items()}

    async def counted(self, site: Site, slots: Sequence[Slot]) -> dict[Slot, CountedSlot]:
        """How Redis counts these slots; those that never stood still are left out. Raises Unavailable."""
        of_site = keys.of_site(site.partition, site.key)
        found: dict[Slot, CountedSlot] = {}
        for _ in range(READS_MAX):
            missing = [slot for slot in slots if slot not in found]
            reads: list[Sequence[Word]] = []
            for slot in missing:
                day, lines = of_site.seats(slot.id)
                field = ("HGET", day, slot.id.partition("T")[2])
                reads += [field, ("ZRANGE", lines, 0, -1, "WITHSCORES"), field]
            answers = await self._connection.read(*reads) if reads else []
            for slot, before, lines, after in zip(missing, answers[::3], answers[1::3], answers[2::3], strict=True):
                if before == after:
                    found[slot] = _counted(slot, before or "", lines)
        return found

    async def line_counts(self, site: Site, slots: Sequence[Slot]) -> list[int]:
        """How many lines each of these slots has. Raises Unavailable."""
        of_site = keys.of_site(site.partition, site.key)
        reads = [("ZCARD", of_site.seats(slot.id)[1]) for slot in slots]
        return await self._connection.read(*reads) if reads else []

    async def booked(self, site: Site, slots: Sequence[Slot]) -> list[tuple[int, int]]:
        """The booked seats of each of these slots, and the store's version of them. Raises Unavailable."""
        return [(one.booked, one.booked_version) for one in await self._figures(site, slots)]

    async def counted_on(self, site: Site, days: Sequence[str]) -> list[CountedSlot]:
        """All slots of these days that Redis counts, without their lines. Raises Unavailable."""
        prefix = keys.of_site(site.partition, site.key).prefix
        names = [f"{prefix}day:{day}" for day in days]
        found = await self._connection.read(*(("HGETALL", name) for name in names)) if names else []
        counted: list[CountedSlot] = []
        for name, fields in zip(names, found, strict=True):
            figures = dict(zip(keys.slot_ids(name, fields[::2]), fields[1::2], strict=True))
            counted += [_counted(slot, figures[slot.id], ()) for slot in parsed(figures)]
        return counted

    async def held_on(self, site: Site, services: Iterable[str], days: Sequence[date]) -> dict[Slot, int]:
        """How many seats are held of the slots of these services that start on these UTC days, without those of which
        none are. What has expired and was not swept yet counts. Raises Unavailable.
        """
        of_site = keys.of_site(site.partition, site.key)
        names = [of_site.day(service, day) for service in services for day in days]
        held: dict[Slot, int] = {}
        for at in range(0, len(names), DAYS_AT_ONCE):
            chunk = names[at : at + DAYS_AT_ONCE]
            found = await self._connection.read(*(("HGETALL", name) for name in chunk))
            for name, fields in zip(chunk, found, strict=True):
                figures = zip(keys.slot_ids(name, fields[::2]), fields[1::2], strict=True)
                counts = {slot_id: text.partition(":")[0] for slot_id, text in figures}
                held |= {slot: int(counts[slot.id]) for slot in parsed(s for s, n in counts.items() if n.strip("0"))}
        return held

    async def not_held(self, site: Site, slot_ids: Sequence[str]) -> list[Slot]:
        """Those of these slots, which have lines, of which no seats are counted as held. Raises Unavailable."""
        return [one.slot for one in await self._figures(site, parsed(slot_ids)) if not one.held]

    async def holds(self, site: Site, hold_ids: Sequence[str]) -> dict[str, KeptHold | None]:
        """Raises Unavailable."""
        of_site = keys.of_site(site.partition, site.key)
        reads = [("HMGET", of_site.hold(hold_id), *kept.HOLD_FIELDS) for hold_id in hold_ids]
        answers = await self._connection.read(*reads) if reads else []
        return {
            hold_id: kept.kept_hold(site.key, hold_id, fields)
            for hold_id, fields in zip(hold_ids, answers, strict=True)
        }

    async def fences(self, site: Site, hold_ids: Sequence[str]) -> dict[str, int]:
        """Of those of these holds whose customers are paying. Raises Unavailable."""
        of_site = keys.of_site(site.partition, site.key)
        reads = [("HMGET", of_site.hold(hold_id), "state", "fence") for hold_id in hold_ids]
        answers = await self._connection.read(*reads) if reads else []
        found = zip(hold_ids, answers, strict=True)
        return {hold_id: int(fence) for hold_id, (state, fence) in found if state == HoldState.PAYING}

    async def noted(self, site: Site, hold_ids: Sequence[str]) -> list[NotedHold]:
        """Those of these holds that live, and where they stand; left out what moves. Raises Unavailable."""
        of_site = keys.of_site(site.partition, site.key)
        holds = [
            hold for hold in (await self.holds(site, hold_ids)).values() if hold is not None and hold.state in LIVE
        ]
        reads: list[Sequence[Word]] = []
        for hold in holds:
            reads += [("ZSCORE", of_site.seats(line.slot.id)[1], f"{hold.id}:{line.seats}") for line in hold.lines]
            reads += _scores_of(of_site, hold.entries)
            reads += [("ZSCORE", of_site.partition.due, keys.due_member(site.key, hold.id))]
            reads += [("ZSCORE", of_site.visitor(hold.visitor), hold.id)]
            reads += [("ZSCORE", of_site.network(hold.network), hold.id)]
            reads += [("HGET", of_site.hold(hold.id), "version")]
        answers = iter(await self._connection.read(*reads) if reads else [])
        noted = []
        for hold in holds:
            of_lines = tuple([_score(next(answers)) for _ in hold.lines])
            of_claims = tuple([_score(next(answers)) for _ in hold.entries])
            others = [_score(next(answers)) for _ in range(3)]
            if next(answers) == str(hold.version):
                noted.append(NotedHold(hold, of_lines, of_claims, *others))
        return noted

    async def claim_counts(self, site: Site, diaries: Sequence[DiaryDay]) -> list[int]:
        """About how many claims each of these diaries has. Raises Unavailable."""
        of_site = keys.of_site(site.partition, site.key)
        reads = [("ZCARD", of_site.diary(*diary)) for diary in diaries]
        return await self._connection.read(*reads) if reads else []

    async def claims(self, site: Site, diaries: Sequence[DiaryDay]) -> list[tuple[DiaryEntry, float]]:
        """All that stands in these diaries, with its score. Raises Unavailable."""
        of_site = keys.of_site(site.partition, site.key)
        reads = [("ZRANGE", of_site.diary(*diary), 0, -1, "WITHSCORES") for diary in diaries]
        answers = await self._connection.read(*reads) if reads else []
        return [
            (DiaryEntry(*diary, member), float(score))
            for diary, members in zip(diaries, answers, strict=True)
            for member, score in zip(members[::2], members[1::2], strict=True)
            if member != kept.COUNT
        ]

    async def claim_scores(self, site: Site, entries: Sequence[DiaryEntry]) -> list[float | None]:
        """None for those that stand nowhere. Raises Unavailable."""
        reads = _scores_of(keys.of_site(site.partition, site.key), entries)
        return [_score(answer) for answer in (await self._connection.read(*reads) if reads else [])]

    async def budgets(self, site: Site, names: Sequence[tuple[str, str]]) -> list[list[str]]:
        """The hold ids in each of these sets, by kind (visitor or network) and name. Raises Unavailable."""
        prefix = keys.of_site(site.partition, site.key).prefix
        reads = [("ZRANGE", f"{prefix}{kind}:{name}", 0, -1) for kind, name in names]
        return await self._connection.read(*reads) if reads else []

    async def due(self, partition: str) -> AsyncIterator[list[tuple[str, str]]]:
        """Site key and hold id of all that is due some time, in chunks; some perhaps twice. Raises Unavailable."""
        cursor, due = "0", keys.of_partition(partition).due
        while True:
            ((cursor, found),) = await self._connection.read(("ZSCAN", due, cursor, "COUNT", DUE_AT_ONCE))
            yield [(site_key, hold_id) for site_key, _, hold_id in (member.partition("/") for member in found[::2])]
            if cursor == "0":
                return

    async def still_due(self, site: Site, hold_ids: Sequence[str]) -> list[str]:
        """Those of these holds that are due some time. Raises Unavailable."""
        due = keys.of_site(site.partition, site.key).partition.due
        reads = [("ZSCORE", due, keys.due_member(site.key, hold_id)) for hold_id in hold_ids]
        scores = await self._connection.read(*reads) if reads else []
        return [hold_id for hold_id, score in zip(hold_ids, scores, strict=True) if score is not None]

    async def epochs(self, sites: Sequence[Site]) -> list[int | None]:
        """The epoch in which each of the sites is open in this Redis; None where it is not. Raises Unavailable."""
        gates: list[Reply] = []
        for at in range(0, len(sites), SITES_AT_ONCE):
            chunk = [keys.of_site(site.partition, site.key).gate for site in sites[at : at + SITES_AT_ONCE]]
            gates += await self._connection.read(*(("HMGET", gate, *kept.GATE_FIELDS) for gate in chunk))
        return [int(epoch) if state == "OPEN" else None for epoch, state, _ in gates]

    async def fillings(self, sites: Sequence[Site]) -> list[Filling | None]:
        """The newest filling of each of the sites, under way or done; None where there is none. Raises Unavailable."""
        gates: list[Reply] = []
        for at in range(0, len(sites), SITES_AT_ONCE):
            chunk = [keys.of_site(site.partition, site.key).gate for site in sites[at : at + SITES_AT_ONCE]]
            gates += await self._connection.read(*(("HMGET", gate, "epoch", "begun_at") for gate in chunk))
        return [Filling(int(epoch), begun_at or NOTHING) if epoch else None for epoch, begun_at in gates]

    async def now_ms(self, partition: str) -> int:
        """The partition's clock. Raises Unavailable."""
        return kept.now_ms(*await self._connection.read(*kept.clock_reads(keys.of_partition(partition).clock)))

    async def _scan(self, partition: str, pattern: str, at_once: int) -> AsyncIterator[list[FoundKey]]:
        cursor, prefix = "0", keys.of_site(partition, "").prefix.removesuffix(":")
        while True:
            scan = ("SCAN", cursor, "MATCH", prefix + pattern, "COUNT", at_once)
            ((cursor, names),) = await self._connection.read(scan)
            yield [found for name in names if (found := _found(name.removeprefix(prefix))) is not None]
            if cursor == "0":
                return

    async def _figures(self, site: Site, slots: Sequence[Slot]) -> list[CountedSlot]:
        """Without their lines; each day is read once."""
        of_site = keys.of_site(site.partition, site.key)
        by_day: defaultdict[str, list[Slot]] = defaultdict(list)
        for slot in slots:
            by_day[of_site.seats(slot.id)[0]].append(slot)
        reads = [("HMGET", day, *(slot.id.partition("T")[2] for slot in of_day)) for day, of_day in by_day.items()]
        answers = await self._connection.read(*reads) if reads else []
        found = {
            slot: _counted(slot, figures or "", ())
            for of_day, fields in zip(by_day.values(), answers, strict=True)
            for slot, figures in zip(of_day, fields, strict=True)
        }
        return [found[slot] for slot in slots]


def parsed(slot_ids: Iterable[str]) -> list[Slot]:
    """The slots of these ids, without those that are none: nobody could hold or book them."""
    slots = []
    for slot_id in slot_ids:
        try:
            slots.append(Slot.parse(slot_id))
        except ValueError:
            continue
    return slots


def diary_named(name: str) -> DiaryDay | None:
    """From the name of a `diary`; None where it is of no day."""
    claimed, _, day = name.rpartition(":")
    try:
        return claimed, date.fromisoformat(day)
    except ValueError:
        return None


def _scores_of(of_site: SiteKeys, entries: Iterable[DiaryEntry]) -> list[Sequence[Word]]:
    return [("ZSCORE", of_site.diary(claimed, day), member) for claimed, day, member in entries]


def _found(rest: str) -> FoundKey | None:
    """From a key without its partition: `<site>:<kind>:<name>`. None for a key of the partition itself."""
    site_key, _, of_site = rest.partition(":")
    kind, _, name = of_site.partition(":")
    return FoundKey(site_key, kind, name) if kind else None


def _counted(slot: Slot, figures: str, lines: Sequence[str]) -> CountedSlot:
    held, booked, _, booked_version, frees_ms = _figures(figures) or (0, 0, 0, 0, None)
    pairs = ((member.rpartition(":"), score) for member, score in zip(lines[::2], lines[1::2], strict=True))
    return CountedSlot(
        slot=slot,
        figures=figures,
        held=held,
        booked=booked,
        booked_version=booked_version,
        frees_ms=frees_ms,
        lines=tuple([CountedLine(hold_id, int(seats), float(score)) for (hold_id, _, seats), score in pairs]),
    )


def _figures(text: str) -> tuple[int, int, int, int, int | None] | None:
    """`held:booked:version:booked_version`, and `:frees_ms` while something is held; None for anything else."""
    parts = text.split(":")
    if len(parts) not in (4, 5) or not all(part.isdecimal() for part in parts):
        return None
    held, booked, version, booked_version = map(int, parts[:4])
    return held, booked, version, booked_version, int(parts[4]) if len(parts) == 5 else None


def _score(answer: Reply) -> float | None:
    return None if answer is None else float(answer)
