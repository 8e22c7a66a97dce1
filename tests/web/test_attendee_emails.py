"""Whoever comes with a customer hears of it by mail: where, when, what has changed; nothing that opens the order."""

from dataclasses import replace
from typing import Any

import pytest
from icalendar import Calendar

from tests.house import Guest, House, refused, slot
from tests.store.studio import YOGA
from tests.web.desks import desk_in
from tests.web.rooms import fields_of
from tests.web.test_admin_bookings import table
from widget_server.domain.messages import KeptMessage, Kind, Role
from widget_server.store.messages import Messages
from widget_server.use_cases import bookings

pytestmark = pytest.mark.anyio

ANNA = {"name": "Anna Berg", "email": "anna@example.org", "zone": "Europe/Berlin", "locale": "de"}
ASKING = replace(YOGA, attendee_emails=True, remind_hours=2)
CLEO, DORA = "cleo@example.org", "dora@example.org"
WRONG: list[Any] = [CLEO, [CLEO], [["cleo"]], [[5]], [[None]], [[CLEO] * 51], [[CLEO]] * 21, [["x" * 250 + CLEO]]]


async def booked(house: House, *addresses: str, seats: int = 3) -> Guest:
    await house.change_service(ASKING)
    anna = house.guest()
    await anna.hold((slot(), seats))
    answer = await anna.confirm(customer=ANNA, attendees=[["Anna", "Cleo"]], attendee_emails=[addresses])
    assert answer.status_code == 201, answer.text
    return anna


async def told(house: House, kind: Kind) -> list[KeptMessage]:
    """Those who come, with what they were written."""
    while await house.parts.posting.post():
        pass
    kept = await Messages(house.parts.database).listed((await house.site()).id, limit=100)
    return [one for one in kept if one.role is Role.ATTENDEE and one.kind is kind]


async def test_each_gets_a_mail_with_time_and_place_and_without_what_opens_the_order(house: House) -> None:
    anna = await booked(house, "ANNA@example.org", CLEO, "Cleo@Example.org")

    (message,) = await told(house, Kind.BOOKED)

    assert (message.address, message.language, message.recipient.partition("/")[0]) == (CLEO, "de", "attendee")
    mail = message.mail
    assert mail is not None
    assert "Anna hat bei The studio einen Platz für Sie gebucht." in mail.plain
    assert "Elm Street 12, first floor." in mail.plain
    assert "1 Platz" in mail.plain
    for body in (mail.plain, mail.html, mail.calendar or ""):
        assert not any(private in body for private in ("Berg", "anna@", "/o/", anna.id + "#", "/my/"))
    (event,) = Calendar.from_ical(mail.calendar or "").walk("VEVENT")
    assert event.decoded("DTSTART") == slot().starts_at
    order = (await anna.order()).json()["order"]
    assert order["bookings"][0]["attendees"] == ["Anna", "Cleo"], "addresses are for mails only"


async def test_they_hear_of_a_move_of_the_time_that_is_near_and_of_the_end(house: House) -> None:
    anna = await booked(house, "", CLEO, DORA)
    assert {one.address for one in await told(house, Kind.BOOKED)} == {CLEO, DORA}

    await anna.reschedule((slot(day=1), 3))
    moved = await told(house, Kind.MOVED)
    assert {one.address for one in moved} == {CLEO, DORA}
    assert all(one.mail and "So ist es jetzt." in one.mail.plain for one in moved)
    (reminder,) = await told(house, Kind.REMINDER)
    assert (reminder.recipient, reminder.due_at is not None) == ("attendee", True), "it becomes one each in its time"
    assert reminder.detail["slot"] == slot(day=1).id
    await anna.cancel()
    assert {one.address for one in await told(house, Kind.CANCELLED)} == {CLEO, DORA}
    assert await told(house, Kind.REMINDER) == []


async def test_without_addresses_nobody_is_told_anything_more(house: House) -> None:
    anna = await booked(house)
    await anna.cancel()

    kinds = [await told(house, kind) for kind in (Kind.BOOKED, Kind.CANCELLED, Kind.REMINDER)]
    assert kinds == [[], [], []]


async def test_a_service_that_does_not_ask_takes_none_and_the_hold_stays(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 3))

    refused(await anna.confirm(customer=ANNA, attendee_emails=[[CLEO]]), 400, "invalid_request")

    assert (await anna.look()).json()["hold"]["state"] == "held"
    assert (await anna.confirm(customer=ANNA, attendee_emails=[["", ""]])).status_code == 201


async def test_what_is_no_list_of_addresses_is_refused(house: House) -> None:
    await house.change_service(ASKING)
    anna = house.guest()
    await anna.hold((slot(), 3))

    for wrong in WRONG:
        refused(await anna.confirm(customer=ANNA, attendee_emails=wrong), 400, "invalid_request")


async def test_owners_turn_it_on_with_the_service_and_find_the_addresses(house: House) -> None:
    async with desk_in(house) as desk:
        form = fields_of(await desk.get("/services/yoga")) | {"attendee_emails": "on"}
        assert (await desk.post("/services/yoga", **form)).status_code == 303
        assert fields_of(await desk.get("/services/yoga"))["attendee_emails"] == "on"
        services = (await house.client.get("/v1/sites/studio/services")).json()["services"]
        assert [one["attendee_emails"] for one in services if one["id"] == "yoga"] == [True]

        await booked(house, "", CLEO)
        head, *rows = table(await desk.get("/attendees.csv"))
        assert [row[head.index("Attendee's e-mail")] for row in rows] == ["", CLEO, ""]
        assert CLEO in (await desk.get("/attendees")).text


async def test_a_name_that_leads_somewhere_is_not_said_to_people_who_never_asked(house: House) -> None:
    await house.change_service(ASKING)
    anna = house.guest()
    await anna.hold((slot(), 2))
    evil = {**ANNA, "name": "https://evil.example/pay"}
    assert (await anna.confirm(customer=evil, attendee_emails=[[CLEO]])).status_code == 201

    (message,) = await told(house, Kind.BOOKED)

    assert message.mail is not None
    assert "Jemand hat bei The studio einen Platz für Sie gebucht." in message.mail.plain
    assert not any("evil" in body for body in (message.mail.plain, message.mail.html, message.mail.calendar or ""))


async def test_a_network_has_only_so_many_strangers_written_to_and_whoever_was_booked_is_told_so_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookings, "ADDRESSES_PER_NETWORK_MAX", 3)
    await house.change_service(ASKING)
    guests = [house.guest() for _ in range(3)]
    for guest in guests:
        await guest.hold((slot(), 2))
    anna, ben, eve = guests

    assert (await anna.confirm(attendee_emails=[[CLEO, "CLEO@example.org"]])).status_code == 201  # one of them
    assert (await ben.confirm(attendee_emails=[[CLEO, DORA]])).status_code == 201
    refused(await eve.confirm(attendee_emails=[[DORA]]), 429, "too_many_tries")
    assert (await ben.confirm(attendee_emails=[[CLEO, DORA]])).status_code == 201
    assert (await eve.confirm()).status_code == 201, "the hold is still hers, and without addresses it is booked"


async def test_strangers_count_once_however_often_a_confirmation_is_begun_anew_or_fails(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookings, "ADDRESSES_PER_NETWORK_MAX", 3)
    await house.change_service(ASKING)
    anna = house.guest()

    for _ in range(2):
        refused(
            await anna.confirm_at_once((slot(), 2), attendee_emails=[[CLEO, DORA]], coupon="NONE"),
            409,
            "coupon_refused",
        )
    await house.flush()
    assert (await anna.confirm_at_once((slot(), 2), attendee_emails=[[CLEO, DORA]])).status_code == 201
    ben = house.guest()
    refused(await ben.confirm_at_once(attendee_emails=[[CLEO, DORA]]), 429, "too_many_tries")
