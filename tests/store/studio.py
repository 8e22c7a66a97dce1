"""A yoga studio to book at: one class of 12, a consultation, and customers anna and ben."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.bookings import Customer
from widget_server.domain.money import Money
from widget_server.domain.schedule import Opening, Place, Service, ServiceKind
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.ids import hash_secret, new_id, new_order_number
from widget_server.store.bookings import Confirmation, ConfirmationLine
from widget_server.store.database import Database
from widget_server.store.schedule import Schedules, put_openings, put_service
from widget_server.store.sites import Sites

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
FREE = Money(0, "EUR")
ANNA = Customer(name="Anna Berg", email="anna@example.org", zone="Europe/Berlin", locale="de")
BEN = Customer(name="Ben Oak", email="", zone="Europe/London", locale="en")

YOGA = Service(
    key="yoga",
    name="Morning yoga",
    kind=ServiceKind.CLASS,
    place=Place.IN_PERSON,
    description="An hour for all levels.",
    length_min=60,
    capacity=12,
    seats_per_booking_max=6,
    price=FREE,
    access="Elm Street 12, first floor.",
)
TALK = Service(
    key="talk",
    name="First talk",
    kind=ServiceKind.CONSULTATION,
    place=Place.ONLINE,
    description="",
    length_min=30,
    capacity=1,
    seats_per_booking_max=1,
    price=FREE,
    access="https://video.example.org/room",
)
OPENINGS = (
    Opening("yoga", time(8), time(11), weekday=0),
    Opening("yoga", time(18), time(20), day=NOW.date() + timedelta(days=30)),
)


async def found(db: Database, key: str, *, at: datetime = NOW) -> Site:
    """A new site with yoga and talks, in schedule version 2."""
    site = await Sites(db).create(key=key, name="The studio", zone="Europe/Berlin", currency="EUR", at=at)

    async def fill(session: AsyncSession) -> None:
        await put_service(session, site.id, YOGA, at=NOW)
        await put_service(session, site.id, TALK, at=NOW)
        await put_openings(session, site.id, "yoga", OPENINGS)

    assert await Schedules(db).change(site.id, from_version=1, to_version=2, write=fill)
    filled = await Sites(db).by_key(key)
    assert filled is not None
    return filled


def slot(service: Service = YOGA, *, day: int = 1, hour: int = 9, capacity: int | None = None) -> OfferedSlot:
    """A slot so many days from now."""
    starts_at = NOW.replace(hour=hour) + timedelta(days=day)
    return OfferedSlot(
        Slot(service.key, starts_at, starts_at + timedelta(minutes=service.length_min)),
        service.capacity if capacity is None else capacity,
    )


def line(offered: OfferedSlot, seats: int = 1, attendees: tuple[str, ...] = ()) -> ConfirmationLine:
    names = {service.key: service.name for service in (YOGA, TALK)}
    return ConfirmationLine(offered, seats, FREE, names[offered.slot.service], attendees)


def confirmation(
    site: Site,
    lines: Sequence[ConfirmationLine] | None = None,
    *,
    customer: Customer = ANNA,
    hold_id: str | None = None,
    fence: int = 1,
    number: str | None = None,
) -> Confirmation:
    """One seat in tomorrow's yoga, unless told otherwise."""
    return Confirmation(
        site_id=site.id,
        epoch=site.epoch,
        schedule_version=site.schedule_version,
        hold_id=hold_id or new_id(),
        fence=fence,
        lines=tuple(lines or [line(slot())]),
        customer=customer,
        digest=hash_secret("all that was sent"),
        order_number=number or new_order_number(),
        order_secret_hash=hash_secret("order secret"),
        at=NOW,
    )
