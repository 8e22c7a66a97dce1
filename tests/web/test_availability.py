"""What is free over HTTP: services, a month of slots, and what is refused on the way."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.house import House, refused, slot
from tests.store.studio import TALK, YOGA
from widget_server.web.offers import AvailabilityAnswer, ServicesAnswer

pytestmark = pytest.mark.anyio

DAY = slot().starts_at.date()
WRONG_DAYS = [
    None,
    "",
    "today",
    "20261121",
    "2026-W47-6",
    "2026-11-31",
    "2026-1-1",
    "0000-01-01",
    "99999-01-01",
    "-2026-01-01",
    "2026-11-21T09:00:00Z",
    "2026-11-21 ",
    "\u0662026-11-21",
    "2026-11-21\x00",
    "9" * 5_000,
]


def path(first: Any = DAY, last: Any = DAY, service: str = "yoga", site: str = "studio") -> str:
    asked = {name: str(day) for name, day in (("from", first), ("to", last)) if day is not None}
    return f"/v1/sites/{site}/services/{service}/availability?{urlencode(asked)}"


async def test_services_tell_what_the_site_offers_and_how_it_looks(house: House) -> None:
    answer = await house.client.get("/v1/sites/studio/services")

    told = ServicesAnswer.model_validate_json(answer.content)
    assert (told.site.key, told.site.zone, told.site.holds_on, told.site.hold_minutes) == ("studio", "UTC", True, 10)
    assert {service.id: (service.capacity, service.price.amount) for service in told.services} == {
        "yoga": (12, 0),
        "talk": (1, 0),
        "private": (12, 4500),
    }
    assert "Elm Street" not in answer.text, "where it is, is for customers"
    assert "video.example.org" not in answer.text


async def test_a_day_shows_its_slots_with_what_is_held_booked_and_left(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    expires_at = (await anna.hold((slot(), 2))).json()["hold"]["expires_at"]
    await ben.hold((slot(number=1), 3))
    await ben.confirm("Ben Oak")

    answer = (await house.client.get(path())).json()
    AvailabilityAnswer.model_validate(answer)
    assert [shown["id"] for shown in answer["slots"]] == [slot(number=number).id for number in range(4)]
    first, second, third, _ = answer["slots"]
    assert (first["held"], first["booked"], first["left"], first["frees_at"]) == (2, 0, 10, expires_at)
    assert (second["held"], second["booked"], second["left"], second["frees_at"]) == (0, 3, 9, None)
    assert (third["held"], third["version"], third["state"]) == (0, 0, "open")


async def test_states_tell_what_may_free_up_what_is_full_and_what_has_begun(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold(slot(TALK))
    await ben.hold(slot(TALK, number=1))
    await ben.confirm("Ben Oak")

    shown = (await house.client.get(path(service="talk"))).json()["slots"]
    assert [each["state"] for each in shown[:3]] == ["held", "full", "open"]
    before = date.today() - timedelta(days=1)  # noqa: DTZ011  any day that is over
    assert {each["state"] for each in (await house.client.get(path(before, before))).json()["slots"]} == {"closed"}


async def test_the_same_answer_is_not_sent_again(house: House) -> None:
    first = await house.client.get(path())
    etag = first.headers["etag"]

    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}'):
        again = await house.client.get(path(), headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await house.client.get(path(), headers={"if-none-match": '"other"'})).status_code == 200
    await house.guest().hold()
    changed = await house.until_changed(path(), etag)
    assert changed.headers["etag"] != etag


async def test_everyone_gets_the_same_bytes(house: House) -> None:
    anna = house.guest()
    await anna.hold()

    hers = await anna.send("GET", path().removeprefix("/v1/sites/studio"))
    assert hers.content == (await house.client.get(path())).content


async def test_thirty_one_days_are_read_at_once_and_not_one_more(house: House) -> None:
    answer = await house.client.get(path(DAY, DAY + timedelta(days=30)))
    assert len(answer.json()["slots"]) == 31 * 4

    refused(await house.client.get(path(DAY, DAY + timedelta(days=31))), 400, "invalid_request")


async def test_days_that_make_no_sense_are_refused(house: House) -> None:
    for wrong in WRONG_DAYS:
        refused(await house.client.get(path(wrong, DAY)), 400, "invalid_request")
        refused(await house.client.get(path(DAY, wrong)), 400, "invalid_request")
    for first, last in ((DAY, DAY - timedelta(days=1)), ("1999-12-31", "1999-12-31"), ("2200-01-01", "2200-01-01")):
        refused(await house.client.get(path(first, last)), 400, "invalid_request")


async def test_the_first_and_last_day_there_is_can_be_read(house: House) -> None:
    for first, last in (("2000-01-01", "2000-01-31"), ("2199-12-01", "2199-12-31"), ("2024-02-29", "2024-02-29")):
        assert (await house.client.get(path(first, last))).status_code == 200


async def test_what_is_not_there_is_not_found(house: House) -> None:
    for wrong in ("unknown", "YOGA", "%00", "yoga%20", "%2e%2e", "x" * 5_000, "☂"):
        refused(await house.client.get(path(service=wrong)), 404, "not_found")
        refused(await house.client.get(path(site=wrong)), 404, "not_found")


async def test_settings_that_change_are_shown_to_whoever_asks_next(house: House) -> None:
    await house.change_settings(name="Other studio", holds_on=False, hold_minutes=5)

    site = (await house.client.get("/v1/sites/studio/services")).json()["site"]
    assert (site["name"], site["holds_on"], site["hold_minutes"]) == ("Other studio", False, 5)
    assert YOGA.capacity == 12
