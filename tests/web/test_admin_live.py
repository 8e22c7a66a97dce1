"""Live operations: what an operator sees of holds, and does to them while their visitors look on."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from httpx2 import Response as Answer

from tests.engine.servers import Valkey
from tests.house import House, opened, refused, slot
from tests.store.studio import TALK, YOGA
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of
from tests.web.test_admin_phone import fields_of_post
from widget_server.domain.audit_log import Deed
from widget_server.domain.questions import Question, QuestionKind
from widget_server.domain.slots import Slot
from widget_server.engine import live_holds
from widget_server.engine.live_holds import LiveHolds
from widget_server.errors import Unavailable
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def holds_shown(desk: Desk, path: str = "/live") -> list[str]:
    answer = await desk.get(path)
    assert answer.status_code == 200, answer.text
    return re.findall(r'data-key="([\w-]{22})"', answer.text)


async def test_without_holds_the_page_says_that_they_come_by_themselves(desk: Desk) -> None:
    assert "Nobody is booking just now." in (await desk.get("/live")).text


async def test_live_holds_are_shown_and_the_first_to_end_comes_first(house: House, desk: Desk) -> None:
    anna, ben, gone = house.guest(), house.guest(), house.guest()
    await anna.hold((slot(), 2))
    await house.advance(timedelta(minutes=1))
    await ben.hold(slot(TALK))
    await gone.hold()
    await gone.release()

    page = (await desk.get("/live")).text

    assert "2 visitors are booking</a>, with 3 seats set aside." in (await desk.get("")).text
    assert await holds_shown(desk) == await holds_shown(desk, "/live/holds") == [anna.id, ben.id]
    assert "Morning yoga" in page
    assert "2 seats" in page
    assert page.count("Filling in the form") == 2


async def test_holds_of_other_sites_are_not_shown(house: House, desk: Desk) -> None:
    await house.found("other")
    await house.guest("other").hold()
    async with desk_in(house, "other") as other:
        assert len(await holds_shown(other)) == 1

    assert await holds_shown(desk) == []


async def test_no_more_is_read_than_a_bounded_part(house: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_holds, "READ_AT_ONCE", 2)
    for _ in range(5):
        await house.guest().hold()
    monkeypatch.setattr(live_holds, "READ_MAX", 4)
    found = await LiveHolds(house.redis).of_site(await house.site())
    assert (len(found.holds), found.is_all) == (4, False)
    monkeypatch.setattr(live_holds, "READ_MAX", 100)
    monkeypatch.setattr(live_holds, "FOUND_MAX", 3)
    found = await LiveHolds(house.redis).of_site(await house.site())

    assert (len(found.holds), found.is_all) == (3, False)
    assert "There are more" in (await desk.get("/live")).text
    monkeypatch.setattr(live_holds, "FOUND_MAX", 5)
    assert (await LiveHolds(house.redis).of_site(await house.site())).is_all


async def test_an_extended_hold_runs_a_full_length_from_now_on(house: House, desk: Desk) -> None:
    anna = house.guest()
    before = (await anna.hold()).json()["hold"]
    await house.advance(timedelta(minutes=4))

    for _ in range(2):  # a form sent twice extends once
        answer = await desk.post(f"/live/{anna.id}/extension", version="1")
        assert answer.headers["location"] == "/admin/sites/studio/live?done=extended"

    after = (await anna.look()).json()["hold"]
    assert (after["version"], after["limit_at"]) == (2, before["limit_at"])
    assert after["expires_at"] > before["expires_at"]
    (entry,) = await desk.entries()
    assert (entry.deed, entry.about) == (Deed.HOLD_EXTENDED, anna.id)
    assert "Extended." in (await desk.get("/live?done=extended")).text


async def test_a_hold_is_not_extended_beyond_its_limit(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold()
    for version in range(1, 4):
        await house.advance(timedelta(minutes=7))
        await desk.post(f"/live/{anna.id}/extension", version=str(version))

    hold = (await anna.look()).json()["hold"]
    assert hold["expires_at"] == hold["limit_at"]
    assert "/extension" not in (await desk.get("/live")).text


async def test_a_hold_that_changed_meanwhile_is_shown_again(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.renew(1)
    await anna.renew(2)

    for version in ("1", "x", "9" * 99):
        assert (await desk.post(f"/live/{anna.id}/extension", version=version)).headers["location"].endswith("changed")
    assert await desk.entries() == []


async def test_a_released_hold_is_over_for_its_visitor_and_its_seats_are_free(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))

    answer = await desk.post(f"/live/{anna.id}/release")

    assert answer.headers["location"].endswith("done=released")
    assert (await anna.look()).json()["hold"]["state"] == "released"
    assert (await house.seats()).taken == 0
    (entry,) = await desk.entries()
    assert (entry.deed, entry.detail) == (Deed.HOLD_RELEASED, {"slots": [slot().id], "seats": 2})
    assert (await desk.post(f"/live/{anna.id}/release")).headers["location"].endswith("done=ended")
    assert len(await desk.entries()) == 1


async def test_while_a_customer_confirms_nobody_takes_their_seats(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold()
    await house.pin(anna)

    page = (await desk.get("/live")).text
    assert "Confirming" in page
    assert "/release" not in page
    for act in ("release", "extension"):
        assert (await desk.post(f"/live/{anna.id}/{act}", version="1")).headers["location"].endswith("done=paying")
    assert (await anna.look()).json()["hold"]["state"] == "paying"


def book_for(desk: Desk, hold_id: str, *seen: tuple[Slot, int], **typed: str) -> Awaitable[Answer]:
    lines = " ".join(f"{of.id}*{seats}" for of, seats in seen)
    return desk.post(f"/live/{hold_id}/booking", lines=lines, **typed)


@pytest.mark.parametrize("other", [(slot(number=3), 1), (slot(), 2)])
async def test_nothing_is_booked_for_a_visitor_that_was_not_shown(
    house: House, desk: Desk, other: tuple[Slot, int]
) -> None:
    anna = house.guest()
    await anna.hold(slot())
    shown = fields_of(await desk.get(f"/live/{anna.id}/booking"))
    assert (await anna.change(other)).status_code == 200

    answer = await desk.post(f"/live/{anna.id}/booking", lines=shown["lines"], name="Anna Berg")

    assert answer.status_code == 409
    assert "has chosen other seats meanwhile" in answer.text
    assert (await anna.look()).json()["hold"]["state"] == "held"
    again = await desk.post(f"/live/{anna.id}/booking", lines=fields_of(answer)["lines"], name="Anna Berg")
    assert again.headers["location"].endswith("?done=booked")
    assert await house.booked_in_sql(other[0]) == other[1]


async def test_a_form_that_does_not_say_what_was_shown_books_nothing(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold(slot())

    for lines in ("", "yoga*1", f"{slot().id}*0", f"{slot().id}*1 x"):
        answer = await desk.post(f"/live/{anna.id}/booking", lines=lines, name="Anna Berg")
        assert answer.status_code == 400, answer.text

    assert await house.booked_in_sql() == 0


async def test_a_hold_is_booked_for_its_visitor(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    assert "2 seats" in (await desk.get(f"/live/{anna.id}/booking")).text

    answers = await asyncio.gather(
        *(book_for(desk, anna.id, (slot(), 2), name="Anna Berg", attendees="Anna\nKim") for _ in range(2))
    )

    assert {answer.headers["location"] for answer in answers} == {f"/admin/sites/studio/orders/{anna.id}?done=booked"}
    assert ((await house.seats()).held, (await house.seats()).booked, await house.booked_in_sql()) == (0, 2, 2)
    assert (await anna.look()).json()["hold"]["state"] == "confirmed"
    (entry,) = await desk.entries()
    assert (entry.deed, entry.about) == (Deed.HOLD_BOOKED, anna.id)
    refused(await anna.confirm(), 409, "id_conflict")


async def test_a_visitor_who_was_faster_has_the_booking(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold()
    await anna.confirm("Anna herself")

    answer = await book_for(desk, anna.id, (slot(), 1), name="Anna Berg")

    assert answer.status_code == 410
    assert f'<a href="/admin/sites/studio/orders/{anna.id}">an order</a> of this already' in answer.text
    assert "has run out" not in answer.text
    assert fields_of(answer)["name"] == "Anna Berg"
    assert (await house.booked_in_sql(), await desk.entries()) == (1, [])
    assert "Anna herself" in (await desk.get(f"/orders/{anna.id}")).text


async def test_mistakes_in_who_it_is_for_keep_what_was_typed(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold()

    answer = await book_for(desk, anna.id, (slot(), 1), name="Anna Berg", email="anna@")

    assert answer.status_code == 422
    assert 'value="Anna Berg"' in answer.text
    assert (await anna.look()).json()["hold"]["state"] == "held"


async def test_what_was_typed_for_a_hold_that_has_run_out_is_there_to_be_booked_by_phone(
    house: House, desk: Desk
) -> None:
    await house.change_service(
        replace(YOGA, questions=(Question("knee", "Your knee?", QuestionKind.LONG_TEXT, False),))
    )
    anna = house.guest()
    await anna.hold((slot(), 2))
    form = fields_of(await desk.get(f"/live/{anna.id}/booking"))
    told = {"name": "Anna Berg", "email": "anna@example.org", "attendees": "Anna\nKim", "answer-knee": "Left,\nstiff"}
    await house.advance(timedelta(minutes=11))

    answer = await desk.post(f"/live/{anna.id}/booking", **form | told)

    assert (answer.status_code, await house.booked_in_sql()) == (410, 0)
    assert "Their hold has run out: book it here, if it is still free." in answer.text
    again = fields_of_post(answer.text)
    assert told.items() <= again.items()
    assert (again["slot"], again["seats"], again["service"]) == (slot().id, "2", "yoga")
    assert (await desk.post("/bookings/new", **again)).headers["location"].endswith(f"/{again['id']}?done=booked")
    assert await house.booked_in_sql() == 2
    _, (line,) = await house.parts.use_cases.dashboard.order(await house.site(), again["id"])
    assert (line.names, [one.answer for one in line.answers]) == ("Anna, Kim", ["Left,\nstiff"])


async def test_of_several_times_that_have_run_out_the_first_is_there_and_the_others_are_named(
    house: House, desk: Desk
) -> None:
    anna = house.guest()

    answer = await book_for(desk, anna.id, (slot(), 1), (slot(number=1), 1), name="Anna Berg")

    assert answer.status_code == 410
    assert "It was for 2 times, of which this is the first" in answer.text
    assert (await book_for(desk, "odd", (slot(), 1))).status_code == 404


async def test_a_form_that_is_sent_again_after_its_hold_was_booked_leads_to_the_order(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    told = {"name": "Anna Berg", "attendees": "Anna\nKim"}
    for _ in range(2):
        answer = await book_for(desk, anna.id, (slot(), 2), **told)
        assert answer.headers["location"] == f"/admin/sites/studio/orders/{anna.id}?done=booked"

    other = await book_for(desk, anna.id, (slot(), 2), **told | {"attendees": "Anna\nLee"})

    assert other.status_code == 410
    assert fields_of(other)["attendees"] == "Anna\nLee"
    assert await house.booked_in_sql() == 2


@pytest.mark.parametrize("told", [{"name": "Anna Berg", "email": "anna@"}, {"name": "Anna Berg"}])
async def test_while_redis_is_away_what_was_typed_for_a_hold_stays(
    house: House, desk: Desk, monkeypatch: pytest.MonkeyPatch, told: dict[str, str]
) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    form = fields_of(await desk.get(f"/live/{anna.id}/booking")) | told
    with monkeypatch.context() as patched:
        patched.setattr(LiveHolds, "find", away)
        answer = await desk.post(f"/live/{anna.id}/booking", **form)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "Nothing is lost: send it once more." in answer.text
    again = fields_of(answer)
    assert form.items() <= again.items()
    sent = await desk.post(f"/live/{anna.id}/booking", **again | {"email": ""})
    assert sent.headers["location"].endswith("?done=booked")


async def away(*_: Any, **__: Any) -> None:
    raise Unavailable("Redis is not there just now. Please try again.")


@pytest.mark.parametrize("act", ["extension", "release"])
async def test_what_is_over_or_has_never_been_says_so(house: House, desk: Desk, act: str) -> None:
    anna = house.guest()
    await anna.hold()
    await house.advance(timedelta(minutes=11))

    for hold_id in (anna.id, new_id()):
        answer = await desk.post(f"/live/{hold_id}/{act}", version="1")
        assert answer.headers["location"] == "/admin/sites/studio/live?done=ended"
    assert (await desk.post(f"/live/odd/{act}")).status_code == 404


async def test_no_secret_of_a_visitor_is_shown(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold()

    for path in ("/live", "/live/holds", f"/live/{anna.id}/booking"):
        page = (await desk.get(path)).text
        assert anna.secret not in page
        assert anna.visitor not in page


async def test_without_redis_the_page_stands_and_says_so(sqlite_template: Path, tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder:
        redis = Valkey(Path(folder))
        redis.start()
        async with opened(redis.url, sqlite_template, tmp_path) as house, desk_in(house) as desk:
            redis.stop()

            assert "Holds cannot be seen just now." in (await desk.get("/live")).text
            assert "What is held is not known just now." in (await desk.get("")).text
