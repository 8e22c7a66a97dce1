"""What an operator chooses for those who have booked: it counts for whom they were shown, wholly or not at all."""

from datetime import timedelta

import pytest
from httpx2 import Response as Answer
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.house import SITE, Guest, House, slot
from tests.web.rooms import fields_of, path_of
from tests.web.schedule_rooms import CALENDAR, DAY, HOME, Desk, sign_in, text_of
from widget_server.errors import Unavailable
from widget_server.store import clearings, meetings

pytestmark = pytest.mark.anyio

NEW = f"{HOME}/blackouts/new"
CHANGED = "who has booked has changed since you chose"


@pytest.fixture
async def desk(house: House) -> Desk:
    await sign_in(house, await house.site())
    return Desk(house)


async def booked(house: House, name: str, day: int = 0, number: int = 0) -> Guest:
    guest = house.guest()
    assert (await guest.hold(slot(day=day, number=number))).status_code == 201
    assert (await guest.confirm(name)).status_code == 201
    return guest


async def state_of(guest: Guest) -> str:
    state: str = (await guest.order()).json()["order"]["bookings"][0]["state"]
    return state


async def ask(desk: Desk, **more: str) -> Answer:
    asked = await desk.fill_in(NEW, first_day=str(DAY), reason="Paint", **more)
    assert asked.status_code == 422
    return asked


async def test_who_booked_after_the_page_was_shown_is_not_cancelled_unseen(desk: Desk) -> None:
    await booked(desk.house, "Anna Berg")
    asked = await ask(desk)
    ben = await booked(desk.house, "Ben Winter", number=1)

    answer = await desk.post(NEW, fields_of(asked) | {"choice": "cancel"})

    assert answer.status_code == 422
    assert CHANGED in text_of(answer)
    assert "Ben Winter" in text_of(answer)
    assert fields_of(answer)["reason"] == "Paint"
    assert (await desk.schedule()).blackouts == ()
    assert await state_of(ben) == "confirmed"


async def test_who_is_affected_by_later_days_typed_is_shown_before_they_are_cancelled(desk: Desk) -> None:
    anna, ben = await booked(desk.house, "Anna Berg"), await booked(desk.house, "Ben Winter", day=3)
    wanted = fields_of(await ask(desk)) | {"choice": "cancel", "last_day": str(DAY + timedelta(days=6))}

    answer = await desk.post(NEW, wanted)
    assert answer.status_code == 422
    assert "Ben Winter" in text_of(answer)
    assert [await state_of(guest) for guest in (anna, ben)] == ["confirmed", "confirmed"]

    assert path_of(await desk.post(NEW, fields_of(answer) | {"choice": "cancel"})) == f"{HOME}/blackouts?saved=1"
    assert [await state_of(guest) for guest in (anna, ben)] == ["cancelled", "cancelled"]


async def test_what_happens_to_many_is_followed_on_a_page_of_its_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearings, "AT_ONCE", 1)
    guests = [await booked(desk.house, name, number=number) for number, name in enumerate(("Anna", "Ben", "Cleo"))]
    asked = await ask(desk)

    path = path_of(await desk.post(NEW, fields_of(asked) | {"choice": "cancel"}))

    assert "0 of 3 bookings done" in text_of(await desk.get(path))
    assert "3 bookings still to be done" in text_of(await desk.get(HOME))
    await desk.house.parts.use_cases.clearings.step()
    progress = await desk.get(f"{path}/progress")
    assert "1 of 3 bookings done" in text_of(progress)
    assert "data-over" not in progress.text
    while await desk.house.parts.use_cases.clearings.step():
        pass
    over = await desk.get(path)
    assert "All is done" in text_of(over)
    assert "data-over" in over.text  # by which the page's script knows to look no more
    assert "still to be done" not in text_of(await desk.get(HOME))
    assert [await state_of(guest) for guest in guests] == ["cancelled"] * 3


async def test_what_happens_to_many_can_be_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clearings, "AT_ONCE", 1)
    guests = [await booked(desk.house, name, number=number) for number, name in enumerate(("Anna", "Ben", "Cleo"))]
    path = path_of(await desk.post(NEW, fields_of(await ask(desk)) | {"choice": "cancel"}))
    await desk.house.parts.use_cases.clearings.step()
    form = fields_of(await desk.get(path))

    for _ in range(2):
        assert path_of(await desk.post(f"{path}/stop", form)) == path

    told = text_of(await desk.get(path))
    assert "1 of 3 bookings done" in told
    assert "2 bookings stay as they were" in told
    assert "still to be done" not in text_of(await desk.get(HOME))
    logged = text_of(await desk.get(f"{HOME}/audit-log"))
    assert "bookings done: 1" in logged
    assert "bookings kept: 2" in logged
    assert sorted([await state_of(guest) for guest in guests]) == ["cancelled", "confirmed", "confirmed"]
    assert (await desk.post(f"{path}000/stop", form)).status_code == 404


async def test_somebody_else_in_the_same_seat_is_somebody_else(desk: Desk) -> None:
    anna = await booked(desk.house, "Anna Berg")
    asked = await ask(desk)
    await anna.cancel()
    ben = await booked(desk.house, "Ben Winter")

    answer = await desk.post(NEW, fields_of(asked) | {"choice": "cancel"})

    assert CHANGED in text_of(answer)
    assert await state_of(ben) == "confirmed"


async def test_a_choice_of_cancelling_that_comes_before_anybody_was_shown_is_none(desk: Desk) -> None:
    anna = await booked(desk.house, "Anna Berg")

    withdrawn = fields_of(await desk.get(f"{HOME}/services/yoga")) | {"choice": "cancel"}
    del withdrawn["is_offered"]
    answer = await desk.post(f"{HOME}/services/yoga", withdrawn)

    assert answer.status_code == 422
    assert CHANGED in text_of(answer)
    assert await state_of(anna) == "confirmed"
    again = fields_of(answer) | {"choice": "cancel"}
    assert path_of(await desk.post(f"{HOME}/services/yoga", again)) == f"{HOME}/services/yoga?saved=1"
    assert await state_of(anna) == "cancelled"


async def close_the_gate(house: House) -> None:
    """As while another process fills the site, and is not done."""
    await house.redis.read(("HSET", f"{{tenuto}}:{SITE}:gate", "state", "REBUILDING", "until_ms", "99999999999999"))


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        (NEW, {"first_day": str(DAY), "reason": "Paint"}),
        (f"{HOME}/services/new", {"name": "Tea", "description": "With cake"}),
        (f"{HOME}/services/yoga", {"description": "Bring a mat"}),
        (CALENDAR, {"t-0-starts": "07:05", "t-0-ends": "07:45"}),
        (f"{HOME}/staff/new", {"name": "Carla", "off-0-day": str(DAY)}),
    ],
)
async def test_what_cannot_be_saved_just_now_stays_as_typed_and_can_be_sent_again(
    desk: Desk, path: str, typed: dict[str, str]
) -> None:
    wanted = fields_of(await desk.get(path)) | typed
    (state,) = await desk.house.redis.read(("HGETALL", f"{{tenuto}}:{SITE}:gate"))
    await close_the_gate(desk.house)

    answer = await desk.post(path, wanted)

    assert answer.status_code == 503
    assert "All you typed is still here" in text_of(answer)
    assert typed.items() <= fields_of(answer).items()
    await desk.house.redis.read(("DEL", f"{{tenuto}}:{SITE}:gate"), ("HSET", f"{{tenuto}}:{SITE}:gate", *state))
    assert (await desk.post(path, fields_of(answer))).status_code == 303


async def test_a_cancellation_that_fails_half_way_leaves_all_as_it_was_and_can_be_sent_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests = [await booked(desk.house, name, number=n) for n, name in enumerate(("Anna Berg", "Ben Winter"))]
    wanted = fields_of(await ask(desk)) | {"choice": "cancel"}
    give_back, given = meetings.give_seats_back, list[int]()

    async def lost_at_the_second(session: AsyncSession, meeting_id: int, seats: int) -> None:
        given.append(meeting_id)
        if len(given) == 2:
            raise Unavailable("The database is not there.")
        await give_back(session, meeting_id, seats)

    monkeypatch.setattr(meetings, "give_seats_back", lost_at_the_second)
    answer = await desk.post(NEW, wanted)

    assert answer.status_code == 503
    assert fields_of(answer)["reason"] == "Paint"
    assert (await desk.schedule()).blackouts == ()
    assert [await state_of(guest) for guest in guests] == ["confirmed", "confirmed"]

    assert path_of(await desk.post(NEW, wanted)) == f"{HOME}/blackouts?saved=1"
    assert len((await desk.schedule()).blackouts) == 1
    assert [await state_of(guest) for guest in guests] == ["cancelled", "cancelled"]
    assert [(await desk.house.seats(slot(number=n))).booked for n in (0, 1)] == [0, 0]


async def test_what_was_cancelled_with_a_change_is_told_by_the_worker_if_need_be(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await booked(desk.house, "Anna Berg")
    wanted = fields_of(await ask(desk)) | {"choice": "cancel"}

    async def away(*_: object) -> None:
        raise Unavailable("Redis is not there.")

    with monkeypatch.context() as patched:
        patched.setattr(desk.house.parts.use_cases.edits._store, "booked_in", away)
        assert (await desk.post(NEW, wanted)).status_code == 303
    assert (await desk.house.seats()).booked == 1

    await desk.house.deliver()
    assert (await desk.house.seats()).booked == 0
