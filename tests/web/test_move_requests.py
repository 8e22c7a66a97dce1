"""Keep, move or cancel: what an operator chooses for those who have booked, and what their customers can then do."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from httpx2 import Response as Answer
from sqlalchemy import update
from sqlmodel import col, select

from tests.house import Guest, House, refused, slot
from tests.store.studio import YOGA
from tests.web.rooms import fields_of, path_of
from tests.web.schedule_rooms import DAY, HOME, Desk, sign_in, text_of
from tests.web.test_schedule_choices import CHANGED, NEW, ask, booked, state_of
from widget_server.domain.messages import Kind, Role
from widget_server.domain.slots import Slot
from widget_server.errors import Unavailable
from widget_server.store.tables import MeetingRow, MessageRow

pytestmark = pytest.mark.anyio

MESSAGE = "The heating is broken.\n\nSorry!"
SAVED = f"{HOME}/blackouts?saved=1"
FAR_TOO_LATE = 30 * 24 * 60


@pytest.fixture
async def desk(house: House) -> Desk:
    await sign_in(house, await house.site())
    return Desk(house)


async def choose(desk: Desk, choice: str, message: str = MESSAGE, **more: str) -> Answer:
    """For all who have booked the day."""
    return await desk.post(NEW, fields_of(await ask(desk)) | {"choice": choice, "message": message} | more)


async def asked(desk: Desk, name: str = "Anna Berg") -> Guest:
    """She has booked the first class of the day, and is asked for another time; it is too late to move it unasked."""
    anna = await booked(desk.house, name)
    assert path_of(await choose(desk, "move")) == SAVED
    desk.forget()
    await desk.house.change_service(replace(YOGA, cancel_until_min=FAR_TOO_LATE))
    return anna


async def booking_of(guest: Guest) -> dict[str, Any]:
    found: dict[str, Any] = (await guest.order()).json()["order"]["bookings"][0]
    return found


async def page_of(desk: Desk, guest: Guest) -> Answer:
    return await desk.get(f"{HOME}/orders/{guest.id}")


async def withdraw(desk: Desk, guest: Guest, fields: dict[str, str], site: str = "studio") -> Answer:
    booking_id = (await desk.house.parts.use_cases.dashboard.order(await desk.house.site(), guest.id))[1][0].id
    token = {"form_token": fields["form_token"]}
    return await desk.post(f"/admin/sites/{site}/orders/{guest.id}/bookings/{booking_id}/withdrawal", token)


async def test_whoever_is_asked_keeps_the_seat_and_is_offered_what_is_free_near_it(desk: Desk) -> None:
    ben = await booked(desk.house, "Ben Winter", day=1)

    anna = await asked(desk)

    mine = await booking_of(anna)
    assert (mine["state"], mine["cancellation"]) == ("confirmed", None)
    assert mine["move_until"] == mine["starts_at"]
    told = mine["move_request"]
    assert told["message"] == MESSAGE
    offered = [each["slot"] for each in told["alternatives"]]
    assert offered == [slot(day=-1, number=n).id for n in (1, 2, 3)]
    assert (await booking_of(ben))["move_request"] is None


async def test_whoever_is_asked_or_cancelled_is_written_to_in_the_same_transaction(desk: Desk) -> None:
    anna, ben = await booked(desk.house, "Anna Berg"), await booked(desk.house, "Ben Winter")
    page = fields_of(await ask(desk))
    (*_, last) = sorted((name for name in page if name.startswith("choice-")), key=lambda name: int(name[7:]))
    await desk.post(NEW, page | {"choice": "move", last: "cancel", "message": MESSAGE})

    to_customers = select(MessageRow.order_id, MessageRow.kind, MessageRow.text).where(
        col(MessageRow.role) == Role.CUSTOMER, col(MessageRow.text) != ""
    )
    async with desk.house.parts.database.snapshot() as session:
        written = set((await session.exec(to_customers)).all())
    assert written == {(anna.id, Kind.WAITING_ALTERNATIVES, MESSAGE), (ben.id, Kind.CANCELLED, MESSAGE)}


async def test_one_click_moves_it_though_it_is_too_late_to_move_it_unasked(desk: Desk) -> None:
    anna = await asked(desk)
    (*_, last) = (await booking_of(anna))["move_request"]["alternatives"]

    answer = await anna.reschedule(Slot.parse(last["slot"]))

    assert answer.status_code == 200
    (after,) = answer.json()["order"]["bookings"]
    assert (after["slot"], after["move_request"]) == (last["slot"], None)
    refused(await anna.reschedule(slot(day=3)), 409, "too_late")
    told = text_of(await page_of(desk, anna))
    assert "; moved" in told
    assert "waiting for the customer" not in told


async def test_whoever_is_asked_may_cancel_instead_however_late_it_is(desk: Desk) -> None:
    anna = await asked(desk)

    path = f"/orders/{anna.id}/cancellation"
    refused(await anna.send("POST", path, {"slot": slot(day=5).id}, secret=anna.order_secret), 404, "not_found")
    refused(await anna.send("POST", path, {"slot": "yoga"}, secret=anna.order_secret), 400, "invalid_request")
    for _ in range(2):
        answer = await anna.send("POST", path, {"slot": slot().id}, secret=anna.order_secret)
        assert answer.json()["order"]["bookings"][0]["state"] == "cancelled"

    assert (await booking_of(anna))["cancellation"]["message"] == ""
    assert (await desk.house.seats()).booked == 0


async def test_a_time_that_is_gone_meanwhile_is_refused_and_another_one_offered(desk: Desk) -> None:
    anna = await asked(desk)
    gone, *_ = (await booking_of(anna))["move_request"]["alternatives"]
    taken = Slot.parse(gone["slot"])
    for _ in range(2):
        assert (await desk.house.guest().hold((taken, 6))).status_code == 201

    refused(await anna.reschedule(taken), 409, "slot_full")

    desk.forget()
    assert (await booking_of(anna))["state"] == "confirmed"
    async with asyncio.timeout(60):
        while True:  # until the process has heard of it
            if gone not in (await booking_of(anna))["move_request"]["alternatives"]:
                break
            await asyncio.sleep(0.01)


async def test_an_order_can_be_read_while_nobody_knows_what_is_free(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await asked(desk)

    async def away(*_: object) -> None:
        raise Unavailable("Redis is not there.")

    monkeypatch.setattr(desk.house.parts.use_cases.availability, "month", away)

    assert (await booking_of(anna))["move_request"]["alternatives"] == []


async def test_an_operator_sees_who_is_asked_and_withdraws(desk: Desk) -> None:
    anna = await asked(desk)
    for page in (f"{HOME}/bookings", f"{HOME}/meetings/{slot().id}", f"{HOME}/orders/{anna.id}"):
        assert "waiting for the customer" in text_of(await desk.get(page)), page
    fields = fields_of(await page_of(desk, anna))

    for _ in range(2):
        assert path_of(await withdraw(desk, anna, fields)) == f"{HOME}/orders/{anna.id}?done=withdrawn"

    assert (await booking_of(anna))["move_request"] is None
    refused(await anna.reschedule(slot(day=1)), 409, "too_late")
    refused(await anna.cancel(), 409, "too_late")
    assert "waiting for the customer" not in text_of(await page_of(desk, anna))
    assert "Asked no more for another time" in text_of(await desk.get(f"{HOME}/audit-log"))


async def customer_mails(desk: Desk) -> list[tuple[str, str]]:
    """Kind and state of what was written to customers about being asked, the oldest first."""
    kinds = (Kind.WAITING_ALTERNATIVES, Kind.MOVE_WITHDRAWN)
    of_asking = select(MessageRow.kind, MessageRow.state).where(col(MessageRow.kind).in_(kinds))
    async with desk.house.parts.database.snapshot() as session:
        return [(kind, state) for kind, state in await session.exec(of_asking.order_by(col(MessageRow.id)))]


async def test_whoever_was_asked_by_mail_is_told_once_that_it_stays_as_it_is(desk: Desk) -> None:
    anna = desk.house.guest()
    await anna.hold(slot())
    await anna.confirm(customer={"name": "Anna Berg", "email": "anna@example.org"})
    assert path_of(await choose(desk, "move")) == SAVED
    while await desk.house.parts.posting.post():
        pass
    fields = fields_of(await page_of(desk, anna))

    for _ in range(2):
        await withdraw(desk, anna, fields)
    while await desk.house.parts.posting.post():
        pass

    assert await customer_mails(desk) == [(Kind.WAITING_ALTERNATIVES, "kept"), (Kind.MOVE_WITHDRAWN, "kept")]
    assert "Asked no more" in text_of(await desk.get(f"{HOME}/messages"))


async def test_whoever_was_not_asked_by_mail_yet_is_not_told_that_they_are_asked_no_more(desk: Desk) -> None:
    anna = await asked(desk)

    await withdraw(desk, anna, fields_of(await page_of(desk, anna)))
    while await desk.house.parts.posting.post():
        pass

    assert await customer_mails(desk) == [(Kind.WAITING_ALTERNATIVES, "dropped")]


async def test_whoever_withdraws_too_late_is_told_what_the_customer_chose(desk: Desk) -> None:
    anna = await asked(desk)
    fields = fields_of(await page_of(desk, anna))
    assert (await anna.reschedule(slot(day=1))).status_code == 200

    answer = await withdraw(desk, anna, fields)

    assert answer.status_code == 409
    assert "has chosen another time meanwhile" in text_of(answer)


async def test_no_other_site_withdraws(desk: Desk) -> None:
    anna = await asked(desk)
    fields = fields_of(await page_of(desk, anna))
    await desk.house.found("other")

    assert (await withdraw(desk, anna, fields, site="other")).status_code == 404
    await sign_in(desk.house, await desk.house.site("other"))
    theirs = fields_of(await desk.get("/admin/sites/other/settings"))
    assert (await withdraw(desk, anna, theirs, site="other")).status_code == 404
    assert (await withdraw(desk, anna, theirs)).status_code == 404
    assert (await booking_of(anna))["move_request"] is not None


async def test_single_bookings_go_another_way_than_all_the_others(desk: Desk) -> None:
    names = ("Anna Berg", "Ben Winter", "Cleo Stone")
    anna, ben, cleo = [await booked(desk.house, name) for name in names]
    page = fields_of(await ask(desk))
    singles = sorted((name for name in page if name.startswith("choice-")), key=lambda name: int(name[7:]))
    chosen = {"choice": "keep", singles[1]: "move", singles[2]: "cancel", "message": MESSAGE}

    assert path_of(await desk.post(NEW, page | chosen)) == SAVED

    assert [await state_of(guest) for guest in (anna, ben, cleo)] == ["confirmed", "confirmed", "cancelled"]
    assert (await booking_of(anna))["move_request"] is None
    assert (await booking_of(ben))["move_request"]["message"] == MESSAGE
    assert (await booking_of(cleo))["cancellation"]["message"] == MESSAGE
    assert (await desk.house.seats()).booked == 2
    assert (await desk.house.guest().hold(slot())).status_code == 409


async def test_whoever_is_cancelled_reads_why_and_the_operator_reads_it_too(desk: Desk) -> None:
    anna = await booked(desk.house, "Anna Berg")

    assert path_of(await choose(desk, "cancel")) == SAVED

    assert (await booking_of(anna))["cancellation"]["message"] == MESSAGE
    assert MESSAGE in (await page_of(desk, anna)).text


async def test_a_single_cancellation_carries_a_message_too(desk: Desk) -> None:
    anna = await booked(desk.house, "Anna Berg")
    fields = fields_of(await page_of(desk, anna))
    booking_id = (await desk.house.parts.use_cases.dashboard.order(await desk.house.site(), anna.id))[1][0].id
    path = f"{HOME}/orders/{anna.id}/bookings/{booking_id}/cancellation"

    too_long = await desk.post(path, fields | {"message": "x" * 1001})
    assert too_long.status_code == 422
    assert "x" * 1001 in too_long.text
    assert await state_of(anna) == "confirmed"
    assert (await desk.post(path, fields | {"message": MESSAGE})).status_code == 303

    assert (await booking_of(anna))["cancellation"]["message"] == MESSAGE


async def test_nobody_is_asked_who_was_not_shown(desk: Desk) -> None:
    await booked(desk.house, "Anna Berg")
    page = await ask(desk)
    ben = await booked(desk.house, "Ben Winter", number=1)

    answer = await desk.post(NEW, fields_of(page) | {"choice": "move", "message": MESSAGE})

    assert answer.status_code == 422
    assert CHANGED in text_of(answer)
    assert fields_of(answer)["message"] == MESSAGE
    assert (await booking_of(ben))["move_request"] is None
    assert (await desk.schedule()).blackouts == ()


async def test_a_message_is_shown_again_whatever_is_wrong(desk: Desk) -> None:
    await booked(desk.house, "Anna Berg")
    await booked(desk.house, "Ben Winter")

    too_long = await choose(desk, "move", "x" * 1001)
    assert too_long.status_code == 422
    assert "shorten it" in text_of(too_long)
    fields = fields_of(too_long)
    assert fields["message"] == "x" * 1001
    single = next(name for name in fields if name.startswith("choice-"))
    wrong = await desk.post(NEW, fields | {"message": MESSAGE, single: "cancel", "first_day": "soon"})
    again = fields_of(wrong)
    assert wrong.status_code == 422
    assert (again["message"], again[single]) == (MESSAGE, "cancel")
    assert "choice" not in again, "nothing is chosen before it is seen"

    shown = fields_of(await desk.post(NEW, again | {"first_day": str(DAY)}))

    assert (shown["message"], shown[single]) == (MESSAGE, "cancel")


async def test_what_no_page_of_ours_sends_is_nobodys_choice(desk: Desk) -> None:
    anna = await booked(desk.house, "Anna Berg")
    odd = {"choice-": "cancel", f"choice-{'9' * 5000}": "cancel", "choice-²": "cancel", "choice-7": "sell"}

    assert path_of(await choose(desk, "keep", **odd)) == SAVED

    assert await state_of(anna) == "confirmed"


async def test_what_has_begun_is_asked_for_no_more(desk: Desk) -> None:
    anna = await asked(desk)
    order = await desk.house.store.find((await desk.house.site()).id, anna.id)
    assert order is not None
    moved = replace(order[0].bookings[0], slot=slot(day=-30))

    requests = desk.house.parts.use_cases.move_requests
    assert await requests.alternatives("studio", replace(order[0], bookings=(moved,))) == {}


async def test_a_question_that_nobody_answered_ends_with_the_start_of_its_booking(desk: Desk) -> None:
    anna, begun = await asked(desk), slot(day=-30)
    assert "not answered" not in text_of(await page_of(desk, anna))

    async with desk.house.parts.database.transaction() as session:
        await session.exec(update(MeetingRow).values(slot=begun.id, starts_at=begun.starts_at))

    page = text_of(await page_of(desk, anna))
    assert "not answered before it began" in page
    assert "Withdraw" not in page
    assert "waiting for the customer" not in page
