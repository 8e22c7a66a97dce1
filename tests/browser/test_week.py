"""The week of a site in a browser, on a phone and on a desk: holds come and go in it, and a time is frozen."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import VIEWS, is_sound
from tests.browser.serving import BERLIN, LESSON, YOGA, Server, Studio
from tests.browser.test_rooms import hired, holding

pytestmark = pytest.mark.anyio


async def test_the_week_moves_before_the_eyes_of_the_operator_and_a_time_is_frozen_from_it(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    slot, other = studio.slot(YOGA), studio.slot(LESSON, 1)
    operator = await hired(invite, server, studio, width=VIEWS[0][0])
    operator.expects("ERR_FAILED")
    page = operator.page
    await operator.goes_to("Week")
    for view in VIEWS:
        await is_sound(page, "this week", [view])
        lefts = [await page.locator(it).first.evaluate("it => it.getBoundingClientRect().x") for it in (".brand", "h1")]
        assert lefts[0] == lefts[1], "the head of the page stands below that of the site"
    assert await page.locator(".rooms ul").evaluate("it => it.scrollWidth <= it.clientWidth"), "all rooms in sight"
    await page.get_by_text("Go to a day, or show only a part").click()
    await page.get_by_label("Day", exact=True).fill(slot.starts_at.astimezone(BERLIN).date().isoformat())
    await page.get_by_role("button", name="Show").click()
    block, focused = (page.locator(f'[data-key^="{each.id} "] a') for each in (slot, other))
    await expect(block).to_contain_text("0 of 12 booked, 12 left")
    for view, days in zip(VIEWS, (1, 7), strict=True):
        await is_sound(page, "the week of the slot", [view])
        assert await page.locator(".day:visible").count() == days
    await focused.focus()
    await page.evaluate("document.documentElement.dataset.same = 'yes'")
    scrolled = await page.evaluate("scrollY")

    anna = await holding(invite, studio, host, "anna", seats=2)

    await expect(block).to_contain_text("0 of 12 booked, 2 held, 10 left")
    await expect(block.locator(".left")).to_have_text(re.compile(r"10:00|9:\d\d"))
    await expect(focused).to_be_focused()
    assert await page.evaluate("[document.documentElement.dataset.same, scrollY]") == ["yes", scrolled]
    await is_sound(page, "a hold")
    await anna.button("Back").click()
    await expect(block).to_contain_text("0 of 12 booked, 12 left")
    await expect(block.locator(".left")).to_have_count(0)

    await anna.looks_at(slot)
    await block.click()
    await page.get_by_role("button", name="Freeze").click()
    await expect(page.get_by_text("Frozen.")).to_be_visible()
    await is_sound(page, "frozen")
    await expect(anna.row(slot)).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("Open again.")).to_be_visible()
    await expect(anna.status(slot)).to_have_text("12 left")

    await page.route("**/feed", lambda route: route.abort())
    await operator.goes_to("Week")
    await expect(page.get_by_text("Not live: news do not come in just now.")).to_be_visible()
    await is_sound(page, "not live")
