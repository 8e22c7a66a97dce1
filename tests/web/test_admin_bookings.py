"""The booking dashboard: every booking on its own, found, paged, exported and cancelled."""

import csv
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from io import StringIO
from typing import Any

import pytest
from httpx2 import Response as Answer
from sqlalchemy import update

from tests.house import House, slot
from tests.store.studio import TALK
from tests.web.desks import Desk, desk_in
from widget_server.domain.audit_log import Deed
from widget_server.store.tables import MeetingRow
from widget_server.use_cases.dashboard import PAGE_LINES

pytestmark = pytest.mark.anyio

NAMES = re.compile(r'class="main" href="[^"]*">([^<]*)<')


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def book(house: House, name: str = "Anna Berg", *lines: Any, email: str = "", **changes: Any) -> str:
    """The number of the order."""
    guest = house.guest()
    assert (await guest.hold(*lines)).status_code == 201
    answer = await guest.confirm(customer={"name": name, "email": email}, **changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["order"]["number"])


def names(answer: Answer) -> list[str]:
    """Of the lines, in their order."""
    assert answer.status_code == 200, answer.text
    return [unescape(name) for name in NAMES.findall(answer.text)]


def link(answer: Answer, rel: str) -> str | None:
    """Where the next or the previous page is, below the site's path."""
    found = re.search(rf'rel="{rel}" href="/admin/sites/studio([^"]*)"', answer.text)
    return unescape(found[1]) if found else None


def table(answer: Answer) -> list[list[str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.startswith("\ufeff"), "Excel needs it to read umlauts"
    return list(csv.reader(StringIO(answer.text[1:])))


async def order_path(desk: Desk) -> str:
    """Of the newest order, below the site's path."""
    found = re.search(r'href="/admin/sites/studio(/orders/[\w-]{22})"', (await desk.get("/bookings")).text)
    assert found is not None
    return found[1]


async def booking_of(desk: Desk, order: str, number: int = 0) -> str:
    """The address to which the form sends that cancels one of the bookings of an order."""
    paths = re.findall(r'action="/admin/sites/studio(/orders/[^"]*/cancellation)"', (await desk.get(order)).text)
    return str(paths[number])


async def test_without_bookings_the_page_says_how_to_get_some(desk: Desk) -> None:
    answer = await desk.get("/bookings")

    assert "No bookings yet." in answer.text
    assert 'href="/admin/sites/studio/settings#snippet-title"' in answer.text


async def test_every_line_of_an_order_is_a_booking_of_its_own(house: House, desk: Desk) -> None:
    number = await book(house, "Anna Berg", slot(), (slot(day=1), 2))

    answer = await desk.get("/bookings?sort=soonest")

    assert names(answer) == ["Anna Berg", "Anna Berg"]
    assert answer.text.count(number) == 2
    assert answer.text.index("1 seat<") < answer.text.index("2 seats<")


async def test_what_customers_type_stays_text(house: House, desk: Desk) -> None:
    await book(house, "<script>alert(1)</script>")

    for page in ("/bookings", await order_path(desk), f"/meetings/{slot().id}", "/attendees", ""):
        assert "<script>alert" not in (await desk.get(page)).text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Ben Oak", "Anna Berg"]),
        ("service=talk", ["Ben Oak"]),
        ("service=yoga&state=confirmed", ["Anna Berg"]),
        ("state=cancelled", []),
        ("text=BEN", ["Ben Oak"]),
        ("text=anna@example", ["Anna Berg"]),
        ("text=%25", []),
        ("text=_", []),
        ("sort=soonest", ["Anna Berg", "Ben Oak"]),
        ("from=nonsense&to=&state=odd&sort=odd&after=odd", ["Ben Oak", "Anna Berg"]),
    ],
)
async def test_bookings_are_found(house: House, desk: Desk, query: str, found: list[str]) -> None:
    await book(house, "Anna Berg", email="anna@example.org")
    await book(house, "Ben Oak", slot(TALK, day=1))

    answer = await desk.get(f"/bookings?{query}")

    assert names(answer) == found
    assert ("Nothing fits." in answer.text) == (not found)
    assert "Did not come" not in answer.text, "nobody can say so yet, so it finds nothing"


async def test_an_order_is_found_by_its_number_with_and_without_the_hyphen(house: House, desk: Desk) -> None:
    await book(house, "Ben Oak")
    number = await book(house, "Anna Berg")

    for typed in (number, number.lower().replace("-", ""), number[:6]):
        assert names(await desk.get(f"/bookings?text={typed}")) == ["Anna Berg"]


async def test_a_sign_that_no_database_takes_is_left_out_of_what_is_typed(house: House, desk: Desk) -> None:
    """PostgreSQL refuses to look for a NUL, and to keep one."""
    await book(house, "Anna Berg")

    assert names(await desk.get("/bookings?text=Anna%00")) == ["Anna Berg"]
    assert "There is nothing at this address." in (await desk.get("/orders/%00")).text
    assert "The link for ben@example.org" in (await desk.post("/people", email="ben\0@example.org", role="owner")).text


async def test_days_are_those_of_the_site_and_both_included(house: House, desk: Desk) -> None:
    await book(house, "Anna Berg")
    await book(house, "Ben Oak", slot(day=1))
    first, second = (slot(day=day).starts_at.date() for day in (0, 1))

    assert names(await desk.get(f"/bookings?from={first}&to={first}")) == ["Anna Berg"]
    assert names(await desk.get(f"/bookings?from={second}")) == ["Ben Oak"]
    assert names(await desk.get(f"/bookings?from={first}&to={second}&sort=soonest")) == ["Anna Berg", "Ben Oak"]


@pytest.mark.parametrize("sort", ["newest", "soonest"])
async def test_page_after_page_shows_each_booking_once(house: House, desk: Desk, sort: str) -> None:
    wanted = PAGE_LINES + 3
    for number in range(wanted):
        await book(house, f"Guest {number:03}", slot(day=number // 40, number=number % 4))

    first = await desk.get(f"/bookings?sort={sort}")
    there = link(first, "next")
    assert there is not None
    second = await desk.get(there)
    back = link(second, "prev")
    assert back is not None

    assert (len(names(first)), len(names(second))) == (PAGE_LINES, 3)
    assert len({*names(first), *names(second)}) == wanted
    assert (link(first, "prev"), link(second, "next")) == (None, None)
    assert names(await desk.get(back)) == names(first)
    if sort == "newest":
        assert names(first)[0] == f"Guest {wanted - 1:03}"


async def test_the_export_has_what_the_filter_found_and_no_formulas(house: House, desk: Desk) -> None:
    await book(house, "Ben Oak", slot(TALK))
    for name in ("=1+1", "+49 30", "-2", "@SUM(A1)", "Jörg, der Erste"):
        await book(house, name)

    head, *rows = table(await desk.get("/bookings.csv?service=yoga"))

    customers = [row[head.index("Customer")] for row in rows]
    assert customers == ["Jörg, der Erste", "'@SUM(A1)", "'-2", "'+49 30", "'=1+1"]
    starts = f"{slot().starts_at:%Y-%m-%d %H:%M}"
    assert {row[head.index("Starts")] for row in rows} == {starts}
    assert {(row[head.index("Price")], row[head.index("Currency")]) for row in rows} == {("0.00", "EUR")}


async def test_a_cancelled_booking_frees_its_seats_at_once_and_is_in_the_audit_log(house: House, desk: Desk) -> None:
    await book(house, "Anna Berg", (slot(), 2), slot(day=1))
    order = await order_path(desk)
    cancellation = await booking_of(desk, order)

    answer = await desk.post(cancellation)

    assert answer.headers["location"] == f"/admin/sites/studio{order}?done=cancelled"
    assert "The seats are free again" in (await desk.get(f"{order}?done=cancelled")).text
    assert ((await house.seats()).booked, await house.booked_in_sql()) == (0, 0)
    assert await house.booked_in_sql(slot(day=1)) == 1, "the other booking of the order stands"
    (entry,) = await desk.entries()
    assert (entry.deed, entry.operator, entry.about) == (Deed.BOOKING_CANCELLED, desk.operator.email, order[8:])
    assert entry.detail == {"slot": slot().id, "seats": 2}


async def test_cancelling_again_changes_nothing(house: House, desk: Desk) -> None:
    await book(house)
    cancellation = await booking_of(desk, await order_path(desk))

    for _ in range(2):
        assert (await desk.post(cancellation)).status_code == 303

    assert len(await desk.entries()) == 1
    assert await house.booked_in_sql() == 0


async def test_what_has_begun_is_not_cancelled_any_more(house: House, desk: Desk) -> None:
    await book(house)
    order = await order_path(desk)
    cancellation = await booking_of(desk, order)
    begun = slot().starts_at - timedelta(days=7)
    past = slot().id.replace(f"{slot().starts_at:%Y%m%d}", f"{begun:%Y%m%d}")
    async with house.parts.database.transaction() as session:
        await session.exec(update(MeetingRow).values(slot=past, starts_at=begun))

    answer = await desk.post(cancellation)

    assert answer.status_code == 409
    assert "has begun and can no longer be cancelled" in answer.text
    assert "cancellation" not in (await desk.get(order)).text
    assert await desk.entries() == []


async def test_nothing_is_cancelled_without_the_token_of_the_session(house: House, desk: Desk) -> None:
    await book(house)
    cancellation = await booking_of(desk, await order_path(desk))

    assert (await desk.post(cancellation, form_token="")).status_code == 403
    elsewhere = await desk.client.post(desk.path(cancellation), headers={"sec-fetch-site": "cross-site"})
    assert elsewhere.status_code == 403
    assert await house.booked_in_sql() == 1


async def test_a_booking_is_cancelled_only_through_its_own_order(house: House, desk: Desk) -> None:
    await book(house, "Ben Oak")
    of_ben = await booking_of(desk, await order_path(desk))
    await book(house, "Anna Berg")
    order = await order_path(desk)

    answer = await desk.post(f"{order}/bookings/{of_ben.split('/')[4]}/cancellation")

    assert answer.status_code == 404
    assert await house.booked_in_sql() == 2


async def test_the_first_page_shows_what_is_on_today_and_next(house: House, desk: Desk) -> None:
    assert "Nobody has booked for today." in (await desk.get("")).text
    await book(house, "Anna Berg", (slot(), 2))
    await book(house, "Ben Oak")

    answer = await desk.get("")

    assert re.findall(r"/orders/[\w-]{22}\">([^<]+)", answer.text) == ["Anna Berg", "Ben Oak"]
    assert "3 seats" in answer.text
    assert 'aria-current="page">Today' in answer.text


async def test_the_way_to_the_site_leads_to_its_first_page(desk: Desk) -> None:
    assert (await desk.client.get("/admin")).headers["location"] == "/admin/sites/studio"


def test_the_fixture_slots_are_to_come() -> None:
    assert slot().starts_at > datetime.now(UTC)
