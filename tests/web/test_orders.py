"""Orders over HTTP: confirming, looking at what a hold became, cancelling, and all that is refused on the way."""

from dataclasses import replace
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import update

from tests.house import PRIVATE, SITE, URL, Guest, House, refused, slot
from tests.store.studio import TALK, YOGA
from widget_server.domain.services import AttendeesShown
from widget_server.ids import is_id, new_id
from widget_server.store.database import Database
from widget_server.store.tables import MeetingRow

pytestmark = pytest.mark.anyio

CUSTOMER = {"name": "Anna Berg", "email": "anna@example.org", "zone": "Europe/Berlin", "locale": "de"}
WRONG_CUSTOMERS: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", "   \t\n"),
    ("name", "A" * 121),
    ("name", "Anna\x00"),
    ("name", "Anna\x1b[31m"),
    ("name", "Anna\u202eBerg"),
    ("name", "\u2066Anna\u202dBerg\u2069"),
    ("name", "\u200f\u2067\u2069\u202c"),
    ("name", "\u200d"),
    ("email", "\u202eanna@example.org"),
    ("name", 1),
    ("name", None),
    ("name", ["Anna"]),
    ("email", "anna"),
    ("email", "anna@"),
    ("email", "a@b@c.example"),
    ("email", "anna@example.org\nbcc: ben@example.org"),
    ("email", f"{'a' * 250}@example.org"),
    ("email", None),
    ("zone", "Berlin"),
    ("zone", "../../etc/passwd"),
    ("zone", ""),
    ("locale", "german"),
    ("locale", "de_DE"),
    ("locale", ""),
    ("locale", "de\n"),
    ("phone", "+49 30 1234"),
]
NAMES = [
    ("  Anna   Berg ", "Anna Berg"),
    ("Anna\u00a0Berg", "Anna Berg"),
    ("\u0622\u200c\u0646", "\u0622\u200c\u0646"),
    ("👩\u200d🎤", "👩\u200d🎤"),
    ("\u200f \u0622\u200c\u0646\u200e", "\u0622\u200c\u0646"),
    ("\u2067\u0646\u0648\u0631\u2069 \u202aAnna\u202c\u061c", "\u0646\u0648\u0631 Anna"),
    ("O'Neil-Šťáva", "O'Neil-Šťáva"),
    ("<b>安娜</b>", "<b>安娜</b>"),
    ("'; DROP TABLE orders; --", "'; DROP TABLE orders; --"),
    ("A" * 120, "A" * 120),
]


async def test_only_what_the_customer_saw_is_booked(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await anna.change((slot(), 2), slot(TALK))  # from another window, or a change that Redis has lost again

    saw_before = anna.wanted_hold((slot(), 2))["lines"]
    refused(await anna.confirm(lines=saw_before), 409, "changed")
    assert (await anna.look()).json()["hold"]["state"] == "held"
    sees_now = anna.wanted_hold((slot(), 2), slot(TALK))["lines"]
    answer = await anna.confirm(lines=sees_now)

    assert answer.status_code == 201
    assert [booking["seats"] for booking in answer.json()["order"]["bookings"]] == [2, 1]


async def test_somebody_elses_hold_is_not_confirmed_by_naming_its_lines(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold((slot(), 2))
    ben.id = anna.id

    refused(await ben.confirm(lines=anna.wanted_hold((slot(), 2))["lines"]), 403, "not_yours")
    refused(await ben.confirm(lines=anna.wanted_hold(slot(TALK))["lines"]), 403, "not_yours")
    assert (await anna.look()).json()["hold"]["state"] == "held"


async def test_a_hold_that_redis_has_lost_is_taken_again_to_be_confirmed(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    saw = anna.wanted_hold((slot(), 2))
    await anna.hold((slot(), 2))
    await ben.hold(slot(TALK))
    await house.flush()
    await house.guest().hold(slot(TALK))

    answer = await anna.confirm(lines=saw["lines"], visitor=saw["visitor"])

    assert answer.status_code == 201
    assert (await house.seats()).booked == 2
    refused(await ben.confirm(lines=ben.wanted_hold(slot(TALK))["lines"]), 409, "slot_full")


async def test_a_hold_becomes_an_order_with_a_booking_for_each_line(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2), slot(TALK))

    answer = await anna.confirm(customer=CUSTOMER, attendees=[["Anna", "Ben"]])
    body = answer.json()
    order = body["order"]
    assert answer.status_code == 201
    assert list(body) == ["order", "server_now", "order_secret", "order_url"]
    assert (order["id"], order["state"], order["total"]) == (anna.id, "paid", {"amount": 0, "currency": "EUR"})
    assert order["customer"] == {"name": "Anna Berg", "email": "anna@example.org"}
    assert [(b["slot"], b["seats"], b["state"], b["attendees"]) for b in order["bookings"]] == [
        (slot().id, 2, "confirmed", ["Anna", "Ben"]),
        (slot(TALK).id, 1, "confirmed", ["Anna"]),
    ]
    assert [(b["service_name"], b["place"], b["access"]) for b in order["bookings"]] == [
        ("Morning yoga", "in_person", "Elm Street 12, first floor."),
        ("First talk", "online", "https://video.example.org/room"),
    ]
    assert is_id(body["order_secret"])
    assert body["order_secret"] != anna.secret
    assert body["order_url"] == f"{URL}/o/{SITE}/{anna.id}#{body['order_secret']}"
    assert answer.headers["cache-control"] == "no-store"


async def test_the_order_is_shown_to_whoever_has_its_secret(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    confirmed = (await anna.confirm(customer=CUSTOMER)).json()

    answer = await anna.order()
    assert (answer.status_code, list(answer.json())) == (200, ["order", "server_now"])
    assert answer.json()["order"] == confirmed["order"]


async def test_an_order_does_not_open_with_anything_but_its_own_secret(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.confirm()

    for other in (new_id(), anna.secret, anna.visitor, anna.id):
        ben = replace(anna, order_secret=other)
        refused(await ben.order(), 404, "not_found")
        refused(await ben.cancel(), 404, "not_found")
    for path in (f"/orders/{new_id()}", "/orders/x", f"/orders/{'A' * 23}", "/orders/%00"):
        refused(await anna.send("GET", path), 404, "not_found")
        refused(await anna.send("POST", f"{path}/cancellation"), 404, "not_found")
    without = await house.client.get(f"/v1/sites/{SITE}/orders/{anna.id}")
    refused(without, 401, "sign_in_needed")


async def test_cancelling_frees_the_seats_and_again_answers_the_same(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2), slot(TALK))
    await anna.confirm()

    first, again = await anna.cancel(), await anna.cancel()
    assert (first.status_code, first.json()["order"]) == (200, again.json()["order"])
    assert {booking["state"] for booking in first.json()["order"]["bookings"]} == {"cancelled"}
    assert (await anna.order()).json()["order"] == first.json()["order"]
    assert ((await house.seats()).taken, (await house.seats(slot(TALK))).taken) == (0, 0)


async def test_what_has_begun_cannot_be_cancelled_any_more(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.confirm()
    await begin(house.parts.database)

    refused(await anna.cancel(), 409, "too_late")
    assert (await anna.order()).json()["order"]["bookings"][0]["state"] == "confirmed"


async def test_a_hold_that_was_never_taken_cannot_be_confirmed(house: House) -> None:
    refused(await house.guest().confirm(), 404, "not_found")


async def test_another_body_with_the_same_id_is_refused_and_changes_nothing(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    order = (await anna.confirm(customer=CUSTOMER)).json()["order"]

    others: list[dict[str, Any]] = [{"customer": {**CUSTOMER, "name": "Anna Tal"}}, {"attendees": [["Ben"]]}]
    for other in others:
        refused(await anna.confirm(**{"customer": CUSTOMER, **other}), 409, "id_conflict")
    assert (await anna.order()).json()["order"] == order
    reordered = {name: CUSTOMER[name] for name in reversed(CUSTOMER)}
    assert (await anna.confirm(customer=reordered)).json()["order"] == order


async def test_while_another_payment_runs_a_confirmation_is_refused(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await house.pin(anna, attempt="a payment elsewhere")

    refused(await anna.confirm(), 409, "paying")


async def test_without_holds_everything_is_taken_in_one_go_or_nothing(house: House) -> None:
    await house.change_settings(holds_on=False)
    anna, ben = house.guest(), house.guest()

    assert (await anna.confirm_at_once((slot(), 2), slot(TALK))).status_code == 201
    refused(await ben.confirm_at_once((slot(), 2), slot(TALK)), 409, "slot_full")
    refused(await ben.confirm_at_once(slot(PRIVATE)), 409, "payments_not_set_up")
    refused(await ben.confirm_at_once(slot(day=-30)), 409, "slot_closed")
    refused(await ben.confirm_at_once((slot(), 7)), 422, "too_many_seats")
    refused(await ben.confirm_at_once(lines=[]), 400, "invalid_request")
    refused(await ben.confirm(), 404, "not_found")
    seats = await house.seats()
    assert (seats.held, seats.booked) == (0, 2)


async def test_a_customer_without_an_address_books_too(house: House) -> None:
    anna = house.guest()
    await anna.hold()

    assert (await anna.confirm()).json()["order"]["customer"] == {"name": "Anna Berg", "email": ""}


async def test_what_is_wrong_with_a_customer_is_named(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    for field, wrong in WRONG_CUSTOMERS:
        details = refused(await anna.confirm(customer={**CUSTOMER, field: wrong}), 400, "invalid_request")
        assert details["fields"][0]["field"] == f"customer.{field}", (field, wrong)
    customers: list[Any] = [None, {}, [], "Anna"]
    for customer in customers:
        refused(await anna.confirm(customer=customer), 400, "invalid_request")
    attendees: list[Any] = [None, "Anna", ["Anna"], [[1]], [["\x00"]], [["A" * 121]], [["A"] * 51], [[]] * 21]
    for names in attendees:
        refused(await anna.confirm(attendees=names), 400, "invalid_request")
    assert (await anna.look()).json()["hold"]["state"] == "held"


async def test_names_are_kept_as_people_write_them(house: House) -> None:
    for typed, kept in NAMES:
        anna = house.guest()
        await anna.hold()
        assert (await anna.confirm(typed, attendees=[[typed]])).status_code == 201
        assert (await anna.order()).json()["order"]["customer"]["name"] == kept
        await anna.cancel()


async def test_an_address_is_taken_as_it_was_copied_from_a_page_in_arabic(house: House) -> None:
    anna = house.guest()
    await anna.hold()

    answer = await anna.confirm(customer={**CUSTOMER, "email": "\u2068anna@example.org\u2069"})

    assert answer.json()["order"]["customer"]["email"] == "anna@example.org"


async def test_first_names_of_all_who_come_are_told_to_those_who_come(house: House) -> None:
    anna, ben, clara = house.guest(), house.guest(), house.guest()
    for guest, names in ((anna, ["Anna Berg", "  "]), (ben, ["Ben Oak", "Bo\u00a0Oak"]), (clara, ["Clara"])):
        await guest.hold((slot(), 2))
        await guest.confirm(attendees=[names])
    await clara.cancel()

    booking = (await anna.order()).json()["order"]["bookings"][0]
    assert booking["attendees"] == ["Anna", "Ben", "Bo"]
    cancelled = (await clara.order()).json()["order"]["bookings"][0]
    assert (cancelled["attendees"], cancelled["access"]) == ([], "")


async def test_addresses_of_who_comes_are_told_only_where_the_service_says_so_and_nobody_where_it_says_that(
    house: House,
) -> None:
    anna, again, ben, clara = house.guest(), house.guest(), house.guest(), house.guest()
    addresses = ((anna, "anna@example.org"), (again, "anna@example.org"), (ben, ""), (clara, "clara@example.org"))
    for guest, email in addresses:
        await guest.hold(slot(), slot(TALK)) if guest is anna else await guest.hold()
        await guest.confirm(customer={**CUSTOMER, "email": email}, attendees=[["Anna"]])

    async def told(guest: Guest) -> list[list[str]]:
        return [booking["attendees"] for booking in (await guest.order()).json()["order"]["bookings"]]

    assert await told(anna) == [["Anna"] * 4, ["Anna"]]
    await house.change_service(replace(YOGA, attendees_shown=AttendeesShown.EMAILS))
    assert await told(anna) == await told(anna) == [["anna@example.org", "clara@example.org"], ["Anna"]]
    assert await told(ben) == [["anna@example.org", "clara@example.org"]]
    await clara.cancel()
    assert (await told(ben), await told(clara)) == ([["anna@example.org"]], [[]])
    await house.change_service(replace(YOGA, attendees_shown=AttendeesShown.NOBODY))
    assert await told(anna) == [[], ["Anna"]]
    listed = (await house.client.get(f"/v1/sites/{SITE}/services")).json()["services"]
    assert {one["id"]: one["attendees_shown"] for one in listed}["yoga"] == "nobody"


async def test_an_answer_says_nothing_of_secrets(house: House) -> None:
    anna = house.guest()
    held = await anna.hold()
    confirmed = await anna.confirm(customer=CUSTOMER)

    for answer in (held, confirmed, await anna.order(), await anna.look()):
        assert anna.secret not in answer.text
        assert anna.visitor not in answer.text
    assert anna.order_secret not in (await anna.order()).text


async def begin(database: Database) -> None:
    """As if the time of all meetings had come."""
    async with database.transaction() as session:
        slot_id = slot()._replace(starts_at=slot(day=-30).starts_at, ends_at=slot(day=-30).ends_at).id
        await session.exec(update(MeetingRow).values(slot=slot_id))


async def test_the_calendar_file_of_a_cancelled_order_takes_it_out_again(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.confirm()

    async def event() -> tuple[str, dict[str, str]]:
        file = Calendar.from_ical(
            (await anna.send("GET", f"/orders/{anna.id}/calendar.ics", secret=anna.order_secret)).text
        )
        (found,) = file.events
        return str(file["method"]), {name: str(found.get(name, "")) for name in ("uid", "status", "sequence")}

    method, booked = await event()
    await anna.cancel()

    assert (method, booked["status"]) == ("PUBLISH", "CONFIRMED")
    assert await event() == ("CANCEL", {"uid": booked["uid"], "status": "CANCELLED", "sequence": "1"})
    assert booked["sequence"] == "0"
