"""The operator's rooms in a browser: on a phone and on a desk, light and dark, with the keyboard, and axe."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import Visitor, overflow, serious
from tests.browser.serving import LESSON, YOGA, Server, Studio

pytestmark = pytest.mark.anyio

VIEWS = pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])


async def is_sound(page: Page, step: str) -> None:
    assert (step, await serious(page), await overflow(page)) == (step, [], 0)


async def hired(invite: Invite, server: Server, studio: Studio, **wishes: Any) -> Visitor:
    operator = await invite("operator", **wishes)
    await operator.opens(await server.first_run_link_of(studio))
    await operator.sets_up(f"operator-{studio.key}@example.org")
    return operator


@VIEWS
async def test_bookings_and_who_comes(
    server: Server, studio: Studio, host: Host, invite: Invite, width: int, scheme: Any
) -> None:
    operator = await hired(invite, server, studio, width=width, color_scheme=scheme)
    page = operator.page
    await is_sound(page, "nothing today")
    for room, empty in (("Bookings", "No bookings yet."), ("Attendees", "Nobody in these days.")):
        await operator.goes_to(room)
        await expect(page.get_by_text(empty)).to_be_visible()
        await is_sound(page, f"no {room}")

    visitor = await invite("visitor")
    await visitor.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await visitor.holds(studio.slot(YOGA), seats=2)
    await visitor.confirms("Anna Ek")
    await visitor.is_booked()

    await operator.goes_to("Attendees")
    await is_sound(page, "attendees")
    await operator.goes_to("Today")
    await is_sound(page, "today")
    await operator.goes_to("Bookings")
    await page.get_by_text("Filter and sort").click()
    await is_sound(page, "bookings")
    await page.locator(".when a").click()
    await expect(page.get_by_role("heading", name="Yoga")).to_be_visible()
    await is_sound(page, "meeting")
    await page.get_by_role("link", name="Anna Ek").click()
    await expect(page.get_by_role("heading", name="Order")).to_be_visible()
    await page.get_by_text("Cancel this booking").click()
    await is_sound(page, "really cancel?")
    await page.get_by_role("button", name="Yes, cancel it").click()
    await expect(page.get_by_text("The seats are free again")).to_be_visible()
    await is_sound(page, "cancelled")


async def test_a_booking_is_found_and_cancelled_with_the_keyboard_and_widgets_see_it(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    slot = studio.slot(LESSON)
    anna, ben = await invite("anna"), await invite("ben")
    for visitor in (anna, ben):
        await visitor.opens(
            host.page(studio, f'<tenuto-booking site="{studio.key}" service="lesson"></tenuto-booking>')
        )
    await anna.holds(slot)
    await anna.confirms()
    await anna.is_booked()
    await ben.looks_at(slot)
    await expect(ben.status(slot)).to_have_text("full")
    operator = await hired(invite, server, studio)
    page = operator.page
    await operator.goes_to("Bookings")

    await page.get_by_role("searchbox").focus()
    await page.keyboard.type("anna ek")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**text=anna+ek**")
    await page.get_by_role("link", name="Anna Ek").focus()
    await page.keyboard.press("Enter")
    await page.get_by_text("Cancel this booking").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("The seats are free again")).to_be_visible()
    await expect(ben.status(slot)).to_have_text("free")
