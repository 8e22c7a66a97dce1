"""The reservation engine: one method per script, and the reads. Redis decides what is held; nobody else does."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from widget_server.clock import from_ms, to_ms
from widget_server.domain.attempts import WaitingPin
from widget_server.domain.bookings import BookedDay, BookedSeats
from widget_server.domain.claims import Assignment, Diary
from widget_server.domain.holds import Hold, HoldState, Line
from widget_server.domain.orders import Claimed
from widget_server.domain.policies import HOLDS_PER_NETWORK_MAX, HOLDS_PER_VISITOR_MAX
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot, Seats, Slot
from widget_server.engine import calls, kept, keys
from widget_server.engine.calls import Call
from widget_server.engine.connection import Connection
from widget_server.engine.kept import DueHold, KeptHold
from widget_server.engine.refusing import refusal
from widget_server.engine.wire import Reply, Word
from widget_server.errors import Changed, HoldEnded, Loading, NotFound, NotYours, SlotClosed, Unavailable
from widget_server.ids import new_id

LIMIT_LENGTHS = 3
"""A hold can be renewed up to three times its length in all."""
PINS_MAX = 3
SWEEP_MAX, SWEPT_AT_ONCE = 8_192, 32
"""So many holds are looked for at once, and so few ended by one script, so that others need not wait long behind it."""
SWEPT_BESIDE = 2
"""So many scripts are on their way at once: Redis ends some holds while we put the next together. With more of them it
would not end them sooner, and others would wait behind all."""
LINES_AT_ONCE = 128
"""So few lines does one script give back, if they are of several holds: one entry of the feed tells of all of them."""
SLOTS_AT_ONCE, ASSIGNED_AT_ONCE = 100, 100
DAYS_MAX = 33
READ_AT_ONCE = 1_000
"""So many days and diaries are read by one pipeline: a month of thirty people."""
READS_MAX = 3
LOOKS_DUE_MS = 20
"""The sweep reads along what will be due in the blink of an eye; the script decides."""

NEVER_ENOUGH = 2**53
"""No epoch is so late: the gate is closed in any case."""
NO_LINES: Mapping[str, Sequence[str]] = {}

DayKey = tuple[str, date]
"""A service and a day of UTC."""
DiaryKey = tuple[str, date]
"""Somebody, or something, and a day of UTC."""
FindOffered = Callable[[Slot], OfferedSlot | None]
"""How a slot is offered by now, if it is: `Schedule.find`."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A hold whose customer is paying. Whoever ends it must show the fence."""

    fence: int
    resolve_by: datetime
    lines: tuple[Line, ...]
    now: datetime
    assignments: tuple[Assignment, ...] = ()
    """Who was claimed for lines that need somebody."""
    attempt: str = ""
    """By which it was pinned, where it was read."""


@dataclass(frozen=True, slots=True)
class Swept:
    """All instants are on the partition's clock."""

    now: datetime
    ended: int
    next_due: datetime | None
    to_resolve: tuple[tuple[str, str], ...]
    """Site key and hold id of pinned holds past their resolve-by."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Why a site cannot be filled: until then somebody else does, or it has seen a later epoch than ours."""

    until: datetime
    epoch: int
    """The gate's."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A site needs no filling: its gate is open in this epoch."""

    epoch: int


class Reading(NamedTuple):
    """The seats of some days, at least as new as the entry `feed_id` of the feed."""

    feed_id: str
    schedule_version: int
    """The gate's: an older schedule offers what may not be held any more."""
    epoch: int
    seats: dict[str, Seats]
    """By slot id; only slots that somebody touched."""


class Reservations:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._run = connection.run

    async def hold(
        self,
        site: Site,
        lines: Sequence[Line],
        offered: Sequence[OfferedSlot],
        *,
        schedule_version: int,
        id: str,
        secret_hash: str,
        visitor: str,
        network: str,
        visitor_max: int = HOLDS_PER_VISITOR_MAX,
        network_max: int = HOLDS_PER_NETWORK_MAX,
    ) -> Hold:
        """Set seats aside, all lines or none, for the site's hold length. `visitor` and `network` are hashes.

        Calling this again with the same id, secret and lines returns the hold as it is by now.
        Raises SlotFull, SlotClosed, HoldBudgetSpent, IdConflict, HoldEnded, StaleSchedule, Loading.
        """
        call = calls.hold(
            site,
            lines,
            offered,
            schedule_version=schedule_version,
            id=id,
            secret_hash=secret_hash,
            limit_lengths=LIMIT_LENGTHS,
            visitor=visitor,
            network=network,
            visitor_max=visitor_max,
            network_max=network_max,
        )
        match await self._run(call):
            case ["HELD", deadline, limit, version, now]:  # to look whether each is an int takes as long as all of this
                return kept.hold_of(id, HoldState.HELD, lines, deadline, limit, version, now)
            case ["PAYING", int(resolve_by), int(limit), int(version), int(now)]:
                return kept.hold_of(id, HoldState.PAYING, lines, resolve_by, limit, version, now)
            case answer:
                raise refusal(answer, lines)

    async def find(self, site: Site, hold_id: str, secret_hash: str) -> Hold:
        """The hold as it is now, ended or not. Raises NotFound, NotYours, Loading."""
        found, now_ms = await self._find_own(site, hold_id, secret_hash)
        return found.as_of(now_ms)

    async def pinned(self, site: Site, hold_id: str) -> Pin | None:
        """The pin of a hold, for whoever resolves it; None where it is not pinned. Raises NotFound, Loading."""
        found, now_ms = await self._find(site, hold_id)
        if found.state is not HoldState.PAYING:
            return None
        resolve_by, now = from_ms(found.expires_ms), from_ms(now_ms)
        return Pin(found.fence, resolve_by, found.lines, now, found.assignments, found.attempt)

    async def renew(self, site: Site, hold_id: str, secret_hash: str, *, version: int, length: timedelta) -> Hold:
        """A full length from now on, up to the hold's limit, and never less than it had.

        Calling this again with the same version returns the same hold.
        Raises HoldEnded, NotYours, Paying, Changed, NotFound, Loading.
        """
        found, now_ms = await self._find_own(site, hold_id, secret_hash)
        wanted = to_ms(from_ms(now_ms) + length)
        match await self._run(calls.renew(site, found, secret_hash, version=version, deadline_ms=wanted)):
            case ["RENEWED", int(deadline), int(limit), int(version), int(now)]:
                return kept.hold_of(hold_id, HoldState.HELD, found.lines, deadline, limit, version, now)
            case answer:
                raise refusal(answer, found.lines)

    async def change(
        self,
        site: Site,
        hold_id: str,
        secret_hash: str,
        lines: Sequence[Line],
        offered: Sequence[OfferedSlot],
        *,
        schedule_version: int,
        version: int,
    ) -> Hold:
        """New lines for a hold that is not being paid, all or none; its deadline and limit stay.

        Calling this again with the same version and lines returns the same hold.
        Raises SlotFull, SlotClosed, HoldEnded, NotYours, Paying, Changed, StaleSchedule, NotFound, Loading.
        """
        found, _ = await self._find_own(site, hold_id, secret_hash)
        call = calls.change(
            site, found, secret_hash, lines, offered, schedule_version=schedule_version, version=version
        )
        match await self._run(call):
            case ["CHANGED", int(deadline), int(limit), int(version), int(now)]:
                return kept.hold_of(hold_id, HoldState.HELD, lines, deadline, limit, version, now)
            case answer:
                raise refusal(answer, lines)

    async def release(self, site: Site, hold_id: str, secret_hash: str) -> None:
        """Give the seats back; again: nothing more happens.

        Raises HoldEnded where it has expired or become a booking, NotYours, Paying, NotFound, Loading.
        """
        found, answer = await self._run_on_hold(
            site, hold_id, secret_hash, lambda found: calls.release(site, found, secret_hash)
        )
        if answer != ["RELEASED"]:
            raise refusal(answer, found.lines)

    async def pin(
        self,
        site: Site,
        hold_id: str,
        secret_hash: str,
        offered: FindOffered,
        *,
        schedule_version: int,
        attempt: str,
        window: timedelta,
        instead_of: Sequence[Claimed] = (),
        only: Sequence[Line] = (),
    ) -> Pin:
        """The hold waits for its customer's payment. If it has expired, what is missing is taken again, all or none.

        Calling this again with the same attempt returns the same pin. With `only` it raises Changed for other lines.
        Raises HoldEnded, NotYours, Paying while another attempt runs, HoldBudgetSpent after too many attempts,
        SlotFull, SlotClosed, StaleSchedule, NotFound, Loading.
        """

        def call(found: KeptHold) -> Call:
            if only and found.lines != tuple(only):
                raise Changed("This hold has other seats by now: look at it again.")
            return calls.pin(
                site,
                found,
                _still_offered(found, offered),
                schedule_version=schedule_version,
                secret_hash=secret_hash,
                attempt=attempt,
                window=window,
                pins_max=PINS_MAX,
                instead_of=instead_of,
            )

        found, answer = await self._run_on_hold(site, hold_id, secret_hash, call)
        pin = _pinned(answer, found.lines)
        needs = any(offer.needs for line in found.lines if (offer := offered(line.slot)))
        return await self._with_assignments(site, hold_id, pin) if needs or found.claims_text else pin

    async def hold_and_pin(
        self,
        site: Site,
        lines: Sequence[Line],
        offered: Sequence[OfferedSlot],
        *,
        schedule_version: int,
        id: str,
        secret_hash: str,
        visitor: str,
        network: str,
        attempt: str,
        window: timedelta,
        visitor_max: int = HOLDS_PER_VISITOR_MAX,
        network_max: int = HOLDS_PER_NETWORK_MAX,
        instead_of: Sequence[Claimed] = (),
    ) -> Pin:
        """Where holds are off, or to move an order: `hold` and `pin` in one go, to be repeated like both.

        The claims of bookings that are moved, `instead_of`, do not stand in the way. Raises what both raise; Changed
        where the hold gets other lines between the two.
        """
        hold = calls.hold(
            site,
            lines,
            offered,
            schedule_version=schedule_version,
            id=id,
            secret_hash=secret_hash,
            limit_lengths=1,
            visitor=visitor,
            network=network,
            visitor_max=visitor_max,
            network_max=network_max,
            instead_of=instead_of,
        )
        pin = calls.pin(
            site,
            kept.just_held(site.key, id, lines, visitor, network),
            offered,
            schedule_version=schedule_version,
            secret_hash=secret_hash,
            attempt=attempt,
            window=window,
            pins_max=PINS_MAX,
            instead_of=instead_of,
        )
        held, pinned = await self._connection.run_all([hold, pin])
        # Of a hold that has expired meanwhile pin takes the seats again: then its answer is the one that counts.
        if held[0] not in ("HELD", "PAYING", "ENDED"):
            raise refusal(held, lines)
        if pinned != ["MOVED"]:
            needs = any(offer.needs for offer in offered)
            of_lines = _pinned(pinned, lines)
            return await self._with_assignments(site, id, of_lines) if needs else of_lines
        # Whoever serves it was chosen by `hold`, or it was held from another network before: `pin` has to be told.
        offers = {offer.slot: offer for offer in offered}
        return await self.pin(
            site,
            id,
            secret_hash,
            offers.get,
            schedule_version=schedule_version,
            attempt=attempt,
            window=window,
            instead_of=instead_of,
            only=lines,
        )

    async def unpin(
        self, site: Site, hold_id: str, *, fence: int, release: bool, min_left: timedelta = timedelta(0)
    ) -> None:
        """The payment failed: back to a hold with `min_left` at least, or released. Again: nothing more happens.

        A hold that is not pinned under this fence (any more) is left as it is. Raises NotFound, Loading.
        """
        found, _ = await self._find(site, hold_id)
        answer = await self._run(calls.unpin(site, found, fence=fence, release=release, min_left=min_left))
        if answer[0] not in ("HELD", "RELEASED", "STALE"):
            raise refusal(answer, found.lines)

    async def commit(self, site: Site, hold_id: str, *, fence: int, booked: Sequence[BookedSeats]) -> str:
        """The store has booked this hold; `booked` is written whatever is returned, newest version first.

        Returns COMMITTED, also when called again; STALE for another fence, ENDED for a hold that is gone.
        Raises Loading, and Unavailable where the hold is taken anew again and again: then `booked` is not written.
        """
        for _ in range(READS_MAX):
            try:
                found, _now = await self._find(site, hold_id)
            except NotFound:
                found = kept.nobody(site.key, hold_id)
            match await self._run(calls.commit(site, found, fence=fence, booked=booked)):
                case [("COMMITTED" | "STALE" | "ENDED") as answer]:
                    return str(answer)
                case ["MOVED"]:
                    pass
                case answer:
                    raise refusal(answer, found.lines)
        raise Unavailable("This hold keeps changing: try again.")

    async def set_booked(self, site: Site, booked: Sequence[BookedSeats]) -> None:
        """What the store counts as booked; the newest version of each slot wins. Raises Loading."""
        for at in range(0, len(booked), SLOTS_AT_ONCE):
            answer = await self._run(calls.set_booked(site, booked[at : at + SLOTS_AT_ONCE]))
            if answer != ["SET"]:
                raise refusal(answer, [])

    async def assign(self, site: Site, assignments: Sequence[Assignment], *, rebuilder: str = "") -> int:
        """Let diaries say who serves bookings, and who does no more, and return how many did not say so before.

        With the id of a rebuild it is part of that: raises Loading if the rebuild is another's by now. Raises Loading.
        """
        mended = 0
        for at in range(0, len(assignments), ASSIGNED_AT_ONCE):
            chunk = assignments[at : at + ASSIGNED_AT_ONCE]
            match await self._run(calls.assign(site, chunk, rebuilder=rebuilder)):
                case ["ASSIGNED", int(count)]:
                    mended += count
                case _:
                    raise Loading("The seats of this site are being counted; try again in a moment.")
        return mended

    async def sweep(self, partition: str, *, retry: timedelta) -> Swept:
        """End holds that are due, and name pinned ones past their resolve-by, each once in `retry`.

        Where `next_due` is not after `now`, there is more: call again.
        """
        answers: list[list[Reply]] = []
        due = await self._due(partition, after=0)
        while due or not answers:
            # Of the next ones those before are still in front, for their reading leaves first.
            ahead = asyncio.ensure_future(self._due(partition, after=len(due))) if len(due) == SWEEP_MAX else None
            answers += await self._end(partition, due, retry=retry)
            due = await ahead if ahead else []
        now, _, next_due, *_ = answers[-1]
        to_resolve = tuple(_split(ref) for answer in answers for ref in answer[3:])
        return Swept(from_ms(now), sum(answer[1] for answer in answers), kept.instant(next_due), to_resolve)

    async def raise_schedule(self, site: Site, to: int) -> bool:
        """From here on no hold on an older schedule is granted. False if another change was faster. Raises Loading."""
        match await self._run(calls.raise_schedule(site, version=to, token=new_id())):
            case ["RAISED", _]:
                return True
            case ["STALE", _]:
                return False
            case answer:
                raise refusal(answer, [])

    async def settle(self, site: Site, version: int) -> None:
        """The store has this version of the schedule. Raises Loading."""
        answer = await self._run(calls.settle(site, version=version))
        if answer != ["SETTLED"]:
            raise refusal(answer, [])

    async def rebuild(
        self, site: Site, epoch: int, rebuilder: str, takeover: timedelta, *, enough: int = NEVER_ENOUGH
    ) -> Busy | Filled | None:
        """Close the gate to fill the site under a new epoch. None: it is ours, and until `takeover` after its last sign
        of life nobody else's; again: begins anew. A gate that is open in the epoch `enough` or a later one stays so.
        """
        call = calls.rebuild(site, epoch=epoch, rebuilder=rebuilder, takeover=takeover, enough=enough)
        match await self._run(call):
            case ["TAKEN"]:
                return None
            case ["FILLED", int(epoch)]:
                return Filled(epoch)
            case ["BUSY", int(until_ms), int(epoch)]:
                return Busy(from_ms(until_ms), epoch)
            case answer:
                raise refusal(answer, [])

    async def restore(
        self,
        site: Site,
        rebuilder: str,
        takeover: timedelta,
        days: Sequence[BookedDay] = (),
        lines: Mapping[str, Sequence[str]] = NO_LINES,
    ) -> int | None:
        """Write what the store counts as booked on these days, count what is held anew, and return how many slots.

        None: the rebuild is another's. This is a sign of life, also without a day. `lines` names the slots of a day
        that have lines, as far as is known: where others count as held, they are looked at, too. Raises Loading where
        these become ever more.
        """
        for _ in range(READS_MAX):
            call = calls.restore(site, rebuilder=rebuilder, takeover=takeover, days=days, lines=lines)
            match await self._run(call):
                case ["RESTORED", int(count)]:
                    return count
                case ["UNCOUNTED", [*slots]]:
                    lines = _with_more(lines, slots)
                case _:
                    return None
        raise Loading("The seats of this site are being counted; try again in a moment.")

    async def restore_pins(
        self,
        site: Site,
        rebuilder: str,
        pins: Sequence[tuple[WaitingPin, Sequence[OfferedSlot]]],
        *,
        window: timedelta,
        now: datetime,
    ) -> int | None:
        """Let whoever is paying have their seats again, each as their slots are offered, and return how many have them.

        None: the rebuild is another's. Again: the same. Holds that Redis knows are read where that is needed.
        """
        presumed = [_just_held(site, pin) for pin, _ in pins]
        count = 0
        for _ in range(READS_MAX):
            wanted = zip(presumed, pins, strict=True)
            answers = await self._connection.run_all(
                [
                    calls.restore_pin(
                        site, found, pin, offered, rebuilder=rebuilder, window=window, left=pin.pay_until - now
                    )
                    for found, (pin, offered) in wanted
                ]
            )
            if ["NOT_YOURS"] in answers:
                return None
            count += answers.count(["PINNED"])
            pins = [pin for pin, answer in zip(pins, answers, strict=True) if answer == ["MOVED"]]
            if not pins:
                break
            presumed = await self._as_kept(site, [pin for pin, _ in pins])
        return count

    async def open(self, site: Site, rebuilder: str, schedule_version: int) -> bool:
        """Open the gate again; widgets are told to read everything anew. False if the rebuild is another's by now."""
        call = calls.open_gate(site, rebuilder=rebuilder, schedule_version=schedule_version)
        return await self._run(call) == ["OPENED"]

    async def seats_of_days(self, site: Site, service: str, days: Sequence[date]) -> Reading:
        """The seats of all slots of a service that start on these days of UTC, at most 33. Raises Loading.

        The feed's last id is read first: what happens meanwhile may be told twice, and is never missed.
        """
        assert len(days) <= DAYS_MAX, "a month at once"
        of_site = keys.of_site(site.partition, site.key)
        last, gate, *fields = await self._connection.read(
            ("XREVRANGE", of_site.partition.feed, "+", "-", "COUNT", 1),
            ("HMGET", of_site.gate, *kept.GATE_FIELDS),
            *(("HGETALL", of_site.day(service, day)) for day in days),
        )
        seats: dict[str, Seats] = {}
        for day, counted in zip(days, fields, strict=True):
            seats.update(kept.seats_of_day(keys.slot_id(service, day, ""), counted))
        return _reading(last, gate, seats)

    async def days_and_diaries(
        self, site: Site, days: Sequence[DayKey], diaries: Sequence[DiaryKey]
    ) -> tuple[Reading, dict[DiaryKey, Diary]]:
        """The seats of services' days of UTC, and the diaries of those who serve them. Raises Loading.

        As with `seats_of_days`, what happens meanwhile may be told twice: a diary counts its changes.
        """
        of_site = keys.of_site(site.partition, site.key)
        commands: list[Sequence[Word]] = [
            ("XREVRANGE", of_site.partition.feed, "+", "-", "COUNT", 1),
            ("HMGET", of_site.gate, *kept.GATE_FIELDS),
            *(("HGETALL", of_site.day(service, day)) for service, day in days),
            *(("ZRANGE", of_site.diary(claimed, day), 0, -1, "WITHSCORES") for claimed, day in diaries),
        ]
        answers: list[Reply] = []
        for at in range(0, len(commands), READ_AT_ONCE):
            answers += await self._connection.read(*commands[at : at + READ_AT_ONCE])
        (last, gate), read = answers[:2], answers[2:]
        seats: dict[str, Seats] = {}
        for (service, day), counted in zip(days, read[: len(days)], strict=True):
            seats.update(kept.seats_of_day(keys.slot_id(service, day, ""), counted))
        found = zip(diaries, read[len(days) :], strict=True)
        return _reading(last, gate, seats), {key: kept.diary(members) for key, members in found if members}

    async def _run_on_hold(
        self, site: Site, hold_id: str, secret_hash: str, call: Callable[[KeptHold], Call]
    ) -> tuple[KeptHold, list[Reply]]:
        """Read a hold, then run a script with the keys of its lines; again should they be others by then."""
        for _ in range(READS_MAX):
            found, _now = await self._find_own(site, hold_id, secret_hash)
            answer = await self._run(call(found))
            if answer != ["MOVED"]:
                return found, answer
        raise Changed("This hold keeps changing: try again.")

    async def _with_assignments(self, site: Site, hold_id: str, pin: Pin) -> Pin:
        found, _ = await self._find(site, hold_id)
        if found.state is not HoldState.PAYING or found.fence != pin.fence:
            raise HoldEnded("This hold has ended.")
        return replace(pin, assignments=found.assignments)

    async def _find_own(self, site: Site, hold_id: str, secret_hash: str) -> tuple[KeptHold, int]:
        found, now_ms = await self._find(site, hold_id)
        if found.secret_hash != secret_hash:
            raise NotYours("This hold belongs to somebody else.")
        return found, now_ms

    async def _find(self, site: Site, hold_id: str) -> tuple[KeptHold, int]:
        """The hold and the present instant."""
        of_site = keys.of_site(site.partition, site.key)
        gate, fields, *clock = await self._connection.read(
            ("HMGET", of_site.gate, *kept.GATE_FIELDS),
            ("HMGET", of_site.hold(hold_id), *kept.HOLD_FIELDS),
            *kept.clock_reads(of_site.partition.clock),
        )
        if gate[:2] != [str(site.epoch), "OPEN"]:
            raise Loading("The seats of this site are being counted; try again in a moment.")
        found = kept.kept_hold(site.key, hold_id, fields)
        if found is None:
            raise NotFound("There is no such hold.")
        return found, kept.now_ms(*clock)

    async def _as_kept(self, site: Site, pins: Sequence[WaitingPin]) -> list[KeptHold]:
        """Their holds as they stand, open gate or not."""
        of_site = keys.of_site(site.partition, site.key)
        answers = await self._connection.read(
            *(("HMGET", of_site.hold(pin.hold_id), *kept.HOLD_FIELDS) for pin in pins)
        )
        found = [kept.kept_hold(site.key, pin.hold_id, fields) for pin, fields in zip(pins, answers, strict=True)]
        return [
            replace(hold, lines=pin.lines) if hold else _just_held(site, pin)
            for hold, pin in zip(found, pins, strict=True)
        ]

    async def _end(self, partition: str, due: Sequence[DueHold], *, retry: timedelta) -> list[list[Reply]]:
        """What the scripts answer; at least one, though nothing be due."""
        # Those of the same slots are ended together: each script counts a slot once, however many lines leave it.
        pieces = iter(_pieces(sorted(due, key=_by_lines)))
        answers: list[list[Reply]] = []

        async def end_some() -> None:
            answers.extend([await self._run(calls.sweep(partition, piece, retry=retry)) for piece in pieces])

        await asyncio.gather(*(end_some() for _ in range(SWEPT_BESIDE)))
        return answers

    async def _due(self, partition: str, *, after: int) -> list[DueHold]:
        """Of the due set, after the first so many, the next that are due or nearly so, as they stand."""
        of_partition = keys.of_partition(partition)
        some, *clock = await self._connection.read(
            ("ZRANGE", of_partition.due, after, after + SWEEP_MAX - 1, "WITHSCORES"),
            *kept.clock_reads(of_partition.clock),
        )
        until_ms = kept.now_ms(*clock) + LOOKS_DUE_MS
        refs = [_split(ref) for ref, score in zip(some[::2], some[1::2], strict=True) if int(score) <= until_ms]
        reads = [
            ("HMGET", keys.of_site(partition, site_key).hold(hold_id), *kept.DUE_FIELDS) for site_key, hold_id in refs
        ]
        found: list[Reply] = []
        for at in range(0, len(reads), READ_AT_ONCE):
            found += await self._connection.read(*reads[at : at + READ_AT_ONCE])
        return [kept.due_hold(*ref, fields) for ref, fields in zip(refs, found, strict=True)]


def _pieces(due: Sequence[DueHold]) -> list[list[DueHold]]:
    """In their order, as many as are ended at once; at least one piece, though it be empty."""
    pieces: list[list[DueHold]] = [[]]
    lines = 0
    for hold in due:
        lines += len(hold.slot_ids)
        if pieces[-1] and (lines > LINES_AT_ONCE or len(pieces[-1]) == SWEPT_AT_ONCE):
            lines = len(hold.slot_ids)
            pieces.append([])
        pieces[-1].append(hold)
    return pieces


_by_lines = attrgetter("site_key", "lines_text")


def _split(ref: str) -> tuple[str, str]:
    """Site key and hold id of a member of the due set."""
    site_key, _, hold_id = ref.partition("/")
    return site_key, hold_id


def _reading(last: Reply, gate: Reply, seats: dict[str, Seats]) -> Reading:
    epoch, state, schedule_version = gate
    if state != "OPEN":
        raise Loading("The seats of this site are being counted; try again in a moment.")
    return Reading(last[0][0] if last else "0-0", int(schedule_version), int(epoch), seats)


def _still_offered(found: KeptHold, offered: FindOffered) -> list[OfferedSlot]:
    """The slots of a hold as they are offered by now; what is settled already needs no capacity any more."""
    if found.state in (HoldState.RELEASED, HoldState.CONFIRMED):
        raise HoldEnded("This hold has ended.")
    offers = [(line.slot, offered(line.slot)) for line in found.lines]
    for slot, offer in offers:
        if offer is None and found.state is not HoldState.PAYING:
            raise SlotClosed("This time is not offered any more.", slot=slot.id)
    return [offer or OfferedSlot(slot, 0) for slot, offer in offers]


def _with_more(lines: Mapping[str, Sequence[str]], slots: Sequence[str]) -> dict[str, Sequence[str]]:
    more = dict(lines)
    for slot_id in slots:
        day = slot_id.partition("T")[0]
        more[day] = (*more.get(day, ()), slot_id)
    return more


def _just_held(site: Site, pin: WaitingPin) -> KeptHold:
    return kept.just_held(site.key, pin.hold_id, pin.lines, pin.visitor, pin.network)


def _pinned(answer: list[Reply], lines: Sequence[Line]) -> Pin:
    match answer:
        case ["PINNED", int(fence), int(resolve_by), int(now)]:
            return Pin(fence, from_ms(resolve_by), tuple(lines), from_ms(now))
        case _:
            raise refusal(answer, lines)
