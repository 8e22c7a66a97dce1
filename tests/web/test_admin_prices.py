"""What a service costs and what goes back of it, as operators enter it."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.house import PRIVATE, SITE, House
from tests.use_cases.till import LESSON, Payer, Till
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of
from widget_server.domain.money import Money
from widget_server.domain.services import Service
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio

SERVICE = f"/services/{PRIVATE.key}"
WRONG = [
    ("price", "0.49", "Use at least 0.50, or 0."),
    ("refund_percent", "101", "Use a whole number of percent from 0 to 100."),
    ("refund_percent", "-1", "Use a whole number of percent from 0 to 100."),
    ("refund_percent", "half", "Use a whole number of percent from 0 to 100."),
]


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def save(desk: Desk, **typed: str) -> Any:
    """The form as it stands, but for what is typed."""
    fields = fields_of(await desk.get(SERVICE))
    del fields["form_token"]
    return await desk.post(SERVICE, **{**fields, **typed})


async def service(house: House) -> Service:
    house.parts.use_cases.catalog.forget(SITE)
    return (await house.parts.use_cases.catalog.find(SITE)).schedule.services[PRIVATE.key]


async def test_how_much_goes_back_is_kept_with_the_price(house: House, desk: Desk) -> None:
    assert fields_of(await desk.get(SERVICE))["refund_percent"] == "100"

    answer = await save(desk, price="24,00", refund_percent="50")

    assert answer.status_code == 303, answer.text
    saved = await service(house)
    assert (saved.price, saved.refund_percent) == (Money(2400, "EUR"), 50)
    assert fields_of(await desk.get(SERVICE))["refund_percent"] == "50"


async def test_what_cannot_be_charged_or_paid_back_is_refused_and_nothing_typed_is_lost(
    house: House, desk: Desk
) -> None:
    for field, typed, told in WRONG:
        answer = await save(desk, **{field: typed, "description": "An hour at the piano."})

        assert answer.status_code == 422
        assert told in answer.text
        fields = fields_of(answer)
        assert (fields[field], fields["description"]) == (typed, "An hour at the piano.")
    assert (await service(house)).price == PRIVATE.price


async def test_the_form_says_where_payments_are_set_up_while_they_are_not(desk: Desk) -> None:
    answer = await desk.get(SERVICE)

    assert f'href="/admin/sites/{SITE}/payments"' in answer.text


async def test_what_is_to_be_paid_is_not_booked_by_operators_but_they_see_who_can(till: Till) -> None:
    priced = {"service": PRIVATE.key, "day": f"{LESSON.starts_at:%Y-%m-%d}", "slot": LESSON.id, "seats": "1"}
    anna = Payer()
    await till.hold(anna)
    async with desk_in(till.house) as desk:
        page = await desk.get("/bookings/new?" + urlencode(priced))
        told = await desk.post("/bookings/new", id=new_id(), name="Anna Berg", **priced)
        live = (await desk.get("/live")).text
        book = f"/live/{anna.id}/booking"
        for_her = await desk.post(book, name="Anna Berg", lines=fields_of(await desk.get(book))["lines"])

        assert f"/w/{SITE}?service={PRIVATE.key}" in page.text
        assert 'class="primary">Book<' not in page.text
        assert fields_of(await desk.get("/bookings/new"))["service"] != PRIVATE.key
        assert "Its visitor books it by paying." in live
        assert "Book for them" not in live
        for answer in (told, for_her):
            assert answer.status_code == 422
            assert "booked by paying for it only" in answer.text
            assert 'value="Anna Berg"' in answer.text
