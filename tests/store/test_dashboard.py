"""Bookings as operators look through them: each page goes on exactly where the last one ended."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.studio import ANNA, BEN, NOW, TALK, confirmation, found, line, slot
from widget_server.domain.bookings import Customer
from widget_server.domain.claims import Assignment
from widget_server.domain.dashboard import Place, Sorting, Wanted
from widget_server.domain.sites import Site
from widget_server.domain.slots import Need
from widget_server.domain.staffing import StaffMember
from widget_server.store.bookings import Bookings
from widget_server.store.dashboard import Dashboard
from widget_server.store.database import Database
from widget_server.store.staff import put_member

pytestmark = pytest.mark.anyio


async def book(db: Database, site: Site, *, day: int = 1, hour: int = 9, customer: Customer = ANNA) -> str:
    """The number of the order."""
    order = await Bookings(db).confirm(confirmation(site, [line(slot(day=day, hour=hour), 1)], customer=customer))
    return order.number


async def test_another_site_has_none_of_these_bookings(db: Database, site: Site) -> None:
    other = await found(db, "other")
    await book(db, site)
    order = await Bookings(db).confirm(confirmation(other))

    dashboard = Dashboard(db)
    assert [seen.number for seen in await dashboard.bookings(other.id, Wanted(), limit=9)] == [order.number]
    assert [seen.number for seen in await dashboard.attendees(other.id, Wanted(), limit=9)] == [order.number]
    assert [seen.number for seen in await dashboard.of_slot(other.id, slot().slot)] == [order.number]
    assert await dashboard.of_order(site.id, order.id) == []


@pytest.mark.parametrize("sorting", Sorting)
async def test_every_booking_is_on_exactly_one_page(db: Database, site: Site, sorting: Sorting) -> None:
    """Days and hours repeat, so that many stand at the same place of the first key."""
    booked = [await book(db, site, day=1 + n % 3, hour=9 + n % 2) for n in range(11)]
    dashboard, wanted = Dashboard(db), Wanted(sorting=sorting)

    pages, after = [], None
    while page := await dashboard.bookings(site.id, wanted, limit=4, after=after):
        pages.append(page)
        after = page[-1].place

    assert sorted(seen.number for page in pages for seen in page) == sorted(booked)
    if sorting is Sorting.NEWEST:
        assert [seen.number for page in pages for seen in page] == booked[::-1]
    else:
        starts = [seen.slot.starts_at for page in pages for seen in page]
        assert starts == sorted(starts)
    assert await dashboard.bookings(site.id, wanted, limit=4, before=pages[2][0].place) == pages[1]
    assert await dashboard.bookings(site.id, wanted, limit=4, before=pages[0][0].place) == []


async def test_attendees_are_paged_likewise(db: Database, site: Site) -> None:
    wanted = confirmation(site, [line(slot(), 3, ("Anna", "Kim")), line(slot(day=2), 2)])
    await Bookings(db).confirm(wanted)
    dashboard = Dashboard(db)

    whole = await dashboard.attendees(site.id, Wanted(), limit=9)
    first = await dashboard.attendees(site.id, Wanted(), limit=2)
    rest = await dashboard.attendees(site.id, Wanted(), limit=9, after=first[-1].place)

    assert [seen.name for seen in whole] == ["Anna", "Kim", "", "Anna Berg", ""]
    assert [*first, *rest] == whole
    assert await dashboard.attendees(site.id, Wanted(), limit=2, before=rest[0].place) == first


async def test_names_and_numbers_are_searched_as_they_are_typed(db: Database, site: Site) -> None:
    odd = Customer(name="100%_sure", email="odd@example.org", zone="UTC", locale="en")
    number = await book(db, site)
    await book(db, site, customer=odd)
    await book(db, site, customer=BEN)
    await book(db, site, customer=replace(odd, name="Özlem Şen", email=""))

    async def found_by(text: str) -> list[str]:
        return [seen.customer for seen in await Dashboard(db).bookings(site.id, Wanted(text=text), limit=9)]

    assert await found_by("%") == await found_by("0%_S") == await found_by("ODD@") == ["100%_sure"]
    assert await found_by(number.replace("-", "").lower()) == await found_by("berg") == ["Anna Berg"]
    assert await found_by("özlem") == await found_by("ŞEN") == ["Özlem Şen"]
    assert await found_by("-" * 9) == []


async def test_service_time_and_state_narrow_what_is_found(db: Database, site: Site) -> None:
    await book(db, site, day=1)
    talk = slot(TALK, day=2)
    order = await Bookings(db).confirm(confirmation(site, [line(talk)], customer=BEN))
    await Bookings(db).cancel(site.id, order.id, NOW)

    async def found_by(**wanted: object) -> list[str]:
        narrow = Wanted(**wanted)  # type: ignore[arg-type]
        return [seen.customer for seen in await Dashboard(db).bookings(site.id, narrow, limit=9)]

    assert await found_by(service="talk") == await found_by(state="cancelled") == ["Ben Oak"]
    assert await found_by(since=talk.slot.starts_at) == ["Ben Oak"]
    assert await found_by(until=talk.slot.starts_at) == ["Anna Berg"]
    assert await found_by(since=NOW + timedelta(days=30)) == []


async def test_only_one_booking_of_an_order_is_cancelled(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(confirmation(site, [line(slot(), 2), line(slot(day=2))]))
    first, second = await Dashboard(db).of_order(site.id, order.id)

    freed = await Bookings(db).cancel(site.id, order.id, NOW, only=first.id)

    assert {(seats.slot, seats.booked) for seats in freed} == {(first.slot, 0), (second.slot, 1)}
    after = await Dashboard(db).of_order(site.id, order.id)
    assert [seen.state.value for seen in after] == ["cancelled", "confirmed"]


@pytest.mark.parametrize("sorting", Sorting)
async def test_places_that_no_line_can_have_are_beyond_the_list(db: Database, site: Site, sorting: Sorting) -> None:
    number = await book(db, site)
    place, wanted = Place.parse("9999999999.2147483647"), Wanted(sorting=sorting)
    assert place is not None
    dashboard = Dashboard(db)

    pages = [
        await dashboard.bookings(site.id, wanted, limit=9, after=place),
        await dashboard.bookings(site.id, wanted, limit=9, before=place),
    ]

    found = [[seen.number for seen in page] for page in pages]
    assert found == ([[number], []] if sorting is Sorting.NEWEST else [[], [number]])
    assert [seen.number for seen in await dashboard.attendees(site.id, wanted, limit=9, before=place)] == [number]


async def test_people_of_the_same_key_at_another_site_serve_none_of_these_bookings(db: Database, site: Site) -> None:
    other = await found(db, "other")
    for each in (site, other):
        async with db.transaction() as session:
            await put_member(session, each.id, StaffMember("pia", "Pia"))
        need = Need(("staff/pia",), 12, slot().slot.starts_at, slot().slot.ends_at, NOW, NOW + timedelta(days=2))
        asked = confirmation(each, [line(replace(slot(), needs=(need,)))])
        served = Assignment(asked.hold_id, "staff/pia", slot().slot, need.busy_from, need.busy_until, 1)
        order = await Bookings(db).confirm(replace(asked, assignments=(served,)))

        lines = await Dashboard(db).bookings(each.id, Wanted(staff="pia"), limit=9)

        assert [(seen.number, seen.served_by) for seen in lines] == [(order.number, ("Pia",))]


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".1", "a.b", "1.2.3", "-1.2", "1.99999999999", "1.2147483648", "\u0661.1"]
)
def test_a_place_that_nobody_wrote_is_none(text: str) -> None:
    assert Place.parse(text) is None
    assert Place.parse(str(Place(12, 34))) == Place(12, 34)
