"""The only place that keeps coupons, and that counts how often each is used: with what it is used for."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import delete, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.coupons import Coupon, WhyNot, fold, refusal
from widget_server.domain.money import Money
from widget_server.errors import Changed, IdConflict, NotFound
from widget_server.ids import hash_address
from widget_server.store.database import Database, insert
from widget_server.store.tables import CouponRow, CouponUseRow, SiteRow, values


class Coupons:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(self, site_id: int, code: str) -> Coupon | None:
        """However it was typed."""
        of_code = (col(CouponRow.site_id) == site_id, col(CouponRow.folded) == fold(code))
        async with self._db.snapshot() as session:
            row = (await session.exec(select(CouponRow).where(*of_code))).one_or_none()
            return to_coupon(row) if row else None

    async def one(self, site_id: int, coupon_id: int) -> Coupon:
        """Raises NotFound."""
        async with self._db.snapshot() as session:
            return await read_coupon(session, site_id, coupon_id)

    async def of_site(self, site_id: int) -> Sequence[Coupon]:
        """Those that were made last first."""
        of_site = select(CouponRow).where(col(CouponRow.site_id) == site_id).order_by(col(CouponRow.id).desc())
        async with self._db.snapshot() as session:
            return [to_coupon(row) for row in await session.exec(of_site)]


async def take_use(
    session: AsyncSession, site_id: int, coupon_id: int, *, hold_id: str, email: str, at: datetime
) -> None:
    """One more use, for good or until it is given back: part of the transaction that writes what it is for.

    Whoever uses the same coupon waits until that one is through. Raises CouponRefused.
    """
    of_id = (col(CouponRow.site_id) == site_id, col(CouponRow.id) == coupon_id)
    left = or_(col(CouponRow.uses_max).is_(None), col(CouponRow.used) < col(CouponRow.uses_max))
    raised = update(CouponRow).where(*of_id, col(CouponRow.is_active), left).values(used=col(CouponRow.used) + 1)
    taken = (await session.exec(raised.returning(col(CouponRow.uses_per_address_max)))).one_or_none()
    if taken is None:
        is_active = (await session.exec(select(CouponRow.is_active).where(*of_id))).one_or_none()
        raise refusal(WhyNot.USED_UP if is_active else WhyNot.OVER)
    address_hash, each_max = hash_address(email) if email else None, taken[0]
    if each_max is not None and (address_hash is None or await _uses_of(session, coupon_id, address_hash) >= each_max):
        raise refusal(WhyNot.USED_BY_YOU)
    use = CouponUseRow(site_id=site_id, coupon_id=coupon_id, hold_id=hold_id, address_hash=address_hash, at=at)
    session.add(use)
    await session.flush()


async def give_back_use(session: AsyncSession, site_id: int, hold_id: str) -> None:
    """Nothing came of what it was for. Again: nothing more happens."""
    of_hold = (col(CouponUseRow.site_id) == site_id, col(CouponUseRow.hold_id) == hold_id)
    gone = await session.exec(delete(CouponUseRow).where(*of_hold).returning(col(CouponUseRow.coupon_id)))
    for coupon_id in gone.scalars().all():
        lowered = update(CouponRow).where(col(CouponRow.id) == coupon_id)
        await session.exec(lowered.values(used=col(CouponRow.used) - 1))


async def forget_address(session: AsyncSession, site_id: int, hold_id: str) -> None:
    """That it was used, stays."""
    of_hold = (col(CouponUseRow.site_id) == site_id, col(CouponUseRow.hold_id) == hold_id)
    await session.exec(update(CouponUseRow).where(*of_hold).values(address_hash=None))


async def read_coupon(session: AsyncSession, site_id: int, coupon_id: int) -> Coupon:
    """Raises NotFound."""
    of_id = (col(CouponRow.site_id) == site_id, col(CouponRow.id) == coupon_id)
    row = (await session.exec(select(CouponRow).where(*of_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such coupon.")
    return to_coupon(row)


async def put_coupon(session: AsyncSession, site_id: int, coupon: Coupon, *, at: datetime) -> None:
    """A new one, or what the one of its id is from now on; code and uses stay. Raises IdConflict for a code that there
    is.
    """
    row = _row_of(site_id, coupon, at=at)
    if coupon.id is None:
        new = (
            insert(session, CouponRow).values(values(row)).on_conflict_do_nothing(index_elements=["site_id", "folded"])
        )
        if (await session.exec(new.returning(col(CouponRow.id)))).scalar_one_or_none() is None:
            raise IdConflict("There is such a code already.", field="code")
    else:
        kept = {"code", "folded", "used", "created_at"}
        wanted = {name: value for name, value in values(row).items() if name not in kept}
        of_id = (col(CouponRow.site_id) == site_id, col(CouponRow.id) == coupon.id)
        await session.exec(update(CouponRow).where(*of_id).values(wanted))
    await _note_last_day(session, site_id)


async def remove_coupon(session: AsyncSession, site_id: int, coupon_id: int) -> bool:
    """Whether there was one. Raises Changed for one that was used: orders were sold with it."""
    of_id = (col(CouponRow.site_id) == site_id, col(CouponRow.id) == coupon_id)
    used = (await session.exec(select(CouponRow.used).where(*of_id).with_for_update())).one_or_none()
    if used:
        raise Changed("This coupon has been used: switch it off instead.")
    await session.exec(delete(CouponRow).where(*of_id))
    await _note_last_day(session, site_id)
    return used is not None


async def count_coupons(session: AsyncSession, site_id: int) -> int:
    return (await session.exec(select(func.count()).where(col(CouponRow.site_id) == site_id))).one()


async def _note_last_day(session: AsyncSession, site_id: int) -> None:
    """With the site, so that nobody who asks what it offers has to look here."""
    active = select(CouponRow).where(col(CouponRow.site_id) == site_id, col(CouponRow.is_active))
    days = [row.last_day or date.max for row in await session.exec(active)]
    noted = update(SiteRow).where(col(SiteRow.id) == site_id)
    await session.exec(noted.values(coupons_last_day=max(days, default=None)))


async def _uses_of(session: AsyncSession, coupon_id: int, address_hash: str) -> int:
    of_address = (col(CouponUseRow.coupon_id) == coupon_id, col(CouponUseRow.address_hash) == address_hash)
    return (await session.exec(select(func.count()).where(*of_address))).one()


def _row_of(site_id: int, coupon: Coupon, *, at: datetime) -> CouponRow:
    return CouponRow(
        site_id=site_id,
        code=coupon.code,
        folded=fold(coupon.code),
        percent=coupon.percent,
        amount_minor=coupon.amount.amount_minor if coupon.amount else None,
        currency=coupon.amount.currency if coupon.amount else "",
        first_day=coupon.first_day,
        last_day=coupon.last_day,
        services=sorted(coupon.services),
        uses_max=coupon.uses_max,
        uses_per_address_max=coupon.uses_per_address_max,
        is_active=coupon.is_active,
        used=0,
        created_at=at,
    )


def to_coupon(row: CouponRow) -> Coupon:
    return Coupon(
        code=row.code,
        percent=row.percent,
        amount=Money(row.amount_minor, row.currency) if row.amount_minor is not None else None,
        first_day=row.first_day,
        last_day=row.last_day,
        services=frozenset(row.services),
        uses_max=row.uses_max,
        uses_per_address_max=row.uses_per_address_max,
        is_active=row.is_active,
        used=row.used,
        id=row.id,
    )
