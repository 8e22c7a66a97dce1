"""The only place that erases who a customer was: all of an order that is personal, in one transaction."""

from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain import policies
from widget_server.domain.audit_log import Entry
from widget_server.errors import NotFound
from widget_server.store.attempts import Attempts
from widget_server.store.audit_log import put_entry
from widget_server.store.coupons import forget_address
from widget_server.store.database import Database
from widget_server.store.messages import Messages
from widget_server.store.move_requests import MoveRequests
from widget_server.store.my_bookings import forget_link
from widget_server.store.orders import read_order
from widget_server.store.sites import lock_site
from widget_server.store.tables import AttendeeRow, BookingRow, OrderRow, OutcomeRow, SiteRow


class Erasing:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def erase(self, site_id: int, order_id: str, *, entry: Entry) -> bool:
        """All at once; whether this call did it. Again: nothing more happens.

        Times, seats, figures and numbers stay. Raises NotFound; Changed while a booking is not over; Unavailable.
        """
        async with self._db.transaction() as session:
            await lock_site(session, site_id)
            of_id = select(OrderRow.id).where(col(OrderRow.site_id) == site_id, col(OrderRow.hold_id) == order_id)
            await session.exec(of_id.with_for_update())
            found = await read_order(session, site_id, order_id)
            if found is None:
                raise NotFound("There is no such order.")
            order, _ = found
            if order.erased_at is not None:
                return False
            policies.may_erase(order, entry.at)
            await _erase(session, site_id, order_id, entry.at)
            put_entry(session, entry)
            return True


async def _erase(session: AsyncSession, site_id: int, order_id: str, at: datetime) -> None:
    address_hash = await _address_hash_of(session, site_id, order_id)
    await _forget_customer(session, site_id, order_id, at)
    await MoveRequests.erase(session, site_id, order_id)
    await Messages.erase(session, site_id, order_id, at, address_hash=address_hash)
    await Attempts.erase(session, site_id, order_id)
    if address_hash is not None:  # after the messages, as whoever writes them locks both
        await forget_link(session, site_id, address_hash)
    await _forget_request(session, site_id, order_id)
    await forget_address(session, site_id, order_id)


async def _address_hash_of(session: AsyncSession, site_id: int, order_id: str) -> str | None:
    of_order = (col(OrderRow.site_id) == site_id, col(OrderRow.hold_id) == order_id)
    return (await session.exec(select(OrderRow.address_hash).where(*of_order))).one()


async def _forget_customer(session: AsyncSession, site_id: int, order_id: str, at: datetime) -> None:
    """Names, address and answers; zone and language, which say where somebody is from, become the site's."""
    of_order = (col(OrderRow.site_id) == site_id, col(OrderRow.hold_id) == order_id)
    zone, locale = (
        select(column).where(col(SiteRow.id) == site_id).scalar_subquery()
        for column in (col(SiteRow.zone), col(SiteRow.locale))
    )
    nobody = {"customer_name": "", "customer_email": None, "address_hash": None}
    nowhere = {"customer_zone": zone, "customer_locale": locale}
    bookings = select(BookingRow.id).join(OrderRow, col(OrderRow.id) == col(BookingRow.order_id)).where(*of_order)
    await session.exec(update(AttendeeRow).where(col(AttendeeRow.booking_id).in_(bookings)).values(name="", email=None))
    await session.exec(update(BookingRow).where(col(BookingRow.id).in_(bookings)).values(answers=[]))
    await session.exec(update(OrderRow).where(*of_order).values(erased_at=at, **nobody, **nowhere))


async def _forget_request(session: AsyncSession, site_id: int, order_id: str) -> None:
    """The hash of what was sent to confirm: whoever guesses who it was could find it confirmed. That it was, stays."""
    of_hold = (col(OutcomeRow.site_id) == site_id, col(OutcomeRow.hold_id) == order_id)
    await session.exec(update(OutcomeRow).where(*of_hold).values(digest=None))
