"""The only place for what one try to pay is, and which order would come of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from widget_server.domain.bookings import Booking, BookingState, Customer
from widget_server.domain.coupons import UsedCoupon
from widget_server.domain.holds import Line
from widget_server.domain.methods import Method
from widget_server.domain.money import Money
from widget_server.domain.orders import Claimed, Order, OrderState
from widget_server.domain.payments import AttemptState, Dispute, MovePayment, OrderPayment, PaidPart
from widget_server.domain.questions import Answer
from widget_server.domain.services import Place
from widget_server.domain.slots import Slot
from widget_server.errors import KEYS_REFUSED

OPENING_FOR = timedelta(seconds=30)
"""Longer than it takes to open a session: an attempt that has none by then is ended."""
LET_GO_AFTER = timedelta(hours=1)
"""So long after its window Stripe may leave us without an answer. Then seats are let go, and what comes goes back."""
STUCK = (AttemptState.OFFERING, AttemptState.CAPTURING, AttemptState.RETURNING)
"""There is money in it, of which something has to become."""
_FIRST_PAUSE, _PAUSE_MAX = timedelta(seconds=2), timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class WantedLine:
    """As it was sold: whatever the service costs or refunds later."""

    slot: Slot
    seats: int
    unit_price: Money
    service_name: str
    place: Place
    refund_percent: int
    attendees: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    discount_minor: int = 0
    """What a coupon takes off the price of all its seats."""
    attendee_emails: tuple[str, ...] = ()

    @property
    def line(self) -> Line:
        return Line(self.slot, self.seats)

    @property
    def total(self) -> Money:
        return self.unit_price.times(self.seats).less(self.discount_minor)


@dataclass(frozen=True, slots=True)
class WantedOrder:
    """All that an order is made from once it is paid."""

    number: str
    customer: Customer
    lines: tuple[WantedLine, ...]
    visitor: str
    """Keyed hashes, as the hold counts in the budgets; likewise `network`."""
    network: str
    coupon: UsedCoupon | None = None

    @property
    def total(self) -> Money:
        return sum((line.total for line in self.lines), Money(0, self.lines[0].unit_price.currency))


@dataclass(frozen=True, slots=True)
class WantedMove:
    """Where not an order is paid but that it moves: then the lines are those that move, as they are to cost."""

    order_id: str
    seen: tuple[Slot, ...]
    """Where all bookings of the order were."""
    leaves: tuple[Slot, ...]
    """One for each line."""
    repriced: frozenset[Slot]
    """Those of them that cost something else from then on."""
    only_as_asked: frozenset[Slot] = frozenset()
    keep_as_asked: frozenset[Slot] = frozenset()
    """As the record of a move has them."""


@dataclass(frozen=True, slots=True)
class WaitingPin:
    """What it takes to hold the seats of an attempt again for whoever pays it, where Redis has forgotten them."""

    hold_id: str
    secret_hash: str
    attempt_id: str
    fence: int
    pay_until: datetime
    lines: tuple[Line, ...]
    visitor: str
    network: str
    instead_of: tuple[Claimed, ...] = ()
    """Of a move: what it leaves does not stand in its way."""


@dataclass(frozen=True, slots=True)
class Attempt:
    id: str
    site_id: int
    hold_id: str
    """Which will be the order's id as well, unless it is that of a move."""
    fence: int
    """Of its pin; 0 before it is known."""
    is_test: bool
    state: AttemptState
    secret_hash: str
    order_secret_hash: str
    digest: str
    wanted: WantedOrder
    amount: Money
    created_at: datetime
    pay_until: datetime
    session_id: str | None = None
    session_url: str | None = None
    intent_id: str | None = None
    was_paid: bool = False
    went_back_at: datetime | None = None
    asked_at: datetime | None = None
    due_at: datetime | None = None
    tries: int = 0
    why: str | None = None
    seats_id: str | None = None
    """The hold of other seats than were wanted, where those were taken in their place."""
    offered_until: datetime | None = None
    """Until when other seats are held for its customer."""
    chosen_id: str | None = None
    """The hold of those that they have chosen."""
    disputes: tuple[Dispute, ...] = ()
    method: Method | None = None
    """How it was paid."""
    move: WantedMove | None = None

    @property
    def order_id(self) -> str:
        return self.move.order_id if self.move else self.hold_id

    def is_over(self, now: datetime) -> bool:
        """Nothing more is to be paid: its customer went back, or the window has closed."""
        return self.went_back_at is not None or now >= self.pay_until

    @property
    def rests(self) -> bool:
        """It came to nothing, and all that follows from that has been done."""
        return self.state is AttemptState.ENDED and self.due_at is None

    @property
    def is_stuck(self) -> bool:
        """Its money can be neither taken nor given back before its site has other keys."""
        return self.state in STUCK and self.why == KEYS_REFUSED

    def is_offered(self, now: datetime) -> bool:
        """Whether its customer may still choose other seats."""
        return self.state is AttemptState.OFFERING and self.offered_until is not None and now < self.offered_until

    def at(self, slots: tuple[Slot, ...]) -> "Attempt":
        """As if these had been wanted, one for each line."""
        lines = tuple(replace(line, slot=of) for line, of in zip(self.wanted.lines, slots, strict=True))
        return replace(self, wanted=replace(self.wanted, lines=lines))

    def is_let_go(self, now: datetime) -> bool:
        return now >= self.pay_until + LET_GO_AFTER

    def next_look(self, now: datetime) -> datetime:
        """When to see to it again where nothing has changed: soon, then less and less often, and when it is over."""
        later = now + min(_FIRST_PAUSE * (1 << min(self.tries, 10)), _PAUSE_MAX)
        ends = self.offered_until if self.is_offered(now) and self.offered_until else self.pay_until
        return min(later, ends) if now < ends else later

    def order(self) -> Order:
        """As its customer sees it while there is no order yet, or where nothing came of it."""
        return Order(
            id=self.hold_id,
            number=self.wanted.number,
            state=self._order_state(),
            customer=self.wanted.customer,
            bookings=tuple(self._booking(line) for line in self.wanted.lines),
            total=self.amount,
            created_at=self.created_at,
            is_test=self.is_test,
            payment=self.payment(),
            coupon=self.wanted.coupon.code if self.wanted.coupon else "",
        )

    def payment(self) -> OrderPayment:
        can_pay = self.state is AttemptState.OPEN and self.went_back_at is None
        return OrderPayment(
            attempt_id=self.id,
            state=self.state,
            pay_url=self.session_url if can_pay else None,
            pay_until=self.pay_until,
            was_paid=self.was_paid,
            parts=(self.part(),) if self.was_paid else (),
            came_too_late=self.offered_until is not None and self.seats_id is None,
            is_stuck=self.is_stuck,
            disputes=self.disputes,
            method=self.method,
        )

    def part(self) -> PaidPart:
        return PaidPart(self.id, self.amount, self.created_at, self.method)

    def move_payment(self) -> MovePayment:
        assert self.move is not None
        can_pay = self.state is AttemptState.OPEN and self.went_back_at is None
        return MovePayment(
            attempt_id=self.id,
            state=self.state,
            amount=self.amount,
            moves=tuple(zip(self.move.leaves, (line.slot for line in self.wanted.lines), strict=True)),
            pay_url=self.session_url if can_pay else None,
            pay_until=self.pay_until,
            was_paid=self.was_paid,
            disputes=self.disputes,
        )

    def _order_state(self) -> OrderState:
        if self.state is AttemptState.OFFERING:
            return OrderState.OPEN
        if self.state is AttemptState.RETURNING or self.was_paid:
            return OrderState.VOIDED
        return OrderState.EXPIRED if self.state is AttemptState.ENDED else OrderState.OPEN

    def _booking(self, line: WantedLine) -> Booking:
        is_over = self.state in (AttemptState.OFFERING, AttemptState.RETURNING, AttemptState.ENDED)
        return Booking(
            slot=line.slot,
            service_name=line.service_name,
            seats=line.seats,
            state=BookingState.CANCELLED if is_over else BookingState.CONFIRMING,
            place=line.place,
            access="",
            attendees=(),
            created_at=self.created_at,
            unit_price_minor=line.unit_price.amount_minor,
            discount_minor=line.discount_minor,
        )
