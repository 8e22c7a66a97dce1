"""Coupons: what a code takes off a price, for visitors; making and changing them, for operators."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.clock import Clock
from widget_server.domain import changes, policies
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.coupons import COUPONS_MAX, Coupon, WhyNot, may_count, refusal
from widget_server.domain.holds import Line
from widget_server.domain.money import Money
from widget_server.domain.payments import why_not_chargeable
from widget_server.domain.sites import Site
from widget_server.errors import Changed, InvalidRequest
from widget_server.store.audit_log import put_entry, read_made
from widget_server.store.coupons import Coupons as StoredCoupons
from widget_server.store.coupons import count_coupons, put_coupon, read_coupon, remove_coupon
from widget_server.use_cases.catalog import Catalog
from widget_server.use_cases.edits import fingerprint, key_of_form
from widget_server.use_cases.scheduling import Scheduling
from widget_server.use_cases.tries import Tries

WRONG_CODES_PER_NETWORK_MAX = 30
"""In a quarter of an hour, at each site, in each web process. Codes are short: nobody shall find one by trying."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What something costs with a coupon, as of now."""

    coupon: str
    full: Money
    discount: Money
    total: Money


class Coupons:
    def __init__(self, *, coupons: StoredCoupons, catalog: Catalog, scheduling: Scheduling, clock: Clock) -> None:
        self._coupons, self._catalog = coupons, catalog
        self._scheduling, self._clock = scheduling, clock
        self._tries = Tries(clock)

    async def quote(self, site_key: str, code: str, lines: Sequence[Line], *, network: str) -> Quote:
        """What these lines cost with it. Nothing is promised: it counts when it is used.

        Raises CouponRefused, TooManyTries, and InvalidRequest for what cannot be sold, or not be charged.
        """
        listing = await self._catalog.find(site_key)
        policies.may_confirm(listing.schedule, lines)
        coupon = await self.find(listing.site, code, network=network)
        if coupon.uses_max is not None and coupon.used >= coupon.uses_max:
            raise refusal(WhyNot.USED_UP)
        full = policies.price_of(listing.schedule, lines)
        discount = sum(policies.taken_off(listing.schedule, lines, coupon))
        total = full.less(discount)
        if why := why_not_chargeable(total):
            raise InvalidRequest(why)
        return Quote(coupon.code, full, Money(discount, full.currency), total)

    async def find(self, site: Site, code: str, *, network: str) -> Coupon:
        """One that counts today, however often it was used. Only codes that are none count as tries.

        Raises CouponRefused, TooManyTries.
        """
        tried = f"{site.key} network {network}"
        self._tries.spend([(tried, WRONG_CODES_PER_NETWORK_MAX)])
        coupon = await self._coupons.find(site.id, code)
        if coupon is None:
            raise refusal(WhyNot.UNKNOWN)
        self._tries.give_back(tried)
        may_count(coupon, self._clock.now().astimezone(site.zone).date())
        return coupon

    async def of_site(self, site: Site) -> Sequence[Coupon]:
        return await self._coupons.of_site(site.id)

    async def one(self, site: Site, coupon_id: int) -> Coupon:
        """Raises NotFound."""
        return await self._coupons.one(site.id, coupon_id)

    async def save(self, site: Site, wanted: Coupon, *, operator_id: int, form_id: str = "", seen: str = "") -> None:
        """A new one, or what the one of this id is from now on, but for its code. The same form again: nothing more.

        `seen` is the mark of what was changed. Raises Changed if that is another by now, IdConflict for a code that
        there is, InvalidRequest, NotFound.
        """
        deed = Deed.COUPON_ADDED if wanted.id is None else Deed.COUPON_CHANGED
        form_key = key_of_form(form_id, wanted) if wanted.id is None else None
        now = self._clock.now()
        entry = Entry(site.id, operator_id, deed, now, str(wanted.id or ""), form_key=form_key)

        async def write(session: AsyncSession) -> None:
            if await read_made(session, entry) is not None:
                return
            detail = changes.of_new_coupon(wanted)
            if wanted.id is not None:
                present = await read_coupon(session, site.id, wanted.id)
                if seen != mark(present):
                    raise Changed("Somebody has changed this coupon meanwhile.")
                detail = {"code": wanted.code} | (changes.of_coupon(present, wanted) or changes.UNCHANGED)
            elif await count_coupons(session, site.id) >= COUPONS_MAX:
                raise InvalidRequest(f"A site can have up to {COUPONS_MAX} coupons: remove old ones.", field="page")
            await put_coupon(session, site.id, wanted, at=now)
            put_entry(session, replace(entry, detail=detail))

        await self._scheduling.change(site, write)

    async def remove(self, site: Site, coupon: Coupon, *, operator_id: int) -> None:
        """Again: nothing more happens. Raises Changed for one that was used."""
        assert coupon.id is not None
        coupon_id, now = coupon.id, self._clock.now()
        entry = Entry(site.id, operator_id, Deed.COUPON_REMOVED, now, str(coupon_id), {"code": coupon.code})

        async def write(session: AsyncSession) -> None:
            if await remove_coupon(session, site.id, coupon_id):
                put_entry(session, entry)

        await self._scheduling.change(site, write)


def mark(coupon: Coupon) -> str:
    """Of what an operator sees and can change: it stays when it is used."""
    return fingerprint(replace(coupon, used=0))
