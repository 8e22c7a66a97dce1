"""The next day with something to book, and why there is nothing before, over HTTP."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.house import House, refused, slot
from tests.store.studio import TALK, YOGA
from tests.web.test_availability import WRONG_DAYS, path
from widget_server.domain.schedule import Opening
from widget_server.store.schedule import put_openings
from widget_server.web.offers import AvailabilityAnswer, NextAnswer, ServicesAnswer

pytestmark = pytest.mark.anyio

DAY = slot().starts_at.date()


def next_path(first: Any = DAY, service: str = "yoga", site: str = "studio") -> str:
    return path(first, None, service, site).replace("availability", "next")


async def only_open_on(house: House, *days: date) -> None:
    """One talk on each of these days."""
    openings = [Opening("talk", time(8), time(8, 30), day=day) for day in days]

    async def write(session: AsyncSession) -> None:
        await put_openings(session, (await house.site()).id, "talk", openings)

    await house.change(write)


async def test_a_day_is_its_own_next_date_and_else_the_first_one_after_it(house: House) -> None:
    first, second = DAY + timedelta(days=1), DAY + timedelta(days=70)
    await only_open_on(house, first, second)

    for asked, found in ((DAY, first), (first, first), (first + timedelta(days=1), second)):
        answer = await house.client.get(next_path(asked, "talk"))
        told = NextAnswer.model_validate_json(answer.content)
        assert told.next is not None
        assert (told.first, told.next.day, told.next.slot) == (asked, found, slot(TALK, day=(found - DAY).days).id)
        assert answer.json()["next"]["starts_at"] == f"{found}T08:00:00Z"
        assert answer.headers["cache-control"] == "no-store"


async def test_a_day_whose_last_seat_is_held_is_passed_over_until_it_is_given_back(house: House) -> None:
    first, second = DAY, DAY + timedelta(days=1)
    await only_open_on(house, first, second)
    anna = house.guest()
    await anna.hold(slot(TALK))
    before = await house.client.get(path(first, second, "talk"))
    assert before.json()["why_not"] == {first.isoformat(): "all_held"}
    assert (await house.client.get(next_path(first, "talk"))).json()["next"]["day"] == second.isoformat()

    await anna.release()

    after = await house.until_changed(path(first, second, "talk"), before.headers["etag"])
    assert after.json()["why_not"] == {}
    assert (await house.client.get(next_path(first, "talk"))).json()["next"]["day"] == first.isoformat()


async def test_it_says_so_where_there_is_none(house: House) -> None:
    await only_open_on(house)

    answer = (await house.client.get(next_path(DAY, "talk"))).json()
    assert answer["next"] is None
    assert date.fromisoformat(answer["to"]) >= DAY + timedelta(days=300)


async def test_every_day_without_anything_to_book_says_why(house: House) -> None:
    today = datetime.now(UTC).date()
    await only_open_on(house, DAY, DAY + timedelta(days=20))
    await house.change_service(replace(TALK, horizon_days=10))

    answer = (await house.client.get(path(today - timedelta(days=1), today + timedelta(days=25), "talk"))).json()
    AvailabilityAnswer.model_validate(answer)
    why_not = answer["why_not"]
    assert why_not.pop((today - timedelta(days=1)).isoformat()) == "past"
    assert why_not.pop((DAY + timedelta(days=20)).isoformat()) == "too_far"
    assert DAY.isoformat() not in why_not
    assert len(why_not) == 24
    assert set(why_not.values()) == {"outside_opening_hours"}


async def test_how_early_and_late_a_service_is_booked_is_told_and_kept_to(house: House) -> None:
    await house.change_service(replace(YOGA, notice_min=8 * 24 * 60, horizon_days=12, cancel_until_min=60))

    services = ServicesAnswer.model_validate_json((await house.client.get("/v1/sites/studio/services")).content)
    yoga = next(service for service in services.services if service.id == "yoga")
    assert (yoga.notice_minutes, yoga.horizon_days, yoga.cancel_until_minutes) == (8 * 24 * 60, 12, 60)
    answer = (await house.client.get(path(DAY, DAY + timedelta(days=25)))).json()
    assert answer["notice_minutes"] == 8 * 24 * 60
    assert answer["why_not"][DAY.isoformat()] == "too_soon"
    assert answer["why_not"][(DAY + timedelta(days=20)).isoformat()] == "too_far"
    refused(await house.guest().hold(slot()), 409, "too_soon")
    refused(await house.guest().hold(slot(day=20)), 409, "too_far")
    found = (await house.client.get(next_path())).json()["next"]
    assert date.fromisoformat(found["day"]) in (DAY + timedelta(days=6), DAY + timedelta(days=7))
    assert (await house.guest().hold(slot(day=8))).status_code == 201


async def test_a_service_that_is_withdrawn_is_not_listed_and_all_its_days_are_closed(house: House) -> None:
    await house.change_service(replace(TALK, is_offered=False))

    listed = (await house.client.get("/v1/sites/studio/services")).json()["services"]
    assert [service["id"] for service in listed] == ["yoga", "private"]
    answer = (await house.client.get(path(DAY, DAY + timedelta(days=3), "talk"))).json()
    assert (answer["slots"], set(answer["why_not"].values())) == ([], {"closed"})
    assert (await house.client.get(next_path(DAY, "talk"))).json()["next"] is None
    refused(await house.guest().hold(slot(TALK)), 409, "slot_closed")


async def test_what_makes_no_sense_or_is_not_there_is_refused(house: House) -> None:
    for wrong in (*WRONG_DAYS, "1999-12-31", "2200-01-01"):
        refused(await house.client.get(next_path(wrong)), 400, "invalid_request")
    for wrong in ("unknown", "YOGA", "%00", "%2e%2e", "x" * 5_000, "☂"):
        refused(await house.client.get(next_path(service=wrong)), 404, "not_found")
        refused(await house.client.get(next_path(site=wrong)), 404, "not_found")
