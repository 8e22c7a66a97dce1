"""Owners make codes, change them, and see how often each was used."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date

import pytest

from tests.house import PRIVATE, House
from tests.store.studio import NOW
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of, path_of
from widget_server.domain.coupons import Coupon
from widget_server.domain.money import Money
from widget_server.store.coupons import Coupons, put_coupon, take_use

pytestmark = pytest.mark.anyio

HALF = {"code": "Half-26", "takes": "percent", "worth": "50"}
ONLY_LESSONS = {"is_for_some": "on", f"service-{PRIVATE.key}": "on"}
SAVED = "/admin/sites/studio/coupons?saved=1"


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def kept(desk: Desk) -> list[Coupon]:
    return list(await Coupons(desk.house.parts.database).of_site((await desk.house.site()).id))


async def add(desk: Desk, **fields: str) -> Coupon:
    form = fields_of(await desk.get("/coupons/new")) | HALF | fields
    assert path_of(await desk.post("/coupons/new", **form)) == SAVED
    return (await kept(desk))[0]


async def use(desk: Desk, coupon: Coupon) -> None:
    async with desk.house.parts.database.transaction() as session:
        site = await desk.house.site()
        await take_use(session, site.id, coupon.id or 0, hold_id="a hold", email="anna@example.org", at=NOW)


async def test_at_first_it_is_said_what_coupons_are_for(desk: Desk) -> None:
    assert "There is no coupon yet." in (await desk.get("/coupons")).text


async def test_a_coupon_is_made_as_it_was_typed_and_stands_in_the_list(desk: Desk) -> None:
    days = {"first_day": "2026-11-01", "last_day": "2099-12-24"}
    coupon = await add(desk, **days, uses_max="10", uses_per_address_max="1", **ONLY_LESSONS)

    assert coupon == Coupon(
        "Half-26", 50, None, date(2026, 11, 1), date(2099, 12, 24), frozenset({PRIVATE.key}), 10, 1, id=coupon.id
    )
    page = (await desk.get("/coupons?saved=1")).text
    for said in ("Saved.", "Half-26", "50\u00a0% off", "Private lesson", "1 Nov 2026", "Used 0 of 10 times"):
        assert said in page
    listing = await desk.house.parts.use_cases.catalog.find("studio")
    assert listing.site.coupons_last_day == date(2099, 12, 24)
    assert [(one.deed, one.detail) for one in await desk.entries()] == [
        ("coupon_added", {"code": "Half-26", "percent": 50, **days, "uses_max": 10, "uses_per_address_max": 1,
                          "is_active": True, "services": PRIVATE.key})
    ]  # fmt: skip


async def test_an_amount_is_of_the_currency_of_the_site(desk: Desk) -> None:
    assert (await add(desk, takes="amount", worth="12,50")).amount == Money(1250, "EUR")
    assert 'value="12.50"' in (await desk.get(f"/coupons/{(await kept(desk))[0].id}")).text


WRONG: list[tuple[dict[str, str], str]] = [
    ({"code": "ab"}, "code"),
    ({"code": "50%off"}, "code"),
    ({"worth": "0"}, "worth"),
    ({"worth": "101"}, "worth"),
    ({"worth": "ten"}, "worth"),
    ({"takes": "amount", "worth": "0"}, "worth"),
    ({"takes": "amount", "worth": "1.234"}, "worth"),
    ({"first_day": "tomorrow"}, "first_day"),
    ({"first_day": "2026-12-24", "last_day": "2026-12-23"}, "last_day"),
    ({"uses_max": "0"}, "uses_max"),
    ({"uses_per_address_max": "-1"}, "uses_per_address_max"),
    ({"is_for_some": "on"}, "is_for_some"),
    ({f"service-{PRIVATE.key}": "on"}, "is_for_some"),
]


async def test_a_coupon_is_no_setting_that_somebody_else_has_changed(desk: Desk) -> None:
    settings = fields_of(await desk.get("/settings"))
    await add(desk, last_day="2031-01-01")

    assert path_of(await desk.post("/settings", **settings)).endswith("/settings?saved=1")


async def test_what_makes_no_sense_is_said_and_stays_as_typed(desk: Desk) -> None:
    empty = fields_of(await desk.get("/coupons/new"))
    for fields, wrong in WRONG:
        answer = await desk.post("/coupons/new", **empty | HALF | fields)

        assert answer.status_code == 422
        assert f'id="{wrong}-error"' in answer.text, fields
        assert fields_of(answer) | fields == fields_of(answer)
    assert await kept(desk) == []


async def test_a_form_that_is_sent_twice_makes_one_and_a_code_that_there_is_is_said(desk: Desk) -> None:
    form = fields_of(await desk.get("/coupons/new")) | HALF
    for _ in range(2):
        assert path_of(await desk.post("/coupons/new", **form)) == SAVED
    assert len(await kept(desk)) == 1

    other = fields_of(await desk.get("/coupons/new")) | HALF | {"code": "HALF-26"}
    answer = await desk.post("/coupons/new", **other)
    assert answer.status_code == 422
    assert "There is such a code already." in answer.text


async def test_a_coupon_changes_but_not_its_code_nor_how_often_it_was_used(desk: Desk) -> None:
    coupon = await add(desk)
    form = fields_of(await desk.get(f"/coupons/{coupon.id}"))
    await use(desk, coupon)

    changed = form | {"worth": "25", "is_active": "", "code": "OTHER"}
    assert path_of(await desk.post(f"/coupons/{coupon.id}", **changed)) == SAVED

    (after,) = await kept(desk)
    assert (after.code, after.percent, after.is_active, after.used) == ("Half-26", 25, False, 1)
    told = (await desk.entries())[0].detail
    assert told == {"code": "Half-26", "percent": [50, 25], "is_active": [True, False]}
    outdated = await desk.post(f"/coupons/{coupon.id}", **form | {"worth": "75"})
    assert outdated.status_code == 422
    assert "Somebody saved other details meanwhile." in outdated.text
    assert fields_of(outdated)["worth"] == "75"


async def test_a_coupon_for_one_service_stays_for_that_one_when_it_costs_nothing_any_more(desk: Desk) -> None:
    coupon = await add(desk, worth="100", **ONLY_LESSONS)
    await desk.house.change_service(replace(PRIVATE, price=Money(0, "EUR")))

    form = fields_of(await desk.get(f"/coupons/{coupon.id}"))
    assert path_of(await desk.post(f"/coupons/{coupon.id}", **form | {"last_day": "2099-12-24"})) == SAVED

    (after,) = await kept(desk)
    assert (after.services, after.last_day) == (frozenset({PRIVATE.key}), date(2099, 12, 24))
    log = re.sub(r"\s+", " ", (await desk.get("/audit-log")).text)
    assert f"services: {PRIVATE.name}" in log, "as everywhere, and not by its key"


async def test_an_amount_keeps_its_currency_until_another_one_is_typed(desk: Desk) -> None:
    site = await desk.house.site()
    yen = Coupon("YEN", amount=Money(1000, "JPY"))
    await desk.house.change(lambda session: put_coupon(session, site.id, yen, at=NOW))
    path = f"/coupons/{(await kept(desk))[0].id}"

    form = fields_of(await desk.get(path))
    assert form["worth"] == ""
    assert path_of(await desk.post(path, **form | {"uses_max": "5"})) == SAVED
    (after,) = await kept(desk)
    assert (after.amount, after.uses_max) == (Money(1000, "JPY"), 5)
    assert "Other currency" in (await desk.get("/coupons")).text

    form = fields_of(await desk.get(path))
    assert path_of(await desk.post(path, **form | {"worth": "10"})) == SAVED
    assert [one.amount for one in await kept(desk)] == [Money(1000, "EUR")]
    assert "Other currency" not in (await desk.get("/coupons")).text


async def test_what_was_removed_comes_back_as_it_was(desk: Desk) -> None:
    days = {"first_day": "2026-11-01", "last_day": "2099-12-24", "is_for_some": "on", f"service-{PRIVATE.key}": "on"}
    coupon = await add(desk, **days, uses_max="10")
    shown = fields_of(await desk.get("/coupons"))

    removals = [await desk.post(f"/coupons/{coupon.id}/removal", **shown) for _ in range(2)]
    assert await kept(desk) == []
    for removed in removals:
        assert "Removed." in removed.text
    assert path_of(await desk.post("/coupons/new", **fields_of(removals[1]))) == SAVED

    (again,) = await kept(desk)
    assert replace(again, id=coupon.id) == coupon


@pytest.mark.parametrize(
    "coupon",
    [Coupon("YEN", amount=Money(1000, "JPY")), Coupon("GONE", percent=10, services=frozenset({"gone"}))],
    ids=lambda coupon: coupon.code,
)
async def test_what_nobody_could_enter_any_more_is_removed_for_good(desk: Desk, coupon: Coupon) -> None:
    site = await desk.house.site()
    await desk.house.change(lambda session: put_coupon(session, site.id, coupon, at=NOW))
    shown, (present,) = fields_of(await desk.get("/coupons")), await kept(desk)

    removals = [await desk.post(f"/coupons/{present.id}/removal", **shown) for _ in range(2)]
    assert await kept(desk) == []
    for removed in removals:
        assert "Removed." in removed.text
        assert "Undo" not in removed.text


async def test_what_was_never_used_is_removed_and_what_was_stays(desk: Desk, house: House) -> None:
    coupon, site = await add(desk), await house.site()
    await house.change(lambda session: put_coupon(session, site.id, Coupon("USED", percent=10), at=NOW))
    used = (await kept(desk))[0]
    await use(desk, used)

    refused = await desk.post(f"/coupons/{used.id}/removal")
    assert refused.status_code == 409
    assert "switch it off instead" in refused.text
    assert "Removed." in (await desk.post(f"/coupons/{coupon.id}/removal")).text
    assert [one.code for one in await kept(desk)] == ["USED"]
    assert (await desk.post(f"/coupons/{coupon.id}/removal")).status_code == 404
    assert (await desk.get(f"/coupons/{10**12}")).status_code == 404
