"""The story of a checkout: from a hold to a pay page, and back without having paid."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hmac import compare_digest

from widget_server.domain import policies
from widget_server.domain.attempts import OPENING_FOR, Attempt, WantedLine, WantedOrder
from widget_server.domain.bookings import Customer
from widget_server.domain.coupons import UsedCoupon
from widget_server.domain.holds import Hold, Line
from widget_server.domain.orders import Order, OutcomeState
from widget_server.domain.payments import LIVE, PAYMENT_WINDOW, AttemptState
from widget_server.domain.sites import Site
from widget_server.engine.reservations import Pin
from widget_server.errors import (
    Changed,
    HoldEnded,
    NotFound,
    NotYours,
    Paying,
    PaymentRefused,
    PaymentsNotSetUp,
    Refusal,
    SlotFull,
    TooLate,
    Unavailable,
)
from widget_server.ids import hash_secret, new_id, new_order_number
from widget_server.use_cases.catalog import Listing
from widget_server.use_cases.opening import Opening
from widget_server.use_cases.pinning import HoldRef, OrderRef, Visit

ASK_AGAIN_AFTER = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class WantedCheckout:
    """As `WantedConfirmation`. An address is needed: without one, nobody could be told that their money goes back."""

    customer: Customer
    attendees: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...]
    """What the customer saw; never empty."""
    visit: Visit
    digest: str
    """All that was sent, in one text: the same again gets the same pay page."""
    answers: tuple[Mapping[str, str | bool], ...] = ()
    coupon: str = ""
    """A code, however it was typed."""
    attendee_emails: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class CheckoutBegun:
    order: Order
    """In the state open, or further on where it was paid meanwhile."""
    secret: str
    """Of the order; the link of the order has another one."""
    pay_url: str | None
    """None where there is nothing to pay any more."""
    pay_until: datetime
    now: datetime


class Checkout(Opening):
    async def begin(self, ref: HoldRef, wanted: WantedCheckout) -> CheckoutBegun:
        """Pin the hold for the payment window and open a page to pay it; holds that are not there are taken.

        The same call again gets the same page, and goes on where an earlier one was stopped. With another body, the
        earlier page is ended at Stripe first; if it was paid by then, that is the answer. Raises what `confirm` raises,
        InvalidRequest for what costs nothing, less than can be charged, or has no address; PaymentsNotSetUp;
        TooManyTries; CouponRefused; PaymentsAway, after which the same call again goes on; PaymentRefused, after which
        the hold is one again.
        """
        assert wanted.lines, "the body has them"
        attempt = await self._repeat(ref.site_key, lambda listing: self._begin(listing, ref, wanted))
        return await self._answer(ref, attempt)

    async def go_back(self, ref: HoldRef) -> Hold:
        """End the page at Stripe, and have the hold back, with MIN_LEFT at least; without a page open, as it is.

        Raises Paying where Stripe says that it was paid: then the order is the answer. PaymentsAway: it is found out
        by the worker, or by the same call again. NotFound, NotYours.
        """
        site = (await self._catalog.find(ref.site_key)).site
        attempt = await self._attempts.last_of(site.id, ref.hold_id)
        if attempt is not None and not attempt.rests:
            _must_be_own(attempt, ref)
            attempt = await self._end(attempt)
            if attempt.state is not AttemptState.ENDED:
                raise Paying("This is paid already: your booking is being confirmed.")
        return await self._repeat(
            ref.site_key, lambda listing: self._engine.find(listing.site, ref.hold_id, ref.secret_hash)
        )

    async def find_order(self, ref: OrderRef) -> Order:
        """As `Bookings.find_order`, also while it is not paid yet, or where nothing came of that.

        Then `order.payment` says how it stands, and its bookings are `confirming`, or `cancelled`, without access.
        """
        site = (await self._catalog.find(ref.site_key)).site
        try:
            return await self._own_order(site.id, ref)
        except NotFound:
            attempt = await self._own_attempt(site, ref)
        order = attempt.order()
        if not attempt.was_paid:
            return order
        return replace(order, payment=await self._attempts.payment_of(site.id, ref.order_id))  # with what goes back

    async def come_back(self, site_key: str, order_id: str, code: str) -> tuple[Order, str]:
        """From the pay page, whose address had the code: the order, and the secret of its link.

        Raises NotFound for a code that is not this order's; TooLate for one that counts no more.
        """
        secret = self._links.secret_for(site_key, order_id, code, at=self.now())
        return await self.find_order(OrderRef(site_key, order_id, hash_secret(secret))), secret

    async def ask(self, ref: OrderRef) -> Order:
        """Have Stripe asked how an unpaid order stands, unless that was two seconds ago or less; then as `find_order`.

        Raises NotFound. Where Stripe is away, the order is as it is.
        """
        site, now = (await self._catalog.find(ref.site_key)).site, self.now()
        attempt = await self._own_attempt(site, ref)
        can_change = attempt.state in (*LIVE, AttemptState.OFFERING, AttemptState.RETURNING)
        if can_change and await self._attempts.may_ask(attempt.id, at=now, not_since=now - ASK_AGAIN_AFTER):
            with suppress(Unavailable, Paying, PaymentsNotSetUp, PaymentRefused):  # the worker asks again
                await self._settling.carry_on(attempt)
        return await self.find_order(ref)

    async def choose(self, ref: OrderRef, alternative: str | None) -> Order:
        """Whoever has paid too late takes one of the alternatives that are held for them, by its id, or none: then the
        money goes back. The order as it is after that; the same choice again is the same.

        Raises NotFound; TooLate once the time is over, or the money goes back; Changed where another one was chosen
        before; SlotFull for one that is not held any more.
        """
        site = (await self._catalog.find(ref.site_key)).site
        attempt = await self._own_attempt(site, ref)
        if alternative is None:
            attempt = await self._payments.decline(attempt.id, self.now())
        else:
            attempt = await self._payments.choose(attempt.id, alternative, self.now())
        with suppress(Unavailable, Paying, PaymentsNotSetUp, PaymentRefused):  # it is written: the worker goes on
            attempt = await self._settling.carry_on(attempt)
        _must_be_chosen(attempt, alternative, self.now())
        return await self.find_order(ref)

    async def _begin(self, listing: Listing, ref: HoldRef, wanted: WantedCheckout) -> Attempt:
        """The attempt with its page, or what became of it, or of an earlier one, meanwhile."""
        digest = hash_secret(f"{ref.secret_hash}\0{wanted.digest}")
        before = await self._attempts.last_of(listing.site.id, ref.hold_id)
        if before is not None and not before.rests:
            _must_be_own(before, ref)
            was_switched = before.state is AttemptState.OPEN and before.is_test is not listing.site.is_test
            is_over = before.is_over(self.now()) or before.state is AttemptState.ENDED
            if before.digest != digest or was_switched or is_over:
                before = await self._end(before)
            if before.state not in (AttemptState.ENDED, AttemptState.OPENING):
                return before
        attempt = await self._begun(listing, ref, wanted, before, digest)
        if attempt.state is not AttemptState.OPENING:  # the same call, sent twice, was faster
            return attempt
        async with self._leaving_no_pin(listing.site, attempt):
            pin = await self._pin(listing, ref, wanted, attempt)
            return await self._open(listing.site, attempt, pin)

    async def _begun(
        self, listing: Listing, ref: HoldRef, wanted: WantedCheckout, before: Attempt | None, digest: str
    ) -> Attempt:
        """A row for it, before anybody hears of it. Of two calls at once both go on with one row."""
        number = before.wanted.number if before else new_order_number()
        order = await self._wanted_order(listing, wanted, number)
        policies.may_check_out(order.customer, order.total)
        if before is not None and before.state is AttemptState.OPENING:
            if before.wanted.lines == order.lines and before.is_test is listing.site.is_test:
                return before
            await self._settling.give_up_opening(listing.site, before, "the price, or test mode, has changed")
        await self._must_be_possible(listing, ref)
        await self._accounts.find(listing.site.id, is_test=listing.site.is_test)
        self._spend(order.network)
        now = self.now()
        new = Attempt(
            id=new_id(),
            site_id=listing.site.id,
            hold_id=ref.hold_id,
            fence=0,
            is_test=listing.site.is_test,
            state=AttemptState.OPENING,
            secret_hash=ref.secret_hash,
            order_secret_hash=hash_secret(self.order_secret(ref)),
            digest=digest,
            wanted=order,
            amount=order.total,
            created_at=now,
            pay_until=now + PAYMENT_WINDOW,
        )
        begun = await self._payments.begin(new, due_at=now + OPENING_FOR)
        if begun.digest != digest or begun.secret_hash != ref.secret_hash:
            raise Paying("This hold is being paid.")
        return begun

    async def _must_be_possible(self, listing: Listing, ref: HoldRef) -> None:
        """Raises HoldEnded where it was decided that nothing comes of this hold: then nobody is to pay. NotYours."""
        decided = await self._store.outcome(listing.site.id, ref.hold_id)
        if decided is not None:
            was_told_no = decided.digest == hash_secret(self.order_secret(ref))
            if was_told_no or decided.state is not OutcomeState.ABANDONED:
                raise HoldEnded("This hold has ended.")
        with suppress(NotFound):
            await self._engine.find(listing.site, ref.hold_id, ref.secret_hash)

    async def _wanted_order(self, listing: Listing, wanted: WantedCheckout, number: str) -> WantedOrder:
        """As it is sold now. Raises as `may_confirm` does, and CouponRefused."""
        policies.may_confirm(listing.schedule, wanted.lines)
        coupon = await self._coupon(listing.site, wanted.coupon, wanted.customer, wanted.visit)
        off = policies.taken_off(listing.schedule, wanted.lines, coupon)
        addresses = policies.addresses_of(listing.schedule, wanted.lines, wanted.attendee_emails)
        services, names = listing.schedule.services, dict(enumerate(wanted.attendees))
        answers = policies.answers_of(listing.schedule, wanted.lines, wanted.answers)
        lines = tuple(
            WantedLine(
                slot=line.slot,
                seats=line.seats,
                unit_price=(service := services[line.slot.service]).price,
                service_name=service.name,
                place=service.place,
                refund_percent=service.refund_percent,
                attendees=names.get(place, ())[: line.seats],
                answers=answers[place],
                discount_minor=off[place],
                attendee_emails=addresses[place],
            )
            for place, line in enumerate(wanted.lines)
        )
        budgets = self._budgets(wanted.visit)
        used = UsedCoupon(coupon.id, coupon.code) if coupon and coupon.id else None
        return WantedOrder(number, wanted.customer, lines, budgets["visitor"], budgets["network"], used)

    async def _pin(self, listing: Listing, ref: HoldRef, wanted: WantedCheckout, attempt: Attempt) -> Pin:
        """The seats wait for the money. Where there are none, nobody is to pay, whichever of two calls was told so."""
        try:
            return await self._pin_lines(
                listing, ref, wanted.lines, wanted.visit, attempt=attempt.id, window=PAYMENT_WINDOW
            )
        except Unavailable:
            raise
        except Refusal as refusal:
            await self._payments.not_opened(attempt.id, self.now(), why=refusal.on_record)
            raise

    async def _answer(self, ref: HoldRef, attempt: Attempt) -> CheckoutBegun:
        order = attempt.order()
        if attempt.state in (AttemptState.CAPTURING, AttemptState.PAID):
            found = await self._store.find(attempt.site_id, attempt.hold_id)
            assert found is not None, "its attempt says so"
            order = found[0]
        pay_url = order.payment.pay_url if order.payment else None
        return CheckoutBegun(order, self.order_secret(ref), pay_url, attempt.pay_until, self.now())

    async def _own_attempt(self, site: Site, ref: OrderRef) -> Attempt:
        attempt = await self._attempts.last_of(site.id, ref.order_id)
        if attempt is None or not self._opens(ref, attempt.order_secret_hash):
            raise NotFound("There is no such order.")
        return attempt


def _must_be_chosen(attempt: Attempt, alternative: str | None, now: datetime) -> None:
    """What became of a choice. Raises TooLate, Changed, SlotFull."""
    taken = attempt.seats_id or attempt.chosen_id
    is_going_back = attempt.state in (AttemptState.RETURNING, AttemptState.ENDED)
    if alternative == taken and (taken is not None or is_going_back):
        return
    if taken is not None:
        raise Changed("You have chosen another time before.")
    if alternative is None:
        raise TooLate("There is nothing to choose here.")
    if is_going_back or not attempt.is_offered(now):
        raise TooLate("These times are not held for you any more: your money goes back.")
    raise SlotFull("This time is not held for you any more. Please choose another one.")


def _must_be_own(attempt: Attempt, ref: HoldRef) -> None:
    if not compare_digest(attempt.secret_hash, ref.secret_hash):
        raise NotYours("This hold belongs to somebody else.")
