"""Freezing a time, from the Live page or that of its meeting: at once closed for everybody new, and open again."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.house import House, refused, slot
from tests.web.desks import Desk, desk_in
from widget_server.domain.audit_log import Deed
from widget_server.domain.schedule import SlotRule
from widget_server.domain.slots import Slot
from widget_server.store.slot_rules import put_slot_rules

pytestmark = pytest.mark.anyio

HERE = f"/meetings/{slot().id}"


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def freeze(desk: Desk, of: Slot | None = None, *, frozen: str = "yes", back: str = "meeting") -> str:
    answer = await desk.post(f"/meetings/{(of or slot()).id}/freezing", frozen=frozen, back=back)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/admin/sites/studio")


async def rules(house: House) -> tuple[SlotRule, ...]:
    return (await house.parts.use_cases.sites.read(await house.site()))[1].slot_rules


async def test_nobody_new_takes_seats_of_a_frozen_time_and_who_holds_some_keeps_them(house: House, desk: Desk) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold((slot(), 2))

    assert await freeze(desk) == f"{HERE}?done=frozen"

    refused(await ben.hold(), 409, "slot_closed")
    assert (await anna.confirm()).status_code == 201
    assert await house.booked_in_sql() == 2


async def test_it_is_the_rule_of_the_calendar_and_undone_in_one_click(house: House, desk: Desk) -> None:
    for _ in range(2):  # a form sent twice freezes once
        await freeze(desk)
    assert await rules(house) == (SlotRule(slot(), is_closed=True),)
    page = (await desk.get(f"{HERE}?done=frozen")).text
    assert "nobody can take seats any more" in page
    assert "Undo" in page
    assert "Book by phone" not in page

    for _ in range(2):
        assert await freeze(desk, frozen="no") == f"{HERE}?done=unfrozen"

    assert await rules(house) == ()
    house.parts.use_cases.catalog.forget("studio")  # as the feed will tell this process in a moment
    assert (await house.guest().hold()).status_code == 201
    told = [(entry.deed, entry.about, entry.detail) for entry in await desk.entries()]
    of_slot = {"slot": slot().id}
    assert told == [(Deed.SLOT_UNFROZEN, slot().id, of_slot), (Deed.SLOT_FROZEN, slot().id, of_slot)]
    assert "Froze a time" in (await desk.get("/audit-log")).text


async def test_the_live_page_freezes_what_is_held_and_lists_what_is_frozen(house: House, desk: Desk) -> None:
    await house.guest().hold()
    assert f"{HERE}/freezing" in (await desk.get("/live")).text

    way = await freeze(desk, back="live")

    assert way == f"/live?done=frozen&slot={slot().id}"
    page = (await desk.get(way)).text
    assert "Frozen.</strong> Morning yoga, " in page
    assert "1 seat · frozen" in page
    assert '<h2 id="frozen-title">Frozen</h2>' in page
    await freeze(desk, frozen="no", back="live")
    assert "frozen-title" not in (await desk.get("/live")).text


async def test_other_words_of_a_rule_stay_when_its_time_is_frozen(house: House, desk: Desk) -> None:
    site = await house.site()
    grown = SlotRule(slot(), capacity=15)
    await house.change(lambda session: put_slot_rules(session, site.id, [grown]))

    await freeze(desk)
    await freeze(desk, frozen="no")

    assert await rules(house) == (grown,)


async def test_widgets_see_it_at_once(house: House, desk: Desk) -> None:
    path = f"/v1/sites/studio/services/yoga/availability?from={slot().starts_at.date()}&to={slot().starts_at.date()}"
    before = await house.client.get(path)
    assert before.json()["slots"][0]["state"] == "open"

    await freeze(desk)

    after = await house.until_changed(path, before.headers["etag"])
    assert [told["state"] for told in after.json()["slots"]][:2] == ["closed", "open"]


@pytest.mark.parametrize("frozen", ["yes", "no"])
async def test_what_is_not_offered_cannot_be_frozen(house: House, desk: Desk, frozen: str) -> None:
    at_night = slot().starts_at.replace(hour=3)
    for of in (Slot("yoga", at_night, at_night + timedelta(hours=1)), Slot("chess", slot().starts_at, slot().ends_at)):
        assert (await desk.post(f"/meetings/{of.id}/freezing", frozen=frozen)).status_code == 404
    assert (await desk.post("/meetings/odd/freezing", frozen=frozen)).status_code == 404
    assert await rules(house) == ()


async def test_what_has_begun_is_not_frozen_any_more(house: House, desk: Desk) -> None:
    began_at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    begun = Slot("yoga", began_at, began_at + timedelta(hours=1))

    assert (await freeze(desk, begun)).endswith("?done=begun")
    way = await freeze(desk, begun, back="live")
    assert "has begun: nobody can book it any more" in (await desk.get(way)).text
    assert await rules(house) == ()


@pytest.mark.parametrize("frozen", ["", "maybe"])
async def test_a_form_that_is_not_whole_freezes_nothing(house: House, desk: Desk, frozen: str) -> None:
    assert (await desk.post(f"{HERE}/freezing", frozen=frozen)).status_code == 400
    assert await rules(house) == ()


@pytest.mark.parametrize("query", ["done=frozen&slot=odd", "done=frozen", "done=odd&slot=odd"])
async def test_an_address_that_makes_no_sense_says_nothing(desk: Desk, query: str) -> None:
    page = await desk.get(f"/live?{query}")

    assert page.status_code == 200
    assert "Undo" not in page.text
