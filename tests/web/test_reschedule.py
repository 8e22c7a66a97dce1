"""Moving an order over HTTP, and everything that is refused on the way. What may die in between is told elsewhere."""

from dataclasses import replace
from typing import Any

import pytest

from tests.house import SITE, Guest, House, refused, slot
from tests.store.studio import TALK
from tests.web.test_orders import CUSTOMER, begin
from widget_server.domain.slots import Slot
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio

LATER = slot(day=1)


async def booking(house: House) -> Guest:
    """Two seats of yoga and a talk."""
    guest = house.guest()
    await guest.hold((slot(), 2), slot(TALK))
    assert (await guest.confirm(customer=CUSTOMER, attendees=[["Anna", "Ben"]])).status_code == 201
    return guest


async def test_an_order_moves_and_stays_the_same_order(house: House) -> None:
    anna = await booking(house)
    before = (await anna.order()).json()["order"]

    answer = await anna.reschedule((LATER, 2), slot(TALK))
    after = answer.json()["order"]
    assert (answer.status_code, list(answer.json())) == (200, ["order", "server_now"])
    assert answer.headers["cache-control"] == "no-store"
    moved = {"slot": LATER.id, "starts_at": f"{LATER.starts_at:%Y-%m-%dT%H:%M:%SZ}"}
    moved["ends_at"] = f"{LATER.ends_at:%Y-%m-%dT%H:%M:%SZ}"
    moved["move_until"] = moved["starts_at"]
    assert after == {**before, "bookings": [{**before["bookings"][0], **moved}, before["bookings"][1]]}
    assert after["bookings"][0]["attendees"] == ["Anna", "Ben"]
    assert (await anna.order()).json()["order"] == after
    assert [(await house.seats(each)).taken for each in (slot(), LATER, slot(TALK))] == [0, 2, 1]


async def test_a_moved_order_is_cancelled_where_it_is(house: House) -> None:
    anna = await booking(house)
    await anna.reschedule((LATER, 2), slot(TALK, day=1))

    assert (await anna.cancel()).status_code == 200
    assert [(await house.seats(each)).taken for each in (slot(), LATER, slot(TALK, day=1))] == [0, 0, 0]
    refused(await anna.reschedule((slot(), 2), slot(TALK)), 409, "too_late")


async def test_an_order_does_not_move_for_anybody_else(house: House) -> None:
    anna = await booking(house)
    wanted = ((LATER, 2), slot(TALK))

    for other in (new_id(), anna.secret, anna.visitor, anna.id):
        refused(await replace(anna, order_secret=other).reschedule(*wanted), 404, "not_found")
    for other_id in (new_id(), "x", "A" * 23):
        refused(await replace(anna, id=other_id).reschedule(*wanted), 404, "not_found")
    await house.found("other")
    refused(await replace(anna, site="other").reschedule(*wanted), 404, "not_found")
    without = await house.client.post(f"/v1/sites/{SITE}/orders/{anna.id}/reschedule")
    refused(without, 401, "sign_in_needed")
    assert (await house.seats()).booked == 2


async def test_each_line_keeps_its_service_and_its_seats(house: House) -> None:
    anna = await booking(house)
    wrong: list[list[tuple[Slot, int] | Slot]] = [
        [(LATER, 2)],
        [slot(TALK, day=1), (LATER, 2)],
        [(LATER, 3), slot(TALK)],
        [(LATER, 1), slot(TALK)],
        [(LATER, 2), slot(TALK), slot(TALK, day=1)],
        [(LATER, 2), (slot(), 1)],
        [(slot(), 2), slot(TALK)],
    ]
    for lines in wrong:
        refused(await anna.reschedule(*lines), 400, "invalid_request")
    assert (await house.seats()).booked == 2


async def test_two_lines_of_an_order_do_not_change_places(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2), (LATER, 2))
    await anna.confirm()

    refused(await anna.reschedule((LATER, 2), (slot(), 2)), 400, "invalid_request")
    refused(await anna.reschedule((LATER, 2), (slot(day=2), 2)), 400, "invalid_request")
    refused(await anna.reschedule((slot(day=2), 2), (slot(day=2), 2)), 400, "invalid_request")


async def test_what_cannot_be_booked_cannot_be_moved_to(house: House) -> None:
    anna = await booking(house)
    await house.guest().hold(slot(TALK, day=1))

    refused(await anna.reschedule((slot(day=-30), 2), slot(TALK)), 409, "slot_closed")
    refused(await anna.reschedule((LATER, 2), slot(TALK, day=1)), 409, "slot_full")
    assert (await house.seats(LATER)).taken == 0


async def test_what_has_begun_does_not_move_any_more(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.confirm()
    await begin(house.parts.database)

    refused(await anna.reschedule(LATER), 409, "too_late")


async def test_an_order_moves_also_where_holds_are_switched_off(house: House) -> None:
    anna = await booking(house)
    await house.change_settings(holds_on=False)

    assert (await anna.reschedule((LATER, 2), slot(TALK))).status_code == 200


async def test_who_holds_enough_already_waits_before_moving(house: House) -> None:
    anna = await booking(house)
    for _ in range(3):
        await replace(house.guest(), visitor=anna.visitor).hold()

    refused(await anna.reschedule((LATER, 2), slot(TALK), visitor=anna.visitor), 429, "hold_budget_spent")
    assert (await anna.reschedule((LATER, 2), slot(TALK))).status_code == 200


async def test_what_is_wrong_with_a_body_is_named(house: House) -> None:
    anna = await booking(house)
    wrong: list[tuple[str, Any]] = [
        ("id", "short"),
        ("id", None),
        ("visitor", "short"),
        ("lines", []),
        ("lines", None),
        ("lines", [{"slot": LATER.id, "seats": 0}]),
        ("lines", [{"slot": "yoga", "seats": 1}]),
        ("seats", 2),
    ]
    for field, value in wrong:
        good = {"id": new_id(), "lines": [{"slot": LATER.id, "seats": 2}]}
        path = f"/orders/{anna.id}/reschedule"
        answer = await anna.send("POST", path, {**good, field: value}, secret=anna.order_secret)
        assert refused(answer, 400, "invalid_request")["fields"][0]["field"].startswith(field), (field, value)


async def test_an_answer_says_nothing_of_secrets(house: House) -> None:
    anna, move_id = await booking(house), new_id()

    answer = await anna.reschedule((LATER, 2), slot(TALK), id=move_id)
    for secret in (anna.secret, anna.order_secret, anna.visitor, move_id):
        assert secret not in answer.text
