"""Uses of coupons are counted with what they are for, as often as may be and no more, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.store.studio import ANNA, BEN, NOW, confirmation, found, line, slot
from tests.store.test_attempts import PRICE, attempt, payment
from tests.store.test_audit_log import hire
from tests.store.test_payments import SOON, authorised
from widget_server.domain.attempts import Attempt
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.bookings import Customer
from widget_server.domain.coupons import Coupon, UsedCoupon, WhyNot, refusal
from widget_server.domain.orders import Order
from widget_server.domain.payments import AttemptState
from widget_server.domain.sites import Site
from widget_server.errors import Changed, CouponRefused, IdConflict, NotFound
from widget_server.ids import hash_address
from widget_server.store import payments
from widget_server.store.bookings import Bookings, OutcomeTaken
from widget_server.store.coupons import Coupons, put_coupon, read_coupon, remove_coupon
from widget_server.store.database import Database
from widget_server.store.erasing import Erasing
from widget_server.store.payments import Payments
from widget_server.store.sites import Sites
from widget_server.store.tables import CouponUseRow

pytestmark = pytest.mark.anyio

HALF, ALL = Coupon("Half", percent=50), Coupon("ALL", percent=100)
MANY = 6


async def made(db: Database, site: Site, coupon: Coupon = HALF) -> Coupon:
    async with db.transaction() as session:
        await put_coupon(session, site.id, coupon, at=NOW)
    kept = await Coupons(db).find(site.id, coupon.code)
    assert kept is not None
    return kept


async def used(db: Database, site: Site) -> int:
    (only,) = await Coupons(db).of_site(site.id)
    async with db.snapshot() as session:
        uses = (await session.exec(select(CouponUseRow))).all()
    assert only.used == len(uses), "the count is that of the uses"
    return only.used


def half_paid(site: Site, coupon: Coupon, *, customer: Customer = ANNA) -> Attempt:
    """An attempt to pay one seat at half its price."""
    new = attempt(site)
    assert coupon.id is not None
    lines = tuple(replace(each, discount_minor=2250) for each in new.wanted.lines)
    wanted = replace(new.wanted, lines=lines, coupon=UsedCoupon(coupon.id, coupon.code), customer=customer)
    return replace(new, wanted=wanted, amount=wanted.total)


async def begin(db: Database, new: Attempt) -> Attempt:
    return await Payments(db).begin(new, due_at=NOW)


async def booked_for_nothing(db: Database, site: Site, coupon: Coupon, *, customer: Customer = ANNA) -> Order:
    assert coupon.id is not None
    free = replace(line(slot()), unit_price=PRICE, discount_minor=PRICE.amount_minor)
    used_coupon = UsedCoupon(coupon.id, coupon.code)
    return await Bookings(db).confirm(replace(confirmation(site, [free], customer=customer), coupon=used_coupon))


async def test_a_coupon_is_found_however_its_code_is_typed_and_only_at_its_site(db: Database, site: Site) -> None:
    other = await found(db, "other")
    first, last, services = date(2026, 11, 1), date(2026, 12, 24), frozenset({"yoga"})
    wanted = Coupon("Half-26", 50, None, first, last, services, uses_max=3, uses_per_address_max=1)

    kept = await made(db, site, wanted)

    assert replace(kept, id=None) == wanted
    assert await Coupons(db).find(site.id, " half-26") == kept
    assert await Coupons(db).find(other.id, "Half-26") is None
    with pytest.raises(IdConflict):
        await made(db, site, Coupon("HALF-26", percent=10))
    await made(db, other, Coupon("HALF-26", percent=10))
    with pytest.raises(NotFound):
        await Coupons(db).one(other.id, kept.id or 0)


async def test_a_site_knows_until_when_any_of_its_coupons_counts(db: Database, site: Site) -> None:
    async def last_day() -> date | None:
        present = await Sites(db).by_id(site.id)
        assert present is not None
        return present.coupons_last_day

    assert await last_day() is None
    over = await made(db, site, replace(HALF, last_day=date(2026, 12, 24)))
    assert await last_day() == date(2026, 12, 24)
    endless = await made(db, site, ALL)
    assert await last_day() == date.max
    await made(db, site, replace(endless, is_active=False))
    assert await last_day() == date(2026, 12, 24)
    async with db.transaction() as session:
        await remove_coupon(session, site.id, over.id or 0)
    assert await last_day() is None


async def test_an_attempt_uses_it_until_it_ends_without_an_order(db: Database, site: Site) -> None:
    coupon = await made(db, site)
    new = half_paid(site, coupon)

    first, again = await begin(db, new), await begin(db, replace(half_paid(site, coupon), hold_id=new.hold_id))
    assert (again.id, first.amount, await used(db, site)) == (first.id, PRICE.less(2250), 1)
    await Payments(db).opened(first.id, payment(first), fence=1, at=NOW)
    for _ in range(2):
        await Payments(db).give_up(first.id, SOON, why="not paid")
    assert await used(db, site) == 0
    await begin(db, replace(half_paid(site, coupon), hold_id=new.hold_id))
    assert await used(db, site) == 1


async def test_it_is_given_back_as_well_where_the_money_goes_back(db: Database, site: Site) -> None:
    coupon = await made(db, site)
    new = await begin(db, half_paid(site, coupon))
    opened = await Payments(db).opened(new.id, payment(new), fence=1, at=NOW)
    await Payments(db).void(opened.id, SOON, payment=None, why="no seats")
    assert await used(db, site) == 1

    assert (await Payments(db).returned(opened.id, SOON, is_refund=False)).state is AttemptState.ENDED
    assert await used(db, site) == 0


async def test_what_is_paid_keeps_its_use_and_says_what_was_taken_off(db: Database, site: Site) -> None:
    coupon = await made(db, site)
    one, told, wanted = await authorised(db, site, new=half_paid(site, coupon))
    line_of_it = replace(wanted.lines[0], discount_minor=2250)
    await Payments(db).book(one.id, told, replace(wanted, lines=(line_of_it,), coupon=one.wanted.coupon), NOW)
    await Payments(db).captured(one.id, NOW, remind_hours={})

    order = (await Bookings(db).find(site.id, one.hold_id) or (None,))[0]
    assert order is not None
    assert (order.coupon, order.discount, order.total) == ("Half", PRICE.less(2250), PRICE.less(2250))
    assert await used(db, site) == 1


async def test_an_order_that_costs_nothing_any_more_uses_it_once(db: Database, site: Site) -> None:
    coupon = await made(db, site, ALL)

    order = await booked_for_nothing(db, site, coupon)
    repeated = replace(confirmation(site, hold_id=order.id), coupon=UsedCoupon(coupon.id or 0, coupon.code))
    with pytest.raises(OutcomeTaken):
        await Bookings(db).confirm(repeated)

    assert (order.coupon, order.total.is_free, order.discount) == ("ALL", True, PRICE)
    assert await used(db, site) == 1


async def test_of_many_at_once_as_many_use_it_as_may(db: Database, site: Site) -> None:
    coupon = await made(db, site, replace(HALF, uses_max=2))

    assert await begun_at_once(db, site, coupon) == MANY - 2
    assert await used(db, site) == 2


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_more_would_if_they_only_looked_before(db: Database, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coupon, everybody = await made(db, site, replace(HALF, uses_max=2)), asyncio.Barrier(MANY)

    async def look_before(
        session: AsyncSession, site_id: int, coupon_id: int, *, hold_id: str, email: str, at: datetime
    ) -> None:
        present = await read_coupon(session, site_id, coupon_id)
        await everybody.wait()
        if present.uses_max is not None and present.used >= present.uses_max:
            raise refusal(WhyNot.USED_UP)
        session.add(CouponUseRow(site_id=site_id, coupon_id=coupon_id, hold_id=hold_id, at=at))

    monkeypatch.setattr(payments, "take_use", look_before)

    assert await begun_at_once(db, site, coupon) == 0, "so many are refused"


async def begun_at_once(db: Database, site: Site, coupon: Coupon) -> int:
    """How many of them were refused."""
    tries = (begin(db, half_paid(site, coupon)) for _ in range(MANY))
    done = await asyncio.gather(*tries, return_exceptions=True)
    refused = [each for each in done if not isinstance(each, Attempt)]
    assert all(isinstance(each, CouponRefused) and each.details["reason"] == "used_up" for each in refused), refused
    return len(refused)


@pytest.mark.parametrize(
    "use",
    [booked_for_nothing, lambda db, site, coupon, customer: begin(db, half_paid(site, coupon, customer=customer))],
)
async def test_an_address_uses_it_as_often_as_it_may(
    db: Database, site: Site, use: Callable[..., Awaitable[object]]
) -> None:
    coupon = await made(db, site, replace(ALL, uses_per_address_max=1))
    await use(db, site, coupon, customer=ANNA)

    with pytest.raises(CouponRefused, match="your address"):
        await use(db, site, coupon, customer=replace(ANNA, email="ANNA@example.org"))
    with pytest.raises(CouponRefused):
        await use(db, site, coupon, customer=BEN)
    await use(db, site, coupon, customer=replace(BEN, email="ben@example.org"))
    assert await used(db, site) == 2


async def test_a_coupon_that_was_switched_off_meanwhile_is_used_no_more(db: Database, site: Site) -> None:
    coupon = await made(db, site)
    await made(db, site, replace(coupon, is_active=False))

    with pytest.raises(CouponRefused, match="any more"):
        await begin(db, half_paid(site, coupon))
    assert await used(db, site) == 0


async def test_what_was_used_is_not_removed(db: Database, site: Site) -> None:
    coupon = await made(db, site)
    await begin(db, half_paid(site, coupon))

    async with db.transaction() as session:
        with pytest.raises(Changed):
            await remove_coupon(session, site.id, coupon.id or 0)


async def test_its_use_stays_when_its_customer_is_erased_and_says_no_more_who_it_was(db: Database, site: Site) -> None:
    order = await booked_for_nothing(db, site, await made(db, site, ALL))
    over = slot().slot.ends_at + timedelta(minutes=1)

    async with db.snapshot() as session:
        (use,) = (await session.exec(select(CouponUseRow))).all()
        assert use.address_hash == hash_address("anna@example.org")
    entry = Entry(site.id, 1, Deed.PERSONAL_DATA_ERASED, over, order.id)
    await erase(db, site, entry)
    async with db.snapshot() as session:
        (use,) = (await session.exec(select(CouponUseRow))).all()
        assert (use.hold_id, use.address_hash) == (order.id, None)
    assert await used(db, site) == 1


async def erase(db: Database, site: Site, entry: Entry) -> None:
    operator_id = await hire(db, site)
    await Erasing(db).erase(site.id, entry.about, entry=replace(entry, operator_id=operator_id))
