"""All that goes on with holds in life, many at once, and what of it Redis, its feed and whoever followed that must say.

Whoever is not answered asks again, as a widget does, so in the end everybody knows what became of their hold.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import count
from math import inf
from typing import TypeVar

from tests.engine.box import LATE_YOGA, MASSAGE, YOGA, Box, Recorded, site
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.events import SeatsMoved, Update
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.slots import Slot
from widget_server.engine.feed import Lost
from widget_server.errors import HoldBudgetSpent, HoldEnded, SlotFull, Unavailable

VISITORS, FEW, MANY = 8, 6, 100_000
"""So many seats YOGA has, for which everybody comes, and each of the others."""
RUN_OUT_AFTER = timedelta(seconds=61)
"""A hold of the second site lasts for a minute, and one of the first for ten."""
ENDS = ("release", "expire", "commit")
TOLD_MAX = 200_000
_AGAIN_AFTER_S = 0.01
_PAUSE_S = 0.002
_CATCH_UP_MAX_S = 60.0
_Answer = TypeVar("_Answer")
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

SlotKey = tuple[str, str]
"""Site key and slot id."""
Figures = tuple[int, int, int]
"""Held, booked and version of a slot."""


class Lives:
    """What visitors do at two sites of a partition. At the second one they hold, and never come back."""

    def __init__(self, connection: Recorded) -> None:
        self.box, self.other = Box(connection), Box(connection, replace(site("other"), hold_minutes=1))
        for box in (self.box, self.other):
            box.capacity, box.capacities = MANY, {YOGA: FEW} if box is self.box else {}
        self.wanted: dict[str, list[list[Line]]] = {}
        """Of each hold its lines, and those of its change."""
        self.became: dict[str, HoldState] = {}
        """As its visitor was told."""
        self.taken: Counter[Slot] = Counter()
        """Seats that belong to somebody by the answers they got."""
        self.booked: dict[Slot, BookedSeats] = {}
        """Stands for SQL."""
        self.outcomes: Counter[str] = Counter()
        self.waited: Counter[str] = Counter()
        """How often somebody was told to try again, by what they wanted."""
        self.is_over = False

    async def come(self, who: str, number: int) -> None:
        """Until it is over; then the last hold is left as it is."""
        ways = (self._renew, self._change, self._book, self._give_up_paying, self._run_out)
        for visit in count():
            name = f"{who}-{visit}"
            await ways[(number + visit) % len(ways)](who, name)
            if self.is_over:
                break
            await asyncio.sleep(_PAUSE_S)
        await self._hold(who, f"{who}-last", Line(LATE_YOGA, 1 + number))
        if number % 2:
            await self._pin(f"{who}-last", attempt="first")

    async def sweep(self) -> None:
        """As a worker does, until cancelled."""
        while True:
            try:
                swept = await self.box.sweep()
                self.outcomes["swept"] += swept.ended
                await self.box.feed.wait_until(self.box.site.partition, None)
            except Unavailable:
                await asyncio.sleep(_AGAIN_AFTER_S)

    async def _renew(self, who: str, name: str) -> None:
        if await self._hold(who, name, Line(YOGA, 2)):
            hold = await self.served("renew", lambda: self.box.renew(name, version=1))
            assert hold.version == 2
            await self._release(name)

    async def _change(self, who: str, name: str) -> None:
        if await self._hold(who, name, Line(YOGA, 1)):
            self._give_back(name)
            self.wanted[name].append([Line(LATE_YOGA, 2), Line(MASSAGE, 1)])
            await self.served("change", lambda: self.box.change(name, *self.wanted[name][1]))
            self._take(name)
            await self._release(name)

    async def _book(self, who: str, name: str) -> None:
        if await self._hold(who, name, Line(YOGA, 1), Line(MASSAGE, 2)):
            fence = await self._pin(name, attempt="first")
            booked = [self._write(line, 1) for line in self.wanted[name][0]]
            assert await self.served("commit", lambda: self.box.commit(name, *booked, fence=fence)) == "COMMITTED"
            self.became[name] = HoldState.CONFIRMED
            self.outcomes["booked"] += 1
            await self._cancel(self.wanted[name][0][0])

    async def _cancel(self, line: Line) -> None:
        """Seats that few can have are for others again."""
        self.taken[line.slot] -= line.seats
        freed = self._write(line, -1)
        await self.served("set_booked", lambda: self.box.engine.set_booked(self.box.site, [freed]))

    async def _give_up_paying(self, who: str, name: str) -> None:
        if await self._hold(who, name, Line(YOGA, 2)):
            fence = await self._pin(name, attempt="first")
            await self.served("unpin", lambda: self.box.unpin(name, fence=fence))
            fence = await self._pin(name, attempt="second")
            self._give_back(name)
            await self.served("unpin", lambda: self.box.unpin(name, fence=fence, release=True))
            self.became[name] = HoldState.RELEASED

    async def _run_out(self, who: str, name: str) -> None:
        self.wanted[name] = [[Line(LATE_YOGA, 1), Line(MASSAGE, 1)]]
        try:
            await self.served("hold", lambda: self.other.hold(name, *self.wanted[name][0], visitor=who, network="home"))
        except HoldBudgetSpent as refusal:
            self.outcomes[refusal.code] += 1
            return
        except HoldEnded:
            pass  # it was held, and ran out before they could be told so
        self.became[name] = HoldState.EXPIRED

    async def _hold(self, who: str, name: str, *lines: Line) -> bool:
        self.wanted[name] = [list(lines)]
        try:
            await self.served("hold", lambda: self.box.hold(name, *lines, visitor=who, network="home"))
        except SlotFull as refusal:
            self.outcomes[refusal.code] += 1
            return False
        self._take(name)
        self.became[name] = HoldState.HELD
        self.outcomes["held"] += 1
        return True

    async def _pin(self, name: str, *, attempt: str) -> int:
        pin = await self.served("pin", lambda: self.box.pin(name, attempt=attempt))
        self.became[name] = HoldState.PAYING
        return pin.fence

    async def _release(self, name: str) -> None:
        self._give_back(name)
        await self.served("release", lambda: self.box.release(name))
        self.became[name] = HoldState.RELEASED

    async def served(self, verb: str, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer, once there is one."""
        while True:
            try:
                return await ask()
            except Unavailable:
                self.waited[verb] += 1
                await asyncio.sleep(_AGAIN_AFTER_S)

    def _take(self, name: str) -> None:
        for line in self.wanted[name][-1]:
            self.taken[line.slot] += line.seats
        assert self.taken[YOGA] <= FEW, "sold twice"

    def _give_back(self, name: str) -> None:
        """From before the call on: somebody else may be given them before we are answered."""
        for line in self.wanted[name][-1]:
            self.taken[line.slot] -= line.seats

    def _write(self, line: Line, sign: int) -> BookedSeats:
        """Into what stands for SQL."""
        before = self.booked.get(line.slot, BookedSeats(line.slot, 0, 0))
        now = BookedSeats(line.slot, before.booked + sign * line.seats, before.version + 1)
        self.booked[line.slot] = now
        return now


class Follower:
    """A web process that follows the feed: it has a picture of all seats, and reads anew where it is told to."""

    def __init__(self, lives: Lives) -> None:
        self.picture: dict[SlotKey, Figures] = {}
        self.losses = 0
        self._lives = lives

    async def follow(self) -> None:
        """From the beginning, until cancelled."""
        box = self._lives.box
        async for news in box.feed.follow(box.site.partition, "0-0"):
            if isinstance(news, Lost):
                self.losses += 1
                await self._read()
            else:
                self._take_in(news)

    def _take_in(self, news: Iterable[Update]) -> None:
        for update in news:
            if isinstance(update, SeatsMoved):
                for slot_id, seats in update.seats:
                    known = self.picture.get((update.site_key, slot_id), (0, 0, 0))
                    assert seats.version <= known[2] + 1, "nobody said so, and something is missing"
                    if seats.version > known[2]:
                        self.picture[update.site_key, slot_id] = (seats.held, seats.booked, seats.version)

    async def _read(self) -> None:
        for box in (self._lives.box, self._lives.other):
            for of in (YOGA, LATE_YOGA, MASSAGE):
                seats = await self._lives.served("read", partial(box.seats, of))
                if seats.version:
                    self.picture[box.site.key, of.id] = (seats.held, seats.booked, seats.version)


@asynccontextmanager
async def going_on(lives: Lives, box: Box) -> AsyncIterator[Follower]:
    """Eight visitors, two workers that sweep, and a follower. At the end all is over and told, but the last holds.

    `box` is the first site again, for whoever has more patience.
    """
    await lives.other.fill()
    follower = Follower(lives)
    async with asyncio.TaskGroup() as tasks:
        others = [tasks.create_task(act()) for act in (lives.sweep, lives.sweep, follower.follow)]
        visitors = [tasks.create_task(lives.come(f"visitor{number}", number)) for number in range(VISITORS)]
        yield follower
        lives.is_over = True
        await asyncio.wait(visitors)
        await box.advance(RUN_OUT_AFTER)
        while (await box.sweep()).ended:
            pass
        async with asyncio.timeout(_CATCH_UP_MAX_S):
            while follower.picture != (await find_all(box)).figures():  # noqa: ASYNC110
                await asyncio.sleep(_AGAIN_AFTER_S)
        for other in others:
            other.cancel()


@dataclass
class Found:
    """All that a Redis with nothing else in it keeps of a partition."""

    hashes: dict[str, dict[str, str]]
    sets: dict[str, dict[str, float]]
    told: list[SeatsMoved]

    def figures(self) -> dict[SlotKey, Figures]:
        found: dict[SlotKey, Figures] = {}
        for (site_key, name), slots in self._hashes_of("day").items():
            service, _, date = name.partition(":")
            for at, text in slots.items():
                held, booked, version = map(int, text.split(":")[:3])
                found[site_key, f"{service}.{date}T{at}"] = (held, booked, version)
        return found

    def holds(self) -> dict[SlotKey, dict[str, str]]:
        """By site key and id."""
        return self._hashes_of("hold")

    def _hashes_of(self, kind: str) -> dict[tuple[str, str], dict[str, str]]:
        names = {name: name.split(":", 3) for name in self.hashes}
        return {(of[1], of[3]): self.hashes[name] for name, of in names.items() if of[2:3] == [kind]}


async def find_all(box: Box) -> Found:
    hashes: dict[str, dict[str, str]] = {}
    sets: dict[str, dict[str, float]] = {}
    (names,) = await box.connection.read(("KEYS", "*"))
    for name, kind in zip(names, await box.connection.read(*(("TYPE", name) for name in names)), strict=True):
        if kind == "hash":
            (flat,) = await box.connection.read(("HGETALL", name))
            hashes[name] = dict(zip(flat[::2], flat[1::2], strict=True))
        elif kind == "zset":
            (flat,) = await box.connection.read(("ZRANGE", name, 0, -1, "WITHSCORES"))
            sets[name] = dict(zip(flat[::2], map(float, flat[1::2]), strict=True))
    told = await box.feed.tail(box.site.partition, TOLD_MAX)
    return Found(hashes, sets, [update for update in told if isinstance(update, SeatsMoved)])


def complaints(found: Found, lives: Lives, picture: dict[SlotKey, Figures]) -> list[str]:
    """What does not agree with what, once nobody does anything and all that was due has been swept."""
    return [
        *_differences("among the sets", found.sets, _sets_wanted(found)),
        *_of_figures(found, lives),
        *_of_feed(found, lives),
        *_differences("told and counted", _last_told(found), found.figures()),
        *_differences("followed and counted", picture, found.figures()),
        *_differences("promised", {name: hold["state"] for (_, name), hold in found.holds().items()}, lives.became),
    ]


def _sets_wanted(found: Found) -> dict[str, dict[str, float]]:
    """Each hold that lives has its lines, a place among what is due and in two budgets, and nobody else has any."""
    wanted: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for (site_key, name), hold in found.holds().items():
        if hold["state"] in ("held", "paying"):
            is_pinned, prefix = hold["state"] == "paying", f"{{tenuto}}:{site_key}:"
            score = inf if is_pinned else float(hold["deadline"])
            wanted["{tenuto}:due"][f"{site_key}/{name}"] = float(hold["resolve_by"]) if is_pinned else score
            for kind in ("visitor", "network"):
                wanted[f"{prefix}{kind}:{hold[kind]}"][name] = score
            for slot_id, _, seats in (line.rpartition(":") for line in hold["lines"].split()):
                wanted[f"{prefix}slot:{slot_id}"][f"{name}:{seats}"] = score
    return wanted


def _of_figures(found: Found, lives: Lives) -> Iterator[str]:
    """Held is the sum of the lines, booked what SQL says, and both are no more than there is."""
    for (site_key, slot_id), (held, booked, _) in found.figures().items():
        lines = found.sets.get(f"{{tenuto}}:{site_key}:slot:{slot_id}", {})
        slot, is_other = Slot.parse(slot_id), site_key == lives.other.site.key
        if held != sum(int(line.rpartition(":")[2]) for line in lines):
            yield f"{slot_id} of {site_key} has {held} held, which its lines are not"
        in_sql = lives.booked.get(slot, BookedSeats(slot, 0, 0))
        if booked != (0 if is_other else in_sql.booked):
            yield f"{slot_id} of {site_key} has {booked} booked, which SQL has not"
        if held + booked > (lives.other if is_other else lives.box).offer(slot)[0].capacity:
            yield f"{slot_id} of {site_key} is oversold"


def _of_feed(found: Found, lives: Lives) -> Iterator[str]:
    """Each change of each slot is told once and in order, with the lines that there are then; so is each hold's end."""
    living: dict[str, list[Line]] = {}
    over: set[str] = set()
    held: Counter[SlotKey] = Counter()
    versions: Counter[SlotKey] = Counter()
    for update in found.told:
        for name in update.hold_ids:
            before = living.pop(name, None)
            if name in over or (before is None) != (update.cause == "hold"):
                yield f"{name} was told of once too often, or too late: {update.cause}"
            held.subtract(_seats_of(update.site_key, before or []))
            if update.cause in ENDS:
                over.add(name)
            else:
                living[name] = _lines_after(update.cause, lives.wanted[name], before or [])
                held.update(_seats_of(update.site_key, living[name]))
        for slot_id, seats in update.seats:
            key = (update.site_key, slot_id)
            if seats.version != versions[key] + 1:
                yield f"{slot_id} was told in version {seats.version} after {versions[key]}"
            if seats.held != held[key]:
                yield f"{slot_id} was told with {seats.held} held, which were {held[key]}: {update.cause}"
            versions[key] = seats.version


def _lines_after(cause: str, wanted: Sequence[list[Line]], before: list[Line]) -> list[Line]:
    return {"hold": wanted[0], "change": wanted[-1]}.get(cause, before)


def _seats_of(site_key: str, lines: Iterable[Line]) -> dict[SlotKey, int]:
    return {(site_key, line.slot.id): line.seats for line in lines}


def _last_told(found: Found) -> dict[SlotKey, Figures]:
    return {
        (update.site_key, slot_id): (seats.held, seats.booked, seats.version)
        for update in found.told
        for slot_id, seats in update.seats
    }


def _differences(what: str, found: Mapping[_Key, _Value], wanted: Mapping[_Key, _Value]) -> Iterator[str]:
    for key in sorted(found.keys() | wanted.keys(), key=str):
        if found.get(key) != wanted.get(key):
            yield f"{what}: {key} is {found.get(key)}, not {wanted.get(key)}"
