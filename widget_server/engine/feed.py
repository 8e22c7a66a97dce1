"""The only place that reads the feed: every change of seats and schedules, in order, and past no gap in silence."""

import random
from asyncio import sleep, wait
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import hiredis

from widget_server.clock import to_ms
from widget_server.domain.claims import ClaimMoved
from widget_server.domain.events import ScheduleMoved, SeatsMoved, SiteReset, Update
from widget_server.domain.slots import Seats
from widget_server.engine import kept, keys
from widget_server.engine.connection import Connection
from widget_server.engine.wire import Reply, Wire, Word, good, pack
from widget_server.errors import Unavailable

BATCH_MAX = 512
BLOCK_MS = 1000
BEHIND_MAX = 1_000
SILENCE_MAX_S = 3.0
"""Longer than a read may block."""
NOTHING = "0-0"
ENTRIES_MIN = 200_000
"""A feed from which scripts have taken old entries away, to make room, has kept so many at least."""
_PAUSE_S = 0.3
_WOKEN_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Lost:
    """Updates up to `last_id` may have been missed: read everything anew. What follows is newer than that."""

    last_id: str
    after_id: str = field(default=NOTHING, compare=False)
    """What was read last before."""


class Trimmed(Lost):
    """We were too slow: what came next has made room for what is newer. Redis has forgotten nothing else."""


class Unreadable(Lost):
    """There are updates that this version cannot read, as of a newer one that runs beside it; nothing is gone."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What comes after a place in the feed, by the clock from which its ids are made."""

    now_ms: int
    ids: tuple[str, ...]
    """The first BEHIND_MAX."""


Found = list[Reply] | type[Lost]
"""Entries, or in which way there is a gap before them."""
Read = Callable[[Wire, str, str], Awaitable[tuple[str, list[Update] | Lost]]]


def is_after(feed_id: str, other: str) -> bool:
    """Whether a place in the feed comes after another one."""
    return tuple(map(int, feed_id.split("-"))) > tuple(map(int, other.split("-")))


def happened_ms(feed_id: str) -> int:
    return int(feed_id.partition("-")[0])


class Feed:
    def __init__(self, connection: Connection, *, entries_min: int = ENTRIES_MIN) -> None:
        self._connection = connection
        self._entries_min = entries_min

    async def last_id(self, partition: str) -> str:
        """Of the newest update; 0-0 where there is none. Raises Unavailable."""
        (last,) = await self._connection.read(_last(partition))
        return _id_of(last)

    async def tail(self, partition: str, count: int) -> list[Update]:
        """The newest updates, oldest first, as far back as they can be read. Raises Unavailable."""
        feed = keys.of_partition(partition).feed
        (entries,) = await self._connection.read(("XREVRANGE", feed, "+", "-", "COUNT", count))
        updates: list[Update] = []
        for entry in entries:
            update = _understood(entry)
            if update is None:
                break
            updates.append(update)
        return updates[::-1]

    async def behind(self, partition: str, feed_id: str) -> Behind:
        """How much there is after this update, as of now. Raises Unavailable."""
        feed = keys.of_partition(partition).feed
        after = ("XRANGE", feed, f"({feed_id}", "+", "COUNT", BEHIND_MAX)
        entries, (seconds, micros) = await self._connection.read(after, ("TIME",))
        return Behind(int(seconds) * 1000 + int(micros) // 1000, tuple(entry[0] for entry in entries))

    async def follow(self, partition: str, from_id: str | None = None) -> AsyncIterator[list[Update] | Lost]:
        """All updates after `from_id`, or from now on; endless.

        An empty list says that it listened and there was nothing new. While Redis is away nothing comes at all.

        Lost comes in place of updates when the one read last is gone, as Redis is older than it was or was emptied; and
        when another server than before has the feed: what it never got, nobody can see in it. Trimmed says that it only
        made room.
        Unreadable comes in place of those read together with one that cannot be understood.
        """
        async for news in self._listen(partition, from_id, self._read):
            yield news

    async def losses(self, partition: str, from_id: str) -> AsyncIterator[Lost]:
        """Each time that Redis may have forgotten something, as `follow` would find it; endless.

        For those who need not know what the updates say, nor of which they have missed.
        """
        async for news in self._listen(partition, from_id, self._skim):
            if isinstance(news, Lost) and not isinstance(news, Trimmed):
                yield news

    async def _listen(self, partition: str, from_id: str | None, read: Read) -> AsyncIterator[list[Update] | Lost]:
        feed, last_id, peer = keys.of_partition(partition).feed, from_id, ""
        while True:
            try:
                async with self._connection.waiting(feed, silence_max_s=SILENCE_MAX_S) as wire:
                    if last_id is None:
                        last_id = _id_of(await wire.ask(*_last(partition)))
                    elif wire.peer != (peer or wire.peer):
                        after_id, last_id = last_id, _id_of(await wire.ask(*_last(partition)))
                        yield Lost(last_id, after_id)
                    peer = wire.peer
                    while True:
                        last_id, news = await read(wire, partition, last_id)
                        yield news
            except (Unavailable, OSError, hiredis.ReplyError):
                await sleep(_PAUSE_S * random.uniform(0.5, 1.5))  # noqa: S311

    async def wait_until(self, partition: str, deadline: datetime | None) -> None:
        """Until this instant of the partition's clock, or until an earlier hold is due. Raises Unavailable.

        With None it waits for the first hold there is. Returns at once when either has passed already.
        """
        feed = keys.of_partition(partition).feed
        try:
            async with self._connection.waiting(feed, silence_max_s=SILENCE_MAX_S) as wire:
                while True:
                    last_id, left_ms = await _time_left(wire, partition, deadline)
                    if left_ms <= 0:
                        return
                    left_s = left_ms / 1000
                    news = wire.send(pack("XREAD", "COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", feed, last_id))
                    # The time is kept here: an idle Redis looks only ten times a second who has waited long enough.
                    await wait([news], timeout=left_s)
                    if not news.done():
                        return
                    if good(news.result()):
                        # Something moved, maybe a deadline; under load, look at the due set again only so often.
                        await sleep(min(_WOKEN_PAUSE_S, left_s))
        except (OSError, hiredis.ReplyError) as problem:
            raise Unavailable("Redis went away.") from problem

    async def _read(self, wire: Wire, partition: str, last_id: str) -> tuple[str, list[Update] | Lost]:
        """What came after `last_id`, and the last id then."""
        read_to, found = await self._entries(wire, partition, last_id)
        if isinstance(found, type):
            return read_to, found(read_to, last_id)
        updates = [update for update in map(_understood, found) if update is not None]
        return read_to, updates if len(updates) == len(found) else Unreadable(read_to, last_id)

    async def _skim(self, wire: Wire, partition: str, last_id: str) -> tuple[str, list[Update] | Lost]:
        """As `_read`, without looking at what the entries say."""
        read_to, found = await self._entries(wire, partition, last_id)
        return read_to, found(read_to, last_id) if isinstance(found, type) else []

    async def _entries(self, wire: Wire, partition: str, last_id: str) -> tuple[str, Found]:
        """The last id, and what came after `last_id`: looked for again, right after reading, or there is a gap."""
        feed = keys.of_partition(partition).feed
        answers = wire.send_all(
            ("XREAD", "COUNT", BATCH_MAX, "BLOCK", BLOCK_MS, "STREAMS", feed, last_id),
            ("XRANGE", feed, last_id, last_id),
            _last(partition),
        )
        streams, same, newest = [good(await answer) for answer in answers]
        if not same and last_id != NOTHING:
            return _id_of(newest), Trimmed if await self._made_room(wire, feed, last_id) else Lost
        entries = streams[0][1] if streams else []
        return (entries[-1][0] if entries else last_id), entries

    async def _made_room(self, wire: Wire, feed: str, last_id: str) -> bool:
        """Whether this entry is gone because newer ones came.

        A Redis that is older than it was has entries of before it, or nothing newer. One that was emptied, and is
        written anew, has few. Should so much have been written since that nothing shows, all who were quicker saw it.
        """
        answers = wire.send_all(("XRANGE", feed, "-", "+", "COUNT", 1), ("XLEN", feed))
        first, length = [good(await answer) for answer in answers]
        return length >= self._entries_min and is_after(_id_of(first), last_id)


async def _time_left(wire: Wire, partition: str, deadline: datetime | None) -> tuple[str, int]:
    """The feed's last id, and how long until the first of the due set, or the deadline, by the partition's clock."""
    of_partition = keys.of_partition(partition)
    answers = wire.send_all(
        _last(partition),
        ("ZRANGE", of_partition.due, 0, 0, "WITHSCORES"),
        *kept.clock_reads(of_partition.clock),
    )
    last, first, *clock = [good(await answer) for answer in answers]
    now_ms = kept.now_ms(*clock)
    instants = [kept.instant(first[1])] if first else []
    ends = [instant for instant in (*instants, deadline) if instant is not None]
    left_ms = to_ms(min(ends)) - now_ms if ends else BLOCK_MS
    return _id_of(last), left_ms


def _last(partition: str) -> Sequence[Word]:
    return ("XREVRANGE", keys.of_partition(partition).feed, "+", "-", "COUNT", 1)


def _id_of(entries: Reply) -> str:
    return entries[0][0] if entries else NOTHING


def _understood(entry: Reply) -> Update | None:
    """None for what this version cannot read."""
    try:
        return _update(entry)
    except (ValueError, KeyError):
        return None


def _update(entry: Reply) -> Update:
    """One field each: what lua/lib/tell_seats.lua, note_claim.lua, tell_schedule.lua and lua/open.lua have written."""
    feed_id, (kind, told) = entry
    match kind:
        case "seats":
            site_key, epoch, cause, hold_ids, until_ms, slots = told.split(" ", 5)
            claims: tuple[ClaimMoved, ...] = ()
            parts = slots.split(";") if slots else []
            if "@" in slots:
                claims = tuple([kept.claim_told(part[1:]) for part in parts if part[0] == "@"])
                parts = [part for part in parts if part[0] != "@"]
            seats = tuple([_seats(part) for part in parts])
            return SeatsMoved(site_key, feed_id, int(epoch), seats, claims, cause, hold_ids, until_ms)
        case "schedule" | "settled":
            site_key, epoch, version = told.split(" ")
            return ScheduleMoved(site_key, feed_id, int(epoch), int(version), settled=kind == "settled")
        case "reset":
            site_key, epoch = told.split(" ")
            return SiteReset(site_key, feed_id, int(epoch))
        case _:
            raise ValueError("of a kind that this version does not know")


def _seats(part: str) -> tuple[str, Seats]:
    slot_id, figures = part.split(" ")
    return slot_id, kept.seats_told(figures)
