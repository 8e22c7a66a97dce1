"""The pages about what can be booked: what is typed is saved or shown again, never lost."""

from dataclasses import replace

import pytest

from tests.house import ORIGIN, PRIVATE, House, slot
from tests.store.studio import FREE
from tests.web.rooms import fields_of, path_of
from tests.web.schedule_rooms import HOME, Desk, desk_at, text_of
from widget_server.domain.money import Money
from widget_server.domain.payments import MAXIMUM_AT_STRIPE
from widget_server.web.admin.prices import minor_of, typed_price
from widget_server.web.admin.writing import amount

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(house: House) -> Desk:
    return await desk_at(house)


async def test_a_service_is_made_and_then_asks_for_its_times(desk: Desk) -> None:
    answer = await desk.fill_in(f"{HOME}/services/new", name="Haircut & beard", length_min="45", price="32,50")

    assert path_of(answer) == f"{HOME}/services/haircut-beard/calendar?new=1"
    made = (await desk.schedule()).services["haircut-beard"]
    assert (made.name, made.length_min, made.capacity, made.price) == ("Haircut & beard", 45, 1, Money(3250, "EUR"))
    assert "No times yet" in text_of(await desk.get(f"{HOME}/services"))
    assert "Now say when it can be booked" in text_of(await desk.get(path_of(answer)))
    logged = text_of(await desk.get(f"{HOME}/audit-log"))
    for said in ("name: Haircut & beard", "minutes long: 45", "maximum customers per slot: 1", "price: 32.50 EUR"):
        assert said in logged


async def test_everything_about_a_service_can_be_changed_and_comes_back(desk: Desk) -> None:
    typed = {
        "name": "Evening yoga",
        "kind": "event",
        "place": "online",
        "description": "Slow.",
        "access": "A link.",
        "length_min": "60",
        "capacity": "15",
        "seats_per_booking_max": "2",
        "buffer_before_min": "5",
        "buffer_after_min": "10",
        "notice_min": "120",
        "horizon_days": "90",
        "cancel_until_min": "1440",
        "attendees_shown": "emails",
        "price": "0",
    }

    answer = await desk.fill_in(f"{HOME}/services/yoga", **typed)

    assert path_of(answer) == f"{HOME}/services/yoga?saved=1"
    fields = fields_of(await desk.get(path_of(answer)))
    assert {name: fields[name] for name in typed} == typed | {"price": "0.00"}


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("name", " ", "Give it a name"),
        ("name", "x" * 201, "at most 200 characters"),
        ("length_min", "0", "from 5 to 1440"),
        ("capacity", "many", "from 1 to 10000"),
        ("seats_per_booking_max", "51", "from 1 to 50"),
        ("price", "12.345", "Use an amount such as 12.00"),
        ("price", "free", "Use an amount such as 12.00"),
        ("kind", "golf", "Choose one of these"),
        ("attendees_shown", "everything", "Choose one of these"),
        ("buffer_after_min", "721", "from 0 to 720"),
        ("horizon_days", "731", "from 1 to 730"),
        ("capacity_rule", "by_shift", "Nobody serves this service yet"),
    ],
)
async def test_what_is_wrong_stands_at_its_field_and_all_else_is_still_there(
    desk: Desk, field: str, typed: str, told: str
) -> None:
    answer = await desk.fill_in(f"{HOME}/services/yoga", **{"description": "Just typed", field: typed})

    assert answer.status_code == 422
    assert told in text_of(answer)
    assert fields_of(answer).get(field, typed) in (typed, "7"), "what is in no list cannot be shown in it"
    assert fields_of(answer)["description"] == "Just typed"
    assert (await desk.schedule()).services["yoga"].description != "Just typed"


async def test_too_few_seats_are_refused_with_who_is_in_the_way(desk: Desk) -> None:
    anna = desk.house.guest()
    await anna.hold((slot(), 4))
    await anna.confirm("Anna Berg")

    answer = await desk.fill_in(f"{HOME}/services/yoga", capacity="3")

    assert answer.status_code == 422
    assert "Anna Berg" in text_of(answer)
    assert "4 booked" in text_of(answer)
    assert (await desk.schedule()).services["yoga"].capacity == 12


@pytest.mark.parametrize(
    ("currency", "minor", "typed"),
    [("EUR", 1250, "12.50"), ("JOD", 12500, "12.500"), ("JPY", 12, "12"), ("VND", MAXIMUM_AT_STRIPE, "99999999")],
)
def test_a_price_is_typed_with_the_decimals_it_is_shown_with(currency: str, minor: int, typed: str) -> None:
    assert typed_price(minor, currency) == amount(Money(minor, currency)) == typed
    assert minor_of(typed, currency) == minor


def test_no_more_is_typed_than_a_database_keeps() -> None:
    assert minor_of("2147483.647", "KWD") == 2**31 - 1
    assert minor_of("2147483.648", "KWD") is None


async def test_the_way_to_the_first_booking_is_ticked_off_when_the_widget_is_seen(desk: Desk) -> None:
    await desk.house.change_service(replace(PRIVATE, price=FREE))
    before = text_of(await desk.get(f"{HOME}/start"))
    await desk.get("/w/studio?host=https://stranger.example")
    assert text_of(await desk.get(f"{HOME}/start")) == before

    await desk.house.client.get(f"/w/studio?host={ORIGIN}")

    assert "3 of 5 steps" in before
    assert "No website may show" not in text_of(await desk.get(HOME))
    await desk.fill_in(f"{HOME}/settings", origins="")
    assert "No website may show the widget yet." in text_of(await desk.get(HOME)), "others can book all the same"
    await desk.fill_in(f"{HOME}/settings", origins=ORIGIN)
    assert f"All is set up. Your widget was seen on {ORIGIN}" in text_of(await desk.get(f"{HOME}/start"))
