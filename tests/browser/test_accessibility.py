"""Each step on a phone and on a desk, light and dark: axe finds no barriers, and nothing is too wide."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.devices import TALL
from tests.browser.hosting import Host
from tests.browser.people import View, Visitor, is_sound, is_sound_within, overflow
from tests.browser.serving import LESSON, YOGA, Server, Studio

pytestmark = pytest.mark.anyio

VIEWS: tuple[View, View] = ((320, "dark"), (1200, "light"))
LARGE = """() => {
    document.documentElement.style.fontSize = '200%';
    document.querySelector('.back').lastChild.data = 'Zur\u00fcck';
    document.querySelector('.ticket-day').textContent = 'Donnerstag, 24. September 2026';
}"""
IN_ANOTHERS_PLACE = (
    "cells => cells.filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent)"
)
MORE_VIEWS: tuple[View, ...] = (*VIEWS, (390, "light"), (768, "dark"))


async def test_every_step_of_a_booking(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await invite("anna", width=VIEWS[0][0])
    ben = await invite("ben")
    await ben.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="lesson"></tenuto-booking>'))
    await ben.holds(studio.slot(LESSON))
    await anna.opens(host.page(studio))
    await expect(anna.widget.get_by_role("button", name="Lesson")).to_be_visible()
    await is_sound_within(anna, "services", VIEWS)

    await anna.picks_service("Lesson")
    await anna.looks_at(studio.slot(LESSON))
    await expect(anna.status(studio.slot(LESSON))).to_contain_text("held")
    await is_sound_within(anna, "a held slot", VIEWS)
    await anna.button("Everything on offer").click()

    await anna.picks_service("Yoga")
    await anna.chooses(studio.slot(YOGA), seats=2)
    await is_sound_within(anna, "seats", VIEWS)
    await anna.goes_on(studio.slot(YOGA))
    await expect(anna.countdown).to_be_visible()
    await fits_with_large_text(anna)
    await is_sound_within(anna, "summary", VIEWS)
    await anna.button("Confirm booking").click()
    await expect(anna.told("Please tell us your name.")).to_be_visible()
    await is_sound_within(anna, "a name is missing", VIEWS)

    await anna.confirms()
    await anna.is_booked()
    await is_sound_within(anna, "booked", VIEWS)
    order = await anna.opens_order_page()
    await expect(order.get_by_text("Confirmed", exact=True)).to_be_visible()
    await is_sound(order, "order", VIEWS)
    await order.get_by_role("button", name="Cancel booking").click()
    await is_sound(order, "really cancel?", VIEWS)
    await order.get_by_role("button", name="Yes, cancel it").click()
    await expect(order.get_by_text("This booking is cancelled.")).to_be_visible()
    await is_sound(order, "cancelled", VIEWS)


async def fits_with_large_text(visitor: Visitor) -> None:
    """On the narrowest phone, at twice the size, the countdown stands below the way back if it has no room beside, and
    the longest of weekdays is broken, whatever day it is today.
    """
    frame = await visitor.frame()
    await visitor.page.set_viewport_size({"width": 320, "height": TALL})
    await frame.wait_for_function("innerWidth === 320")
    await frame.evaluate(LARGE)
    assert await overflow(frame) == 0
    await frame.evaluate("document.documentElement.style.fontSize = ''")


async def test_a_long_name_and_long_days_stay_within_a_phone(server: Server, invite: Invite) -> None:
    """The name stands in a list of zones, and weekdays in Arabic have no short names. Also at twice the size."""
    studio = await server.open_studio(YOGA, origins=[])
    await server.change(studio, name="Practice for physiotherapy and osteopathy by the old harbour")
    anna = await invite("anna", width=320, timezone_id="Asia/Kolkata")
    await anna.opens(f"{server.url}/w/{studio.key}?lang=ar")
    await expect(anna.page.get_by_role("option", name="old harbour")).to_have_count(1)

    for size in ("", "200%"):
        await anna.page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
        assert await overflow(anna.page) == 0
        assert await anna.page.locator("th").evaluate_all(IN_ANOTHERS_PLACE) == []


async def test_the_admin_rooms(server: Server, invite: Invite) -> None:
    anna = await invite("anna", width=VIEWS[0][0])
    site = await server.open_studio(YOGA, origins=[])
    await anna.opens(f"{server.url}/admin/sign-in")
    await is_sound(anna.page, "sign in", MORE_VIEWS)
    await anna.opens(await server.first_run_link_of(site))
    await is_sound(anna.page, "setup", MORE_VIEWS)

    await anna.sets_up(f"anna-{site.key}@example.org")
    await anna.goes_to("Settings")

    await expect(anna.page.frame_locator("iframe").get_by_role("heading", name="Yoga")).to_be_visible()
    await is_sound(anna.page, "settings", MORE_VIEWS)

    anna.expects("422")
    await anna.page.get_by_label("Allowed origins").fill("example.org")
    await anna.page.get_by_label("Time zone").fill("Europe/Atlantis")
    await anna.page.get_by_role("button", name="Save settings").click()
    await expect(anna.page.get_by_role("alert")).to_be_visible()
    await is_sound(anna.page, "not saved", MORE_VIEWS)
