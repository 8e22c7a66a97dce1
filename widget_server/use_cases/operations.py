"""What an operator does for others while they wait: live holds extended, given back or booked, and booking by phone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hmac import compare_digest

from widget_server.clock import Clock
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.bookings import Customer
from widget_server.domain.holds import Hold, HoldState, Line
from widget_server.domain.orders import Order
from widget_server.domain.sites import Site
from widget_server.engine.live_holds import LiveHold, LiveHolds
from widget_server.engine.reservations import Reservations
from widget_server.errors import HoldEnded
from widget_server.ids import hash_secret, keyed
from widget_server.store.audit_log import AuditLog
from widget_server.store.bookings import Bookings as StoredBookings
from widget_server.use_cases.bookings import Bookings, HoldRef, Visit, WantedConfirmation

EXTENDABLE_MIN = timedelta(seconds=5)
"""Less than this is no time worth giving."""


class Step(StrEnum):
    HELD = "held"
    CONFIRMING = "confirming"
    MOVING = "moving"
    PAYING = "paying"


_STEPS = {"free": Step.CONFIRMING, "reschedule": Step.MOVING}


@dataclass(frozen=True, slots=True)
class SeenHold:
    """A live hold as its operator sees it."""

    hold: Hold
    step: Step

    @property
    def can_be_extended(self) -> bool:
        return self.step is Step.HELD and self.hold.limit_at - self.hold.expires_at >= EXTENDABLE_MIN

    @property
    def can_be_ended(self) -> bool:
        """Not while its customer pays or confirms: the outcome decides."""
        return self.step is Step.HELD


@dataclass(frozen=True, slots=True)
class LiveView:
    now: datetime
    holds: tuple[SeenHold, ...]
    is_all: bool


@dataclass(frozen=True, slots=True)
class ForCustomer:
    """What somebody said on the phone."""

    customer: Customer
    attendees: tuple[str, ...]
    answers: Mapping[str, str | bool] = field(default_factory=dict)
    """To what the service asks, as far as they gave any."""

    def digest(self, lines: Sequence[Line]) -> str:
        """Of all that a form said, the seats as well: other seats are no repetition."""
        seats = " ".join(f"{line.slot.id}*{line.seats}" for line in lines)
        answers = [f"{question}={answer}" for question, answer in sorted(self.answers.items())]
        return "\0".join([seats, self.customer.name, self.customer.email, *self.attendees, *answers])


class Operations:
    def __init__(
        self,
        *,
        live_holds: LiveHolds,
        engine: Reservations,
        bookings: Bookings,
        store: StoredBookings,
        audit_log: AuditLog,
        clock: Clock,
        key: bytes,
    ) -> None:
        self._live_holds = live_holds
        self._engine = engine
        self._bookings = bookings
        self._store = store
        self._audit_log = audit_log
        self._clock = clock
        self._key = key

    async def live(self, site: Site) -> LiveView:
        """All live holds of the site, the first to end first. Raises Unavailable."""
        found = await self._live_holds.of_site(site)
        return LiveView(found.now, tuple(_seen(live) for live in found.holds), found.is_all)

    async def find(self, site: Site, hold_id: str) -> SeenHold:
        """Raises HoldEnded, Unavailable."""
        return _seen(await self._live_holds.find(site, hold_id))

    async def extend(self, site: Site, hold_id: str, *, version: int, operator_id: int) -> Hold:
        """A full hold length from now on, up to the hold's limit; of the same version again: the same answer.

        Raises HoldEnded, Paying, Changed, Unavailable.
        """
        live = await self._live_holds.find(site, hold_id)
        length = site.hold_length
        hold = await self._engine.renew(site, hold_id, live.secret_hash, version=version, length=length)
        if hold.version != live.hold.version:  # else it was extended by this very form before
            await self._note(site, operator_id, Deed.HOLD_EXTENDED, hold)
        return hold

    async def release(self, site: Site, hold_id: str, *, operator_id: int) -> None:
        """Give the seats back at once, whatever the visitor is just typing. Raises HoldEnded, Paying, Unavailable."""
        live = await self._live_holds.find(site, hold_id)
        await self._engine.release(site, hold_id, live.secret_hash)
        await self._note(site, operator_id, Deed.HOLD_RELEASED, live.hold)

    async def book_hold(
        self, site: Site, hold_id: str, seen: Sequence[Line], wanted: ForCustomer, *, operator_id: int
    ) -> Order:
        """Make somebody's hold their booking, if it still has the lines that were seen. The same again: the same order.

        Raises as `Bookings.confirm`.
        """
        try:
            live = await self._live_holds.find(site, hold_id)
        except HoldEnded:
            outcome = await self._store.outcome(site.id, hold_id)
            if outcome is not None and outcome.order is not None:
                return outcome.order  # by this very form before, or by the visitor a moment ago
            raise
        entry = self._entry(site, operator_id, Deed.HOLD_BOOKED, hold_id, live.hold.lines)
        return await self._confirm(HoldRef(site.key, hold_id, live.secret_hash), wanted, entry, seen=tuple(seen))

    async def book(self, site: Site, id: str, line: Line, wanted: ForCustomer, *, operator_id: int) -> Order:
        """Book by phone, under an id that was made for this form. The same again: the same order.

        There is one way to book: what `Bookings.confirm` refuses to visitors it refuses here.
        """
        entry = self._entry(site, operator_id, Deed.BOOKED_BY_PHONE, id, [line])
        return await self._confirm(self._ref(site, id), wanted, entry, lines=(line,))

    async def order_secret(self, site: Site, order_id: str) -> str | None:
        """Of an order that was booked by phone: for the link that the customer is told. None for all others."""
        found = await self._store.find(site.id, order_id)
        secret = self._bookings.order_secret(self._ref(site, order_id))
        return secret if found is not None and compare_digest(found[1], hash_secret(secret)) else None

    async def _confirm(
        self,
        ref: HoldRef,
        wanted: ForCustomer,
        entry: Entry,
        *,
        lines: tuple[Line, ...] = (),
        seen: tuple[Line, ...] = (),
    ) -> Order:
        """`lines` are taken, those `seen` are held: then its visitor's budget stays what it is."""
        confirmation = WantedConfirmation(
            customer=wanted.customer,
            attendees=(wanted.attendees,),
            lines=lines,
            visit=Visit(visitor=ref.hold_id, network=f"operator {entry.operator_id}"),
            digest=wanted.digest(lines or seen),
            entry=entry,
            answers=(wanted.answers,),
            seen=seen,
        )
        return (await self._bookings.confirm(ref, confirmation)).order

    def _ref(self, site: Site, id: str) -> HoldRef:
        """Its secret is derived, so that the order's link can be read out again at any time."""
        return HoldRef(site.key, id, hash_secret(keyed(self._key, "booked by phone", f"{site.key}/{id}")))

    async def _note(self, site: Site, operator_id: int, deed: Deed, hold: Hold) -> None:
        """Redis and SQL have no transaction in common: an entry may be missing, but none tells what did not happen."""
        await self._audit_log.keep(self._entry(site, operator_id, deed, hold.id, hold.lines))

    def _entry(self, site: Site, operator_id: int, deed: Deed, about: str, lines: Sequence[Line]) -> Entry:
        detail = {"slots": [line.slot.id for line in lines], "seats": sum(line.seats for line in lines)}
        return Entry(site.id, operator_id, deed, self._clock.now(), about, detail)


def _seen(live: LiveHold) -> SeenHold:
    is_held = live.hold.state is HoldState.HELD
    return SeenHold(live.hold, Step.HELD if is_held else _STEPS.get(live.attempt, Step.PAYING))
