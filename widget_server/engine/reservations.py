"""The reservation engine: one method per script. Redis decides what is held; nobody else does.

What ends holds that are due, fills sites anew and reads seats stands in files of its own: sweeping, restoring, reading.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from widget_server.clock import from_ms, to_ms
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.claims import Assignment
from widget_server.domain.holds import Hold, HoldState, Line
from widget_server.domain.orders import Claimed
from widget_server.domain.policies import HOLDS_PER_NETWORK_MAX, HOLDS_PER_VISITOR_MAX
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.engine import calls, kept, keys
from widget_server.engine.calls import Call
from widget_server.engine.connection import Connection
from widget_server.engine.gathering import Gathering
from widget_server.engine.kept import KeptHold
from widget_server.engine.reading import SeatReading
from widget_server.engine.refusing import refusal
from widget_server.engine.restoring import Restoring
from widget_server.engine.sweeping import Sweeping
from widget_server.engine.wire import Reply
from widget_server.errors import Changed, HoldEnded, Loading, NotFound, NotYours, SlotClosed, Unavailable
from widget_server.ids import new_id

LIMIT_LENGTHS = 3
"""A hold can be renewed up to three times its length in all."""
PINS_MAX = 3
SLOTS_AT_ONCE, ASSIGNED_AT_ONCE = 100, 100
READS_MAX = 3

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


class Reservations(Sweeping, Restoring, SeatReading):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._run = connection.run
        self._gathering = Gathering(connection)

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
        terms = calls.terms(
            site,
            schedule_version=schedule_version,
            limit_lengths=LIMIT_LENGTHS,
            visitor_max=visitor_max,
            network_max=network_max,
        )
        wanted = calls.wanted(site, lines, offered, id=id, secret_hash=secret_hash, visitor=visitor, network=network)
        match await self._gathering.hold(terms, wanted):
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
        terms = calls.terms(
            site, schedule_version=schedule_version, limit_lengths=1, visitor_max=visitor_max, network_max=network_max
        )
        wanted = calls.wanted(
            site,
            lines,
            offered,
            id=id,
            secret_hash=secret_hash,
            visitor=visitor,
            network=network,
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
        (held,), pinned = await self._connection.run_all([calls.hold(terms, [wanted]), pin])
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


def _still_offered(found: KeptHold, offered: FindOffered) -> list[OfferedSlot]:
    """The slots of a hold as they are offered by now; what is settled already needs no capacity any more."""
    if found.state in (HoldState.RELEASED, HoldState.CONFIRMED):
        raise HoldEnded("This hold has ended.")
    offers = [(line.slot, offered(line.slot)) for line in found.lines]
    for slot, offer in offers:
        if offer is None and found.state is not HoldState.PAYING:
            raise SlotClosed("This time is not offered any more.", slot=slot.id)
    return [offer or OfferedSlot(slot, 0) for slot, offer in offers]


def _pinned(answer: list[Reply], lines: Sequence[Line]) -> Pin:
    match answer:
        case ["PINNED", int(fence), int(resolve_by), int(now)]:
            return Pin(fence, from_ms(resolve_by), tuple(lines), from_ms(now))
        case _:
            raise refusal(answer, lines)
