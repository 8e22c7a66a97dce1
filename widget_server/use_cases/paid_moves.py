"""The story of a move that costs more: the new seats wait while its customer pays, and the old ones stay theirs."""

from contextlib import suppress
from typing import Unpack

from widget_server.domain.attempts import OPENING_FOR, Attempt, WantedLine, WantedMove, WantedOrder
from widget_server.domain.money import Money
from widget_server.domain.move_prices import SeatPrice
from widget_server.domain.orders import Order
from widget_server.domain.payments import PAYMENT_WINDOW, AttemptState
from widget_server.domain.sites import Site
from widget_server.engine.reservations import Pin
from widget_server.errors import (
    HoldEnded,
    IdConflict,
    Paying,
    PaymentRefused,
    PaymentsNotSetUp,
    Refusal,
    Unavailable,
)
from widget_server.ids import new_id
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.checkout import ASK_AGAIN_AFTER
from widget_server.use_cases.opening import Opening
from widget_server.use_cases.order_links import OrderLinks
from widget_server.use_cases.paid_seats import DecidingParts, pin_move
from widget_server.use_cases.pinning import OrderRef, PinningParts
from widget_server.use_cases.rescheduling import (
    Plan,
    Rescheduling,
    WantedReschedule,
    digest_of,
    move_secret_hash,
    price_changed,
)
from widget_server.use_cases.settling import Settling


class PaidMoves(Opening):
    def __init__(
        self,
        *,
        rescheduling: Rescheduling,
        settling: Settling,
        deciding: DecidingParts,
        links: OrderLinks,
        **parts: Unpack[PinningParts],
    ) -> None:
        super().__init__(settling=settling, deciding=deciding, links=links, **parts)
        self._rescheduling = rescheduling

    async def begin(self, ref: OrderRef, wanted: WantedReschedule) -> Order:
        """Pin the new seats for the payment window, and open a page to pay what they cost more. The order as it is
        then, with that page; nothing has moved yet.

        The same call again gets the same page, or what became of it. Raises what `reschedule` raises; Paying while
        another move of the order is paid; PriceChanged where nothing is to be paid for it; PaymentsNotSetUp;
        TooManyTries; PaymentsAway, after which the same call again goes on; PaymentRefused.
        """
        attempt = await self._repeat(ref.site_key, lambda listing: self._begin(listing, ref, wanted))
        return await self._own_order(attempt.site_id, ref)

    async def give_up(self, ref: OrderRef) -> Order:
        """End the page at Stripe: the bookings stay where they are, and the new seats are free again. Where it was paid
        by then, they have moved. The order as it is then; again, nothing more happens. Raises Paying while the page is
        just being opened; PaymentsAway; TooManyTries; NotFound.
        """
        site = (await self._catalog.find(ref.site_key)).site
        order = await self._own_order(site.id, ref)
        attempt = await self._attempts.open_move(site.id, order.id)
        if attempt is None:
            return order
        await self._end(attempt)
        return await self._own_order(site.id, ref)

    async def ask(self, ref: OrderRef) -> Order:
        """Have Stripe asked how a move stands, unless that was two seconds ago or less. The order as it is then."""
        site, now = (await self._catalog.find(ref.site_key)).site, self.now()
        order = await self._own_order(site.id, ref)
        attempt = await self._attempts.open_move(site.id, order.id)
        if attempt and await self._attempts.may_ask(attempt.id, at=now, not_since=now - ASK_AGAIN_AFTER):
            with suppress(Unavailable, Paying, PaymentsNotSetUp, PaymentRefused):  # the worker asks again
                await self._settling.carry_on(attempt)
        return await self._own_order(site.id, ref)

    async def _begin(self, listing: Listing, ref: OrderRef, wanted: WantedReschedule) -> Attempt:
        order = await self._own_order(listing.site.id, ref)
        attempt = await self._begun_before(listing.site, ref, wanted)
        if attempt is None:
            attempt = await self._begun(listing, ref, wanted, order)
        if attempt.state is not AttemptState.OPENING:
            return attempt
        async with self._leaving_no_pin(listing.site, attempt):
            pin = await self._pin(listing, attempt)
            return await self._open(listing.site, attempt, pin)

    async def _begun_before(self, site: Site, ref: OrderRef, wanted: WantedReschedule) -> Attempt | None:
        """By the same call. Raises IdConflict, and HoldEnded where nothing came of it."""
        attempt = await self._attempts.last_of(site.id, wanted.hold_id)
        if attempt is None:
            if await self._store.outcome(site.id, wanted.hold_id) is not None:
                raise IdConflict("This id was used before: take a new one.")
            return None
        if attempt.digest != digest_of(ref, wanted):
            raise IdConflict("This id was used before, for something else.")
        if attempt.state is AttemptState.ENDED:
            raise HoldEnded("This move was given up, or not paid in time: take a new id.")
        return attempt

    async def _begun(self, listing: Listing, ref: OrderRef, wanted: WantedReschedule, order: Order) -> Attempt:
        """A row for it, before anybody hears of it."""
        now, digest = self.now(), digest_of(ref, wanted)
        plan = await self._rescheduling.plan(listing, order, wanted, now)
        if plan.price.settled.amount_minor <= 0:
            raise price_changed(plan.price.settled)
        await self._accounts.find(listing.site.id, is_test=order.is_test)
        budgets = self._budgets(wanted.visit)
        self._spend(budgets["network"])
        lines = _lines(plan)
        new = Attempt(
            id=new_id(),
            site_id=listing.site.id,
            hold_id=wanted.hold_id,
            fence=0,
            is_test=order.is_test,
            state=AttemptState.OPENING,
            secret_hash=move_secret_hash(ref),
            order_secret_hash=move_secret_hash(ref),
            digest=digest,
            wanted=WantedOrder(order.number, order.customer, lines, budgets["visitor"], budgets["network"]),
            amount=Money(plan.price.settled.amount_minor, plan.price.settled.currency),
            created_at=now,
            pay_until=now + PAYMENT_WINDOW,
            move=WantedMove(
                order_id=order.id,
                seen=tuple(booking.slot for booking in order.bookings),
                leaves=tuple(move.leaves for move in plan.moves),
                repriced=frozenset(plan.price.prices),
                only_as_asked=plan.only_as_asked,
                keep_as_asked=plan.keep_as_asked,
            ),
        )
        begun = await self._payments.begin_move(new, due_at=now + OPENING_FOR)
        if begun.digest != digest:
            raise IdConflict("This id was used before, for something else.")
        return begun

    async def _pin(self, listing: Listing, attempt: Attempt) -> Pin:
        """The new seats wait for the money. Where there are none, nobody is to pay."""
        try:
            return await pin_move(self._engine, self._store, listing, attempt)
        except Unavailable:
            raise
        except Refusal as refusal:
            await self._payments.not_opened(attempt.id, self.now(), why=refusal.on_record)
            raise


def _lines(plan: Plan) -> tuple[WantedLine, ...]:
    """Those that move, as they cost once they have."""
    bookings, currency = {booking.slot: booking for booking in plan.order.bookings}, plan.order.total.currency
    lines: list[WantedLine] = []
    for move in plan.moves:
        booking = bookings[move.leaves]
        kept = SeatPrice(booking.unit_price_minor, booking.discount_minor)
        price = plan.price.prices.get(move.leaves, kept)
        lines.append(
            WantedLine(
                slot=move.offered.slot,
                seats=move.seats,
                unit_price=Money(price.unit_price_minor, currency),
                service_name=booking.service_name,
                place=booking.place,
                refund_percent=0,
                discount_minor=price.discount_minor,
            )
        )
    return tuple(lines)
