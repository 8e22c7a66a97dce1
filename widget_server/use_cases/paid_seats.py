"""The only place where seats wait for their payment, and become what was sold once it is there."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict, Unpack

import structlog

from widget_server.domain import policies
from widget_server.domain.attempts import Attempt
from widget_server.domain.holds import Line
from widget_server.domain.move_prices import SeatPrice
from widget_server.domain.orders import Move, OutcomeState
from widget_server.domain.payments import MIN_LEFT, PAYMENT_WINDOW, AttemptState, Payment, PaymentState
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.engine.reservations import Pin, Reservations
from widget_server.errors import HoldBudgetSpent, HoldEnded, IdConflict, NotFound, NotYours, SlotClosed, SlotFull
from widget_server.payments.stripe_gateway import StripeGateway
from widget_server.store.alternatives import LatePayments
from widget_server.store.attempts import Attempts
from widget_server.store.bookings import Bookings, Confirmation, ConfirmationLine, Rescheduling
from widget_server.store.confirmations import Stage
from widget_server.store.payment_accounts import PaymentAccounts
from widget_server.store.sites import Sites
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.offers import Offers
from widget_server.use_cases.pinning import Pinning, PinningParts
from widget_server.use_cases.refunding import Refunding

LOST = (SlotFull, SlotClosed, HoldEnded, HoldBudgetSpent, IdConflict, NotFound, NotYours)
"""Why seats that were waiting for their payment cannot be had again."""
NO_BUDGET = 2**31
"""Who has paid is no hoarder: their seats are taken again whatever else they hold."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DecidingParts:
    """What it takes besides to have seats paid."""

    attempts: Attempts
    payments: LatePayments
    accounts: PaymentAccounts
    gateway: StripeGateway
    refunding: Refunding
    sites: Sites
    offers: Offers


class Limits(TypedDict, total=False):
    visitor_max: int
    network_max: int


class PaidSeats(Pinning):
    def __init__(self, deciding: DecidingParts, **parts: Unpack[PinningParts]) -> None:
        super().__init__(**parts)
        self._attempts, self._payments = deciding.attempts, deciding.payments
        self._accounts, self._gateway = deciding.accounts, deciding.gateway
        self._refunding, self._sites = deciding.refunding, deciding.sites
        self._offers = deciding.offers

    async def end_pin(self, site: Site, attempt: Attempt) -> None:
        """Of an attempt that does not wait for its payment any more, whichever pin it has, known to SQL or not.

        Whoever ends an attempt calls this after that, and whoever pins looks after that whether it still waits: so
        one of the two sees both, and no seats wait for nobody. The hold runs on as long as it would have; whoever came
        back has it for some minutes at least. Where nothing can come of it any more, its seats are free at once.
        """
        pin = await self._pin_kept(site, attempt.hold_id, attempt)
        if pin is None:
            return
        is_given_up = attempt.state is AttemptState.ENDED and attempt.fence == pin.fence  # with its attempt
        outcome = OutcomeState.ABANDONED
        if not is_given_up:
            outcome = await self._store.give_up(site.id, attempt.hold_id, pin.fence)
        if not outcome.is_nothing:
            await self._reconciliation.tell_booked(site, attempt.hold_id, pin.fence)
            return
        comes_back = attempt.went_back_at is not None or self.now() < attempt.pay_until
        with suppress(NotFound):
            await self._engine.unpin(
                site,
                attempt.hold_id,
                fence=pin.fence,
                release=attempt.move is not None or outcome is not OutcomeState.ABANDONED,
                min_left=MIN_LEFT if comes_back else timedelta(0),
            )

    async def _pin_again(self, listing: Listing, attempt: Attempt) -> Pin:
        """The pin that it has, or another one. Raises HoldEnded where somebody has ended it meanwhile."""
        offered = [] if attempt.move else [offered_to(listing, line.line, to_pin=True) for line in attempt.wanted.lines]
        kept = await self._pin_kept(listing.site, attempt.hold_id, attempt)
        if kept is not None and kept.fence == attempt.fence:
            return kept
        pin = kept or await self._take_again(listing, attempt, offered)
        after = await self._payments.pinned_again(attempt.id, fence=pin.fence)
        if after.state is not AttemptState.OPEN:
            await self.end_pin(listing.site, after)
            raise HoldEnded("This is not to be paid any more.")
        _log.info("seats_retaken", site=listing.site.key, attempt=attempt.id)
        return pin

    async def _take_again(self, listing: Listing, attempt: Attempt, offered: Sequence[OfferedSlot]) -> Pin:
        if attempt.move is not None:
            return await pin_move(
                self._engine, self._store, listing, attempt, visitor_max=NO_BUDGET, network_max=NO_BUDGET
            )
        lines = [line.line for line in attempt.wanted.lines]
        return await self._engine.hold_and_pin(
            listing.site,
            lines,
            offered,
            schedule_version=listing.schedule.version,
            id=attempt.hold_id,
            secret_hash=attempt.secret_hash,
            visitor=attempt.wanted.visitor,
            network=attempt.wanted.network,
            attempt=attempt.id,
            window=PAYMENT_WINDOW,
            visitor_max=NO_BUDGET,
            network_max=NO_BUDGET,
        )

    async def _pin_kept(self, site: Site, hold_id: str, attempt: Attempt) -> Pin | None:
        """The pin that it has. Reading takes no memory: a Redis without any lets nobody take seats, nor again."""
        with suppress(NotFound):
            pin = await self._engine.pinned(site, hold_id)
            return pin if pin is not None and pin.attempt == attempt.id else None
        return None


async def pin_move(
    engine: Reservations, store: Bookings, listing: Listing, attempt: Attempt, **budgets: Unpack[Limits]
) -> Pin:
    """Likewise, of the seats to which bookings are to move: the claims that they leave do not stand in the way."""
    assert attempt.move is not None
    lines, leaves = [line.line for line in attempt.wanted.lines], set(attempt.move.leaves)
    claimed = await store.claimed(attempt.site_id, attempt.order_id)
    return await engine.hold_and_pin(
        listing.site,
        lines,
        [offered_to(listing, line, to_pin=True) for line in lines],
        schedule_version=listing.schedule.version,
        id=attempt.hold_id,
        secret_hash=attempt.secret_hash,
        visitor=attempt.wanted.visitor,
        network=attempt.wanted.network,
        attempt=attempt.id,
        window=PAYMENT_WINDOW,
        instead_of=[one for one in claimed if one.slot in leaves],
        **budgets,
    )


def offered_to(listing: Listing, line: Line, *, to_pin: bool = False) -> OfferedSlot:
    """As the slot is offered now, closed or not: these seats were taken in time."""
    find = policies.find_to_pin if to_pin else Schedule.find
    offered = find(listing.schedule, line.slot)
    if offered is None:
        raise SlotClosed("This time is not offered any more.", slot=line.slot.id)
    return offered


def confirmation_of(
    listing: Listing, attempt: Attempt, pin: Pin, payment: Payment, *, held_by: str = ""
) -> Confirmation:
    """As it was sold, held under its own id or another one."""
    wanted = attempt.wanted
    return Confirmation(
        site_id=attempt.site_id,
        epoch=listing.site.epoch,
        schedule_version=listing.schedule.version,
        hold_id=held_by or attempt.hold_id,
        order_id=attempt.hold_id,
        fence=pin.fence,
        lines=tuple(
            ConfirmationLine(
                offered_to(listing, line.line),
                line.seats,
                line.unit_price,
                line.service_name,
                line.attendees,
                line.answers,
                line.discount_minor,
                line.attendee_emails,
            )
            for line in wanted.lines
        ),
        customer=wanted.customer,
        digest=attempt.digest,
        order_number=wanted.number,
        order_secret_hash=attempt.order_secret_hash,
        at=attempt.created_at,
        assignments=pin.assignments,
        remind_hours=listing.schedule.remind_hours,
        is_test=attempt.is_test,
        coupon=wanted.coupon,
        stage=Stage.CAPTURED if payment.state is PaymentState.CAPTURED else Stage.AUTHORISED,
    )


def move_of(listing: Listing, attempt: Attempt, pin: Pin) -> Rescheduling:
    """As its customer has agreed to it, whatever the seats cost by now."""
    move, lines = attempt.move, attempt.wanted.lines
    assert move is not None
    left = dict(zip(move.leaves, lines, strict=True))
    prices = {slot: SeatPrice(line.unit_price.amount_minor, line.discount_minor) for slot, line in left.items()}
    return Rescheduling(
        site_id=attempt.site_id,
        epoch=listing.site.epoch,
        schedule_version=listing.schedule.version,
        order_id=move.order_id,
        seen=move.seen,
        hold_id=attempt.hold_id,
        fence=pin.fence,
        moves=tuple(Move(leaves, offered_to(listing, line.line), line.seats) for leaves, line in left.items()),
        digest=attempt.digest,
        owner=attempt.secret_hash,
        at=attempt.created_at,
        remind_hours=listing.schedule.remind_hours,
        assignments=pin.assignments,
        only_as_asked=move.only_as_asked,
        keep_as_asked=move.keep_as_asked,
        prices={slot: prices[slot] for slot in move.repriced},
        agreed_minor=attempt.amount.amount_minor,
    )
