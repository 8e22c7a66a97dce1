"""Nothing of one site is reachable from another, whatever is known of it."""

import asyncio
from dataclasses import replace

import pytest

from tests.house import House, refused, slot
from tests.store.studio import TALK

pytestmark = pytest.mark.anyio


@pytest.fixture
async def both(house: House) -> House:
    """Another site with the same services, at the same times."""
    await house.found("other")
    return house


async def test_a_hold_is_only_found_in_its_own_site(both: House) -> None:
    anna = both.guest()
    await anna.hold()
    elsewhere = replace(anna, site="other")

    for answer in (
        await elsewhere.look(),
        await elsewhere.renew(),
        await elsewhere.release(),
        await elsewhere.confirm(),
    ):
        refused(answer, 404, "not_found")
    assert (await anna.look()).json()["hold"]["version"] == 1


async def test_an_order_is_only_found_in_its_own_site(both: House) -> None:
    anna = both.guest()
    await anna.hold()
    await anna.confirm()
    elsewhere = replace(anna, site="other")

    for answer in (await elsewhere.order(), await elsewhere.cancel(), await elsewhere.confirm()):
        refused(answer, 404, "not_found")
    assert (await anna.order()).json()["order"]["bookings"][0]["state"] == "confirmed"


async def test_the_same_ids_live_in_both_sites_side_by_side(both: House) -> None:
    anna = both.guest()
    elsewhere = replace(anna, site="other")
    for guest in (anna, elsewhere):
        assert (await guest.hold(slot(TALK))).status_code == 201
        assert (await guest.confirm()).status_code == 201

    refused(await replace(anna, order_secret=elsewhere.order_secret).order(), 404, "not_found")
    assert (await anna.cancel()).status_code == 200
    assert (await elsewhere.order()).json()["order"]["bookings"][0]["state"] == "confirmed"
    assert (await both.seats(slot(TALK))).taken == 0


async def test_seats_taken_in_one_site_are_free_in_the_other(both: House) -> None:
    assert (await both.guest().hold(slot(TALK))).status_code == 201
    refused(await both.guest().hold(slot(TALK)), 409, "slot_full")

    assert (await both.guest("other").hold(slot(TALK))).status_code == 201


async def test_budgets_are_counted_in_each_site(both: House) -> None:
    anna = both.guest()
    for _ in range(3):
        assert (await replace(anna, id=both.guest().id).hold()).status_code == 201
    refused(await replace(anna, id=both.guest().id).hold(), 429, "hold_budget_spent")

    assert (await replace(anna, site="other").hold()).status_code == 201


async def test_a_month_shows_only_its_own_site(both: House) -> None:
    day = slot().starts_at.date()
    await both.guest().hold((slot(), 2))

    shown = [
        (await both.client.get(f"/v1/sites/{site}/services/yoga/availability?from={day}&to={day}")).json()["slots"][0]
        for site in ("studio", "other")
    ]
    assert [each["held"] for each in shown] == [2, 0]


async def test_filling_one_site_leaves_the_other_as_it_is(both: House) -> None:
    anna = both.guest("other")
    await anna.hold()
    epoch = (await both.site("other")).epoch
    await asyncio.gather(*(both.parts.use_cases.reconciliation.fill("studio") for _ in range(2)))

    assert (await both.site("other")).epoch == epoch
    assert (await anna.confirm()).status_code == 201


async def test_each_widget_may_be_framed_only_by_the_origins_of_its_own_site(both: House) -> None:
    await both.change_settings(origins=("https://only.example",))

    policies = [
        (await both.client.get(f"/w/{site}")).headers["content-security-policy"] for site in ("studio", "other")
    ]
    allowed = [policy.rpartition("frame-ancestors ")[2] for policy in policies]
    assert allowed == ["'self' https://only.example", "'self' https://www.studio.example"]
